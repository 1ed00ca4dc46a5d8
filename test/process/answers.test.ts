import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Simulator, startSimulator, type Trick } from '../servers/simulator.ts'
import { eventually } from '../support/eventually.ts'
import { type RunResult, runAction, startAction } from '../support/run-action.ts'

const inputs = (simulator: Simulator, id: string, more: Record<string, string> = {}) => ({
  'prediction-id': id,
  'api-key': simulator.key,
  'api-url': simulator.apiUrl,
  ...more,
})
const messages = (run: RunResult, level: 'error' | 'warning') =>
  run.annotations.filter((annotation) => annotation.level === level).map(({ message }) => message)

/** Requests for the prediction, without those for its stream. */
const polls = (simulator: Simulator, id: string) =>
  simulator.requests.filter(({ url }) => url.endsWith(`/predictions/${id}`)).length

const ENDS_SOON = {
  startsWhenSeen: true,
  moments: [
    { at: 0, status: 'processing' },
    { at: 1, status: 'succeeded', output: 'x' },
  ],
}

describe('a wait that had a good answer', { concurrency: 6 }, () => {
  const strays: [string, Trick][] = [
    ['a stray 401', { status: 401, body: '{"detail":"Unauthenticated"}' }],
    [
      'a challenge page',
      { status: 403, body: '<title>Just a moment...</title>', headers: { 'cf-mitigated': 'challenge' } },
    ],
    ['a maintenance page', { status: 200, body: '<!doctype html><title>Under maintenance</title>' }],
    ['the 404 of a router', { status: 404, body: '404 page not found' }],
    ['a redirect', { status: 301, headers: { location: 'https://elsewhere.example/' } }],
  ]
  for (const [name, trick] of strays) {
    test(`a wait continues after ${name}, and polls again after twelve seconds`, async () => {
      await using simulator = await startSimulator()
      const id = simulator.add(ENDS_SOON)
      simulator.trick(id, 'pass', trick)
      await using run = await runAction({ inputs: inputs(simulator, id, { timeout: '40s' }) })
      assert.equal(run.exitCode, 0, run.log)
      assert.match(run.log, /retrying in 12/)
      assert.equal(polls(simulator, id), 3)
    })
  }

  test('a wait continues after rare statuses, and retries after the delay that the server asks for', async () => {
    await using simulator = await startSimulator()
    const moments = [
      { at: 0, status: 'processing' },
      { at: 4, status: 'succeeded', output: 'x' },
    ]
    const id = simulator.add({ startsWhenSeen: true, moments })
    simulator.trick(id, ...[530, 409].flatMap((status): Trick[] => ['pass', { status, body: '{"retry_after":1.5}' }]))
    await using run = await runAction({ inputs: inputs(simulator, id, { timeout: '60s' }) })
    assert.equal(run.exitCode, 0, run.log)
    for (const status of [530, 409])
      assert.match(run.log, new RegExp(`retrying in (?:1\\.[5-9]|2).* returned ${status}`))
  })
})

test('an output folder that cannot be created is reported before any request', async () => {
  await using simulator = await startSimulator()
  for (const directory of ['/dev/null/pictures', '/proc/pictures']) {
    await using run = await runAction({
      inputs: inputs(simulator, simulator.ended({ output: 'x' }), { 'output-dir': directory }),
    })
    assert.equal(run.exitCode, 1)
    assert.match(messages(run, 'error')[0] ?? '', /no request was made\.\noutput-dir: /)
    assert.match(run.outputs.error ?? '', /output-dir: /)
  }
  assert.equal(simulator.requests.length, 0)
})

describe('an end in words that the API does not document', { concurrency: 3 }, () => {
  test('an undocumented status that means a failure fails the step with the error of the API', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({ moments: [{ at: 0, status: 'Request Moderated', error: 'The prompt is not allowed' }] })
    await using run = await runAction({ inputs: inputs(simulator, id) })
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.status, 'failed')
    assert.equal(run.outputs.error, 'The prompt is not allowed')
    assert.match(messages(run, 'warning').join(), /"Request Moderated" is treated as "failed"/)
  })

  test('a prediction with an unknown status counts as failed once its response no longer changes', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({ moments: [{ at: 0, status: 'halted', error: 'out of credit' }] })
    await using run = await runAction({ inputs: inputs(simulator, id) })
    assert.deepEqual([run.exitCode, run.outputs.status, run.outputs.error], [1, 'failed', 'out of credit'])
    assert.match(messages(run, 'error')[0] ?? '', /status "halted" is unknown/)
  })

  test('an unknown status is passed on unchanged at the timeout, with the error of the API', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({ moments: [{ at: 0, status: 'halted', error: 'out of credit' }] })
    await using run = await runAction({ inputs: inputs(simulator, id, { timeout: '2s' }) })
    assert.equal(run.outputs.status, 'halted')
    assert.match(run.outputs.error ?? '', /The API's error so far: out of credit\./)
  })
})

describe('the body of an answer', { concurrency: 3 }, () => {
  test('64-bit integers in a response keep their digits in the outputs and in the result file', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: 'x' })
    const seed = '18446744073709551615'
    simulator.trick(id, { status: 200, body: `{"id":"${id}","status":"succeeded","output":{"seed":${seed}}}` })
    await using run = await runAction({ inputs: inputs(simulator, id) })
    assert.equal(run.outputs.output, `{"seed":${seed}}`)
    assert.match(await readFile(run.outputs.result_file ?? '', 'utf8'), new RegExp(seed))
  })

  test('a response with NaN is read, with a warning', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: 'x' })
    simulator.trick(id, { status: 200, body: `{"id":"${id}","status":"succeeded","output":[NaN,-Infinity,1]}` })
    await using run = await runAction({ inputs: inputs(simulator, id) })
    assert.deepEqual([run.exitCode, run.outputs.output], [0, '[null,null,1]'])
    assert.match(messages(run, 'warning').join(), /NaN or Infinity/)
  })

  test('a success without an output is polled again, and then succeeds with a warning', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: null })
    await using run = await runAction({ inputs: inputs(simulator, id) })
    assert.equal(run.exitCode, 0)
    assert.equal(polls(simulator, id), 3)
    assert.match(messages(run, 'warning').join(), /succeeded, but the API returned no output/)
  })
})

test('a process that was suspended past its deadline still notices the end of the prediction', async () => {
  await using simulator = await startSimulator()
  const id = simulator.add({
    startsWhenSeen: true,
    moments: [
      { at: 0, status: 'processing' },
      { at: 3, status: 'succeeded', output: 'x' },
    ],
  })
  const started = await startAction({ inputs: inputs(simulator, id, { timeout: '4s' }) })
  await eventually('the second poll', () => polls(simulator, id) >= 2)
  started.child.kill('SIGSTOP')
  await sleep(7000)
  started.child.kill('SIGCONT')
  await using run = await started.result
  assert.equal(run.exitCode, 0, run.log)
  assert.equal(run.outputs.status, 'succeeded')
})
