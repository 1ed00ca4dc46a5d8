import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
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

/** The files of packages in the bundle, by webpack's own list: another witness than the source maps that the build reads. */
let inside: string[] = []
before(async () => {
  const options = { cache: false, minify: false, quiet: true, sourceMap: false, sourceMapRegister: false } as const
  const { stats } = await ncc(path.join(ROOT, 'src/index.ts'), options)
  const list = { all: false, modules: true, nestedModules: true, modulesSpace: 1e6, nestedModulesSpace: 1e6 }
  inside = filesOf(stats.toJson(list).modules)
})

const filesOf = (modules: readonly WebpackModule[] = []): string[] =>
  modules.flatMap((each) =>
    each.modules ? filesOf(each.modules) : (/node_modules\/.*/.exec(each.nameForCondition ?? '')?.[0] ?? []),
  )

test('the notices name every package whose code is in dist, and no other', async () => {
  const packages = inside.map((file) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1])
  const notices = await readFile(path.join(ROOT, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const named = [...notices.matchAll(/^(\S+) \d+\.\d+\.\S+\n-{72}$/gm)].map(([, name]) => name)
  assert.ok(named.length > 5)
  assert.deepEqual(new Set(named), new Set(packages))
})

test('undici is in the bundle once, and only the parts that are called', () => {
  const undici = inside.filter((file) => /node_modules\/undici\//.test(file))
  const copies = new Set(undici.map((file) => file.slice(0, file.lastIndexOf('undici/'))))
  assert.deepEqual([...copies], ['node_modules/'])
  assert.ok(!undici.includes('node_modules/undici/index.js'))
})
