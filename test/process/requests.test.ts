import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Simulator, startSimulator } from '../servers/simulator.ts'
import { type RunResult, runAction } from '../support/run-action.ts'

type Inputs = Record<string, string>

const act = (simulator: Simulator, action: string, inputs: Inputs) =>
  runAction({ action, inputs: { 'api-key': simulator.key, 'api-url': simulator.apiUrl, timeout: '50s', ...inputs } })

/** What a simulator saw, in the words of a step. */
function seenBy({ requests }: Simulator): string {
  const to = (place: RegExp) => requests.filter(({ url }) => place.test(url)).length
  const [streams, files] = [to(/^\/stream\//), to(/^\/files\//)]
  const others = requests.length - streams - files
  return [
    `${others} ${others === 1 ? 'request' : 'requests'} to the API`,
    streams > 0 ? `${streams} to event streams` : '',
    files > 0 ? `${files} for files` : '',
  ]
    .filter(Boolean)
    .join(', ')
}

/** @returns the line of the log that tells the number of requests, which must be what the simulator saw */
function toldAs(run: RunResult, simulator: Simulator): string {
  const lines = run.lines.filter((line) => /requests? to the API/.test(line))
  assert.deepEqual(lines, [`${seenBy(simulator)}.`], run.log)
  return lines.join()
}

describe('the number of requests in the log and the summary', { concurrency: 4 }, () => {
  test('the number of requests separates the API, streams, and files with their redirects', async () => {
    await using simulator = await startSimulator()
    const body = Buffer.from('a cake')
    const target = simulator.file('x/there.txt', { body, type: 'text/plain' })
    const moved = simulator.file('x/out-0.txt', { body, type: 'text/plain', tricks: [{ redirect: target }] })
    const id = simulator.add({
      startsWhenSeen: true,
      moments: [
        { at: 0, status: 'processing' },
        { at: 0.8, status: 'succeeded', output: [moved, target] },
      ],
    })
    await using run = await act(simulator, '.', { 'prediction-id': id, 'output-dir': 'out' })
    assert.equal(run.exitCode, 0, run.log)
    assert.match(toldAs(run, simulator), /, 1 to event streams, 3 for files\.$/)
    assert.ok(run.summary.includes(seenBy(simulator)), run.summary)
  })

  test('a page of the list counts as one request, however many IDs it covers', async () => {
    await using simulator = await startSimulator()
    const ids = Array.from({ length: 12 }, () => simulator.ended({ output: 'a text' }))
    await using run = await act(simulator, '.', { 'prediction-id': ids.join() })
    assert.equal(run.exitCode, 0, run.log)
    toldAs(run, simulator)
    assert.ok(simulator.apiRequests().some(({ url }) => url.endsWith('/predictions')))
    assert.ok(run.summary.includes(seenBy(simulator)), run.summary)
  })

  test('failed requests are counted', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: 'a text' })
    simulator.trick(id, { status: 502 }, { status: 429, headers: { 'retry-after': '1' } })
    await using run = await act(simulator, '.', { 'prediction-id': id })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(toldAs(run, simulator), '3 requests to the API.')
  })

  test('the creation and the polls of run are counted', async () => {
    await using simulator = await startSimulator()
    await using run = await act(simulator, 'run', { model: 'a/b', input: 'prompt: x' })
    assert.equal(run.exitCode, 0, run.log)
    toldAs(run, simulator)
    assert.ok(run.summary.includes(seenBy(simulator)), run.summary)
  })

  test('the creations, polls and files of a run with many inputs are counted', async () => {
    await using simulator = await startSimulator()
    const inputs = '{"a": {"prompt": "x"}, "b": {"prompt": "y"}, "c": {"prompt": "z"}}'
    await using run = await act(simulator, 'run', { model: 'a/b', inputs, 'output-dir': 'out' })
    assert.equal(run.exitCode, 0, run.log)
    toldAs(run, simulator)
    assert.equal(simulator.requests.filter(({ method }) => method === 'POST').length, 3)
    assert.ok(run.summary.includes(seenBy(simulator)), run.summary)
  })

  test('the creations of create are counted', async () => {
    await using simulator = await startSimulator()
    const inputs = '[{"prompt": "x"}, {"prompt": "y"}]'
    await using run = await runAction({
      action: 'create',
      inputs: { 'api-key': simulator.key, 'api-url': simulator.apiUrl, model: 'a/b', inputs },
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(toldAs(run, simulator), '2 requests to the API.')
  })

  test('cancellations after a timeout are counted', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({ moments: [{ at: 0, status: 'processing' }] })
    await using run = await act(simulator, '.', { 'prediction-id': id, timeout: '1s', 'cancel-on': 'timeout' })
    assert.equal(run.exitCode, 1, run.log)
    assert.ok(simulator.requests.some(({ url }) => url.endsWith('/cancel')))
    toldAs(run, simulator)
    assert.ok(run.summary.includes(seenBy(simulator)), run.summary)
  })
})
