import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { CREATE_OUTPUTS, OUTPUTS } from '../../src/runner/outputs.ts'
import { startSimulator } from '../servers/simulator.ts'
import { runAction, startAction } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'

const NOT_SET = 'The outputs could not be set'

/** Runs a prediction that ended with the status in an odd environment. */
async function run(status: string, env: Record<string, string | undefined>, home?: string) {
  await using simulator = await startSimulator()
  const id = simulator.ended({ status, output: 'x', error: status === 'failed' ? 'broken' : null })
  return await runAction({
    inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl },
    env,
    ...(home === undefined ? {} : { home }),
  })
}

const warnings = ({ annotations }: { annotations: { level: string; message: string }[] }) =>
  annotations
    .filter(({ level }) => level === 'warning')
    .map(({ message }) => message)
    .join('\n')

describe('the verdict is right', { concurrency: 4 }, () => {
  const oddities: [string, Record<string, string | undefined>, RegExp][] = [
    ['a missing GITHUB_OUTPUT', { GITHUB_OUTPUT: undefined }, new RegExp(`${NOT_SET}: GITHUB_OUTPUT is not set`)],
    ['a missing GITHUB_STEP_SUMMARY', { GITHUB_STEP_SUMMARY: undefined }, /summary could not be written/],
    [
      'a RUNNER_TEMP that does not exist',
      { RUNNER_TEMP: '/nowhere/temp' },
      /result_file could not be written: No folder could be created under \/nowhere\/temp/,
    ],
    [
      'a RUNNER_TEMP that cannot be written to',
      { RUNNER_TEMP: '/proc' },
      /result_file could not be written: No folder could be created under \/proc/,
    ],
    ['a missing GITHUB_STATE', { GITHUB_STATE: undefined }, /^$/],
  ]
  for (const [name, env, words] of oddities) {
    test(`${name} does not change the result of the step`, async () => {
      await using good = await run('succeeded', env)
      assert.equal(good.exitCode, 0, good.log)
      assert.match(warnings(good), words)
      assert.doesNotMatch(good.log, /::set-output|::save-state/)
      await using bad = await run('failed', env)
      assert.equal(bad.exitCode, 1)
      assert.match(warnings(bad), words)
      if (!('GITHUB_OUTPUT' in env)) assert.equal(bad.outputs.status, 'failed')
    })
  }
})

describe('a GITHUB_OUTPUT that cannot be written', () => {
  for (const [name, file, words] of [
    ['does not exist', '/nowhere/output', /Missing file at path/],
    ['is on a full disk', '/dev/full', /ENOSPC: no space left on device/],
  ] as const) {
    test(`a GITHUB_OUTPUT that ${name} fails the step`, {
      skip: process.platform !== 'linux' && 'has no /dev/full',
    }, async () => {
      await using result = await run('succeeded', { GITHUB_OUTPUT: file })
      assert.equal(result.exitCode, 1)
      const [error, ...more] = result.annotations.filter(({ level }) => level === 'error')
      assert.equal(error?.title, 'Outputs not set')
      assert.match(error?.message ?? '', words)
      assert.match(error?.message ?? '', /Later steps would read empty values\.$/)
      assert.deepEqual(more, [])
    })
  }
})

describe('every output is set', { concurrency: 4 }, () => {
  const wait = (inputs: Record<string, string>, action = '.') => runAction({ action, inputs })

  test('invalid inputs leave every output empty, except for the reasons in error', async () => {
    await using result = await wait({ 'prediction-id': '', 'api-key': 'sk-test-0123456789', timeout: 'soon' })
    const { error, ...others } = result.outputs
    assert.deepEqual(others, Object.fromEntries(OUTPUTS.filter((name) => name !== 'error').map((name) => [name, ''])))
    const lines = error?.split('\n') ?? []
    assert.deepEqual(
      lines.map((line) => line.split(':')[0]),
      ['2 inputs are invalid; no request was made.', 'prediction-id', 'timeout'],
    )
  })

  test('a create step without a prediction leaves every output empty', async () => {
    await using result = await wait({ 'api-key': 'sk-test-0123456789' }, 'create')
    assert.deepEqual(result.outputs, Object.fromEntries(CREATE_OUTPUTS.map((name) => [name, ''])))
  })

  test('a killed process has set every output', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({ moments: [{ at: 0, status: 'processing' }] })
    const started = await startAction({
      inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl },
    })
    await started.until('processing')
    started.child.kill('SIGKILL')
    await using result = await started.result
    assert.deepEqual(Object.keys(result.outputs).sort(), [...OUTPUTS].sort())
  })
})

test('a step ends by itself with its files and outputs if nothing reads its log', async () => {
  await using simulator = await startSimulator()
  const output = simulator.file('a.txt', { body: Buffer.from('paid') })
  for (const [status, exitCode] of [
    ['succeeded', 0],
    ['failed', 1],
  ] as const) {
    const id = simulator.add({
      moments: [
        { at: 0, status: 'processing' },
        { at: 2, status, output },
      ],
    })
    const started = await startAction({
      inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl, 'output-dir': 'out' },
    })
    await started.until('processing')
    started.child.stdout?.destroy()
    started.child.stderr?.destroy()
    await using result = await started.result
    assert.deepEqual([result.exitCode, result.signal, result.outputs.status], [exitCode, null, status])
    if (status === 'succeeded') assert.equal(await readFile(result.outputs.files ?? '', 'utf8'), 'paid')
  }
})

test('the output error has one line per reason and no workflow command', async () => {
  await using simulator = await startSimulator()
  const hostile = '::error::forged\r\n##[set-output name=x]y\n\t::stop-commands::z'
  const ids = [1, 2].map(() => simulator.ended({ status: 'failed', error: hostile }))
  await using result = await runAction({
    inputs: { 'prediction-id': ids.join(), 'api-key': simulator.key, 'api-url': simulator.apiUrl },
  })
  const line = ': :error::forged ⏎ ## [set-output name=x]y ⏎ ::stop-commands::z'
  assert.equal(result.outputs.error, ids.map((id) => `${id}: ${line.replace(': :', '::')}`).join('\n'))
  assert.deepEqual(
    JSON.parse(result.outputs.predictions ?? '').map(({ error }: { error: string }) => error),
    [line, line],
  )
  await using single = await runAction({
    inputs: { 'prediction-id': ids[0] ?? '', 'api-key': simulator.key, 'api-url': simulator.apiUrl },
  })
  assert.equal(single.outputs.error, line)
})

test('paths with blanks and non-ASCII characters work', async () => {
  const home = path.join(await testFolder('run '), 'Ordner mit Leerzeichen 图片')
  await mkdir(home)
  await using odd = await run('succeeded', {}, home)
  assert.equal(odd.exitCode, 0, odd.log)
  assert.ok(odd.outputs.result_file?.startsWith(home))
  assert.equal(JSON.parse(await readFile(odd.outputs.result_file ?? '', 'utf8')).predictions.length, 1)
})
