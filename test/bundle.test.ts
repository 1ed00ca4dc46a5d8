import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import ncc, { type WebpackModule } from '@vercel/ncc'
import { runAction } from './run-action.ts'
import { startSimulator } from './simulator.ts'

const ROOT = path.resolve(import.meta.dirname, '..')

test('the bundle runs from a folder without node_modules', async () => {
  await using simulator = await startSimulator()
  const folder = await mkdtemp(path.join(tmpdir(), 'bundle-'))
  await cp(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true })
  await using run = await runAction({
    inputs: {
      'prediction-id': simulator.ended({ output: 'x' }),
      'api-key': simulator.key,
      'api-url': simulator.apiUrl,
    },
    from: 'dist',
    root: folder,
  })
  await rm(folder, { recursive: true })
  assert.equal(run.exitCode, 0, run.log)
})

/** The entry of each bundle with the files of packages in it, by webpack's own list: another witness than the source maps that the build reads. */
const bundles = new Map<string, string[]>()
before(async () => {
  for (const entry of await readdir(path.join(ROOT, 'dist'), { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const options = { cache: false, minify: false, quiet: true, sourceMap: false, sourceMapRegister: false } as const
    const { stats } = await ncc(path.join(ROOT, 'src', `${entry.name}.ts`), options)
    const list = { all: false, modules: true, nestedModules: true, modulesSpace: 1e6, nestedModulesSpace: 1e6 }
    bundles.set(entry.name, filesOf(stats.toJson(list).modules))
  }
})

const filesOf = (modules: readonly WebpackModule[] = []): string[] =>
  modules.flatMap((each) =>
    each.modules ? filesOf(each.modules) : (/node_modules\/.*/.exec(each.nameForCondition ?? '')?.[0] ?? []),
  )

test('the notices name every package whose code is in dist, and no other', async () => {
  const inside = [...bundles.values()].flat().map((file) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1])
  const notices = await readFile(path.join(ROOT, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const named = [...notices.matchAll(/^(\S+) \d+\.\d+\.\S+\n-{72}$/gm)].map(([, name]) => name)
  assert.ok(named.length > 5)
  assert.deepEqual(new Set(named), new Set(inside))
})

test('undici is in each bundle once, and only the parts that are called', () => {
  for (const [name, files] of bundles) {
    const undici = files.filter((file) => /node_modules\/undici\//.test(file))
    const copies = new Set(undici.map((file) => file.slice(0, file.lastIndexOf('undici/'))))
    assert.deepEqual([...copies], ['node_modules/'], name)
    assert.ok(!undici.includes('node_modules/undici/index.js'), name)
  }
})
