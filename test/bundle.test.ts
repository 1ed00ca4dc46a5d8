import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { startSimulator } from './servers/simulator.ts'
import { runAction } from './support/run-action.ts'

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

test('the notices name every package that is listed as shipped, each in one version', async () => {
  const notices = await readFile(path.join(ROOT, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const named = [...notices.matchAll(/^(\S+) \d+\.\d+\.\S+\n-{72}$/gm)].map(([, name]) => name)
  const { dependencies } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies))
    assert.equal(named.filter((each) => each === name).length, 1, `${name} in ${named.join(', ')}`)
})

test('of undici only the parts that are called are in the bundle', async () => {
  const undici = path.join(ROOT, 'node_modules/undici/lib')
  const files = (await readdir(path.join(ROOT, 'dist'))).filter((name) => name.endsWith('.js'))
  const code = (await Promise.all(files.map((name) => readFile(path.join(ROOT, 'dist', name), 'utf8')))).join('')
  // Texts that stand in the code of a part, minified or not.
  const texts = [
    ['core/util.js', 'Invalid URL protocol', true],
    ['mock/mock-errors.js', 'UND_MOCK_ERR_MOCK_NOT_MATCHED', false],
    ['web/cache/cachestorage.js', 'CacheStorage.has', false],
  ] as const
  for (const [file, text, inside] of texts) {
    assert.ok((await readFile(path.join(undici, file), 'utf8')).includes(text), file)
    assert.equal(code.includes(text), inside, file)
  }
})
