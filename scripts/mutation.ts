/**
 * Changes modules in small ways, one mutant after the other, and runs the tests of each module: a mutant that no test
 * notices shows a rule without a test. Without files all modules have their turn, and of each as many mutants as fit
 * into its share of the time, chosen by a fixed seed; `--all` tries all, `--force` also those whose module and tests
 * are as they were. Writes the scores into CONTRIBUTING.md, and exits with 1 if one of them is too low.
 *
 * `npm run mutation [-- [--all] [--force] FILE…]`
 */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Instrumenter } from '@stryker-mutator/instrumenter'
import { markdownTable } from '../bench/report.ts'
import { MODULES, type MutatedModule } from './mutated-modules.ts'
import { succeedsInTime } from './process-group.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const CACHE = path.join(ROOT, '.mutation')
const DOCUMENT = path.join(ROOT, 'CONTRIBUTING.md')
const HOOK = pathToFileURL(path.join(import.meta.dirname, 'mutation-hook.mjs')).href
const REPORTER = pathToFileURL(path.join(import.meta.dirname, 'mutation-reporter.mjs')).href
/** Mutants of a module that are tried unless `--all` asks for more: as many as their tests take no longer than SHARE seconds for. */
const SAMPLE = { least: 8, most: 25 }
const SHARE = 60
const SEED = 'await-prediction'

interface Mutant {
  id: string
  /** What it changes, as a line of the report. */
  text: string
}

interface Prepared {
  module: MutatedModule
  mutants: readonly Mutant[]
  /** Where the text with a switch for each mutant is. */
  instrumented: string
}

interface Score {
  /** Of the module and its tests: what was found holds as long as they are the same. */
  digest: string
  all: number
  tried: number
  survived: readonly string[]
}

const percentOf = ({ tried, survived }: Score): number =>
  tried === 0 ? 100 : (100 * (tried - survived.length)) / tried

async function prepare(module: MutatedModule, folder: string): Promise<Prepared> {
  const { file, leftOut } = module
  const quiet = () => {}
  const log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: quiet,
    trace: quiet,
    fatal: quiet,
    isDebugEnabled: () => false,
  }
  const instrumenter = new Instrumenter(log as never)
  const content = await readFile(path.join(ROOT, file), 'utf8')
  const { files, mutants } = await instrumenter.instrument([{ name: file, mutate: true, content }], {
    excludedMutations: [...leftOut],
    ignorers: [],
    noHeader: false,
    plugins: null,
  })
  const instrumented = path.join(folder, file.replaceAll('/', '-'))
  await writeFile(instrumented, files[0]?.content ?? '')
  const judged = mutants.filter(({ status }) => status !== 'Ignored')
  return {
    module,
    instrumented,
    mutants: judged.map(({ id, location: { start }, mutatorName, replacement }) => ({
      id,
      text: `${file}:${start.line + 1}:${start.column + 1} ${mutatorName}: ${replacement.replaceAll(/\s+/g, ' ').slice(0, 100)}`,
    })),
  }
}

/** The digest of what the score of a module rests on. */
async function digestOf({ file, tests, leftOut }: MutatedModule): Promise<string> {
  const hash = createHash('sha256').update(leftOut.join())
  for (const name of [file, ...tests]) hash.update(await readFile(path.join(ROOT, name)))
  return hash.digest('hex')
}

/** Runs a file of tests with a mutant, or with none. @returns whether all tests passed in time */
function passes(test: string, { module, instrumented }: Prepared, limit: number, env: Record<string, string>) {
  const args = [`--test-reporter=${REPORTER}`, '--test-reporter-destination=stdout', test]
  return succeedsInTime(args, limit, {
    cwd: ROOT,
    env: {
      ...process.env,
      NODE_OPTIONS: `--import=${HOOK}`,
      MUTATED_FILE: pathToFileURL(path.join(ROOT, module.file)).href,
      INSTRUMENTED: instrumented,
      ...env,
    },
  })
}

/** What a file of tests does without mutants. */
interface Baseline {
  test: string
  seconds: number
  /** The mutants that it reaches. */
  reached: ReadonlySet<string>
}

async function measure(test: string, prepared: Prepared): Promise<Baseline> {
  const covered = `${prepared.instrumented}.covered`
  const start = performance.now()
  if (!(await passes(test, prepared, 600, { COVERED: covered }))) throw new Error(`${test} fails without a mutant`)
  const seconds = (performance.now() - start) / 1000
  const reached = new Set((await readFile(covered, 'utf8')).split('\n'))
  await rm(covered)
  return { test, seconds, reached }
}

