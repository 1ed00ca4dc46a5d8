import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
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

test('the notices name every package whose code is in dist, and no other', async () => {
  const inside = new Set<string>()
  const collect = (modules: readonly WebpackModule[] = []): void => {
    for (const each of modules) {
      const name = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(each.nameForCondition ?? '')?.[1]
      if (name !== undefined && each.modules === undefined) inside.add(name)
      collect(each.modules)
    }
  }
  for (const entry of await readdir(path.join(ROOT, 'dist'), { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    // webpack's own list of modules: another witness than the source maps that the build reads.
    const options = { cache: false, minify: false, quiet: true, sourceMap: false, sourceMapRegister: false } as const
    const { stats } = await ncc(path.join(ROOT, 'src', `${entry.name}.ts`), options)
    collect(
      stats.toJson({ all: false, modules: true, nestedModules: true, modulesSpace: 1e6, nestedModulesSpace: 1e6 })
        .modules,
    )
  }
  const notices = await readFile(path.join(ROOT, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const named = [...notices.matchAll(/^(\S+) \d+\.\d+\.\S+\n-{72}$/gm)].map(([, name]) => name ?? '')
  assert.ok(inside.size > 5)
  assert.deepEqual(new Set(named), inside)
})

test('there is one copy of undici in each bundle', async () => {
  for (const entry of await readdir(path.join(ROOT, 'dist'), { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const folder = path.join(ROOT, 'dist', entry.name)
    const files = (await readdir(folder)).filter((name) => name.endsWith('.js'))
    const code = (await Promise.all(files.map((name) => readFile(path.join(folder, name), 'utf8')))).join('')
    // The symbol under which undici keeps its global dispatcher stands in the code of every copy once.
    assert.ok(code.split('undici.globalDispatcher.').length - 1 <= 2, `${entry.name} has several copies`)
  }
})
