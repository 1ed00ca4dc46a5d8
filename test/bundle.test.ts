import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { startSimulator } from './servers/simulator.ts'
import { runAction } from './support/run-action.ts'
import { testFolder } from './support/temporary-folder.ts'

const ROOT = path.resolve(import.meta.dirname, '..')

test('the bundle runs from a folder without node_modules', async () => {
  await using simulator = await startSimulator()
  const folder = await testFolder('bundle')
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
  assert.equal(run.exitCode, 0, run.log)
})

test('the notices name every shipped package, each in one version', async () => {
  const notices = await readFile(path.join(ROOT, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const named = [...notices.matchAll(/^(\S+) \d+\.\d+\.\S+\n-{72}$/gm)].map(([, name]) => name)
  const { dependencies } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies))
    assert.equal(named.filter((each) => each === name).length, 1, `${name} in ${named.join(', ')}`)
})

test('the bundle contains only the parts of undici that are called', async () => {
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

/** Runs a module with Node, and returns what it prints as JSON. A process of its own, because undici's index changes its prototypes. */
async function evaluate(code: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], { cwd: ROOT })
  return JSON.parse(stdout)
}

test('the reduced undici has every method of dispatchers that undici or the toolkit calls', async () => {
  const methodsOf = (module: string) =>
    evaluate(`const { Dispatcher } = await import(${JSON.stringify(module)})
      console.log(JSON.stringify(Object.keys(Dispatcher.prototype)))`)
  const whole = await methodsOf('undici')
  const reduced = await methodsOf(pathToFileURL(path.join(ROOT, 'src/predictions/network/undici.ts')).href)
  assert.deepEqual(whole.toSorted(), ['connect', 'pipeline', 'request', 'stream', 'upgrade'])
  const called = new Map<string, string>()
  for (const folder of ['undici/lib', '@actions/http-client/lib', '@actions/github/lib', '@actions/artifact/lib']) {
    const under = path.join(ROOT, 'node_modules', folder)
    for (const name of await readdir(under, { recursive: true })) {
      if (!name.endsWith('.js')) continue
      const code = await readFile(path.join(under, name), 'utf8')
      for (const method of whole) if (new RegExp(`\\.${method}\\(`).test(code)) called.set(method, name)
    }
  }
  // ProxyAgent opens its tunnels with it.
  assert.ok(called.has('connect'))
  for (const [method, file] of called) assert.ok(reduced.includes(method), `${file} calls ${method}`)
})