/** Whether a test notices a mutant. */
async function isNoticed(id: string, prepared: Prepared, baselines: readonly Baseline[]): Promise<boolean> {
  for (const { test, seconds, reached } of baselines) {
    const env = { __STRYKER_ACTIVE_MUTANT__: id }
    if (reached.has(id) && !(await passes(test, prepared, 10 + 4 * seconds, env))) return true
  }
  return false
}

const rank = (seed: string) => createHash('sha256').update(SEED).update(seed).digest('hex')

/** Some of the mutants, always the same ones. */
function sample(mutants: readonly Mutant[], size: number): Mutant[] {
  const ranked = mutants.map((mutant) => ({ mutant, rank: rank(mutant.text) }))
  return ranked
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, size)
    .map(({ mutant }) => mutant)
}

async function judge(module: MutatedModule, all: boolean): Promise<Omit<Score, 'digest'>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mutation-'))
  try {
    const prepared = await prepare(module, folder)
    const baselines: Baseline[] = []
    for (const test of module.tests) baselines.push(await measure(test, prepared))
    baselines.sort((a, b) => a.seconds - b.seconds)
    const seconds = baselines.reduce((sum, each) => sum + each.seconds, 0)
    const size = all
      ? prepared.mutants.length
      : Math.max(SAMPLE.least, Math.min(SAMPLE.most, Math.ceil(SHARE / seconds)))
    const chosen = sample(prepared.mutants, size)
    const survived: string[] = []
    const waiting = chosen.values()
    const work = async () => {
      for (const { id, text } of waiting) if (!(await isNoticed(id, prepared, baselines))) survived.push(text)
    }
    await Promise.all(Array.from({ length: availableParallelism() }, work))
    return { all: prepared.mutants.length, tried: chosen.length, survived: survived.sort() }
  } finally {
    await rm(folder, { recursive: true })
  }
}

const cacheOf = (file: string) => path.join(CACHE, `${file.replaceAll('/', '-')}.json`)

async function scoreOf(module: MutatedModule, { all, force }: { all: boolean; force: boolean }): Promise<Score> {
  const digest = await digestOf(module)
  const cached: Score | undefined = await readFile(cacheOf(module.file), 'utf8').then(JSON.parse, () => undefined)
  if (!force && cached?.digest === digest && (!all || cached.tried === cached.all)) return cached
  const score = { digest, ...(await judge(module, all)) }
  await writeFile(cacheOf(module.file), JSON.stringify(score))
  return score
}

const TABLE = /(?<=<!-- mutation -->\n).*?(?=\n<!-- \/mutation -->)/s
const HEAD = ['module', 'mutants', 'tried', 'killed, %', 'required, %']

/** Puts rows into the table of the document; those of modules that had no turn stay. */
async function writeTable(rows: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const document = await readFile(DOCUMENT, 'utf8')
  const old = [...(TABLE.exec(document)?.[0] ?? '').matchAll(/^\| `(?<file>[^`]+)` \|(?<rest>.*)\|$/gm)]
  const merged = new Map<string, readonly string[]>(
    old.map(({ groups: { file = '', rest = '' } = {} }) => [file, rest.split('|')]),
  )
  for (const [file, row] of rows) merged.set(file, row)
  const known = MODULES.filter(({ file }) => merged.has(file))
  const lines = known.map(({ file }) => [`\`${file}\``, ...(merged.get(file) ?? [])])
  await writeFile(
    DOCUMENT,
    document.replace(TABLE, () => markdownTable(HEAD, lines)),
  )
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false }, force: { type: 'boolean', default: false } },
})
const unknown = positionals.filter((name) => !MODULES.some(({ file }) => file === name))
if (unknown.length > 0) throw new Error(`not in scripts/mutated-modules.ts: ${unknown.join(', ')}`)
await mkdir(CACHE, { recursive: true })
for (const module of MODULES.filter(({ file }) => positionals.length === 0 || positionals.includes(file))) {
  const score = await scoreOf(module, values)
  const percent = percentOf(score)
  for (const each of score.survived) console.log(`survived: ${each}`)
  console.log(`${module.file}: ${percent.toFixed(0)} % of ${score.tried} of ${score.all}`)
  const row = [score.all, score.tried, Math.floor(percent), module.least].map(String)
  await writeTable(new Map([[module.file, row]]))
  if (percent < module.least) process.exitCode = 1
}
