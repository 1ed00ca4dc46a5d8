/**
 * Changes the pure modules in small ways, one mutant after the other, and runs the tests of each module: a mutant that no
 * test notices shows a rule without a test. Each module is judged by its own tests, so that a run takes minutes, not
 * hours. `npm run mutation [-- FILE…]`; without files all of them. Exits with 1 if a module is below its score.
 */
import { access } from 'node:fs/promises'
import path from 'node:path'
import { Stryker } from '@stryker-mutator/core'
import { markdownTable } from '../bench/report.ts'

const ROOT = path.resolve(import.meta.dirname, '..')

/** The modules with the least share of mutants, in percent, that their tests must notice. */
const PURE = 85
const OTHERS = 75
const MODULES: Readonly<Record<string, number>> = {
  'src/predictions/batch.ts': PURE,
  'src/predictions/list.ts': PURE,
  'src/predictions/progress.ts': PURE,
  'src/predictions/schedule.ts': PURE,
  'src/runner/record.ts': OTHERS,
}
/** Mutants that say nothing about behavior: words of messages, and patterns that are the same for what is met. */
const LEFT_OUT = ['StringLiteral', 'Regex']

const testOf = (file: string) => file.replace(/^src\//, 'test/').replace(/\.ts$/, '.test.ts')

async function scoreOf(file: string): Promise<{ killed: number; survived: readonly string[] }> {
  const test = testOf(file)
  await access(path.join(ROOT, test))
  const results = await new Stryker({
    testRunner: 'tap',
    plugins: ['@stryker-mutator/tap-runner'],
    tap: { testFiles: [test], nodeArgs: ['--test-reporter=tap', '-r', '{{hookFile}}', '{{testFile}}'] },
    mutate: [file],
    mutator: { excludedMutations: LEFT_OUT },
    coverageAnalysis: 'perTest',
    tempDirName: '.stryker-tmp',
    disableTypeChecks: file,
    ignorePatterns: ['/dist', '/docs', '/examples', '/.github/images'],
    reporters: [],
    concurrency: 2,
    logLevel: 'error',
  } as never).runMutationTest()
  const judged = results.filter(({ status }) => status !== 'CompileError' && status !== 'Ignored')
  const survivors = judged.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
  return {
    killed: judged.length - survivors.length,
    survived: survivors.map(
      ({ location: { start }, mutatorName, replacement }) =>
        `${file}:${start.line}:${start.column + 1} ${mutatorName}: ${(replacement ?? '').replaceAll(/\s+/g, ' ').slice(0, 100)}`,
    ),
  }
}

const wanted = process.argv.slice(2)
const rows: string[][] = []
for (const [file, least] of Object.entries(MODULES)) {
  if (wanted.length > 0 && !wanted.includes(file)) continue
  const { killed, survived } = await scoreOf(file)
  const score = (100 * killed) / Math.max(1, killed + survived.length)
  for (const each of survived) console.log(`survived: ${each}`)
  rows.push([file, String(killed + survived.length), score.toFixed(0), String(least)])
  if (score < least) process.exitCode = 1
}
console.log(markdownTable(['module', 'mutants', 'noticed, %', 'at least, %'], rows))
