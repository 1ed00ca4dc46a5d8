import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Simulator, type StreamManner, startSimulator } from '../servers/simulator.ts'
import { runAction } from '../support/run-action.ts'

const LOOKS = /\/predictions\//

/** Waits for a prediction that is silent for four seconds and has a stream of some manner. */
async function wait(
  simulator: Simulator,
  stream: StreamManner,
  inputs: Record<string, string> = {},
  body: Record<string, unknown> = {},
) {
  const id = simulator.add({
    moments: [
      { at: 0, status: 'processing' },
      { at: 4, status: 'succeeded', output: 'x' },
    ],
    stream,
    body,
    startsWhenSeen: true,
  })
  const run = await runAction({
    inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl, timeout: '40s', ...inputs },
  })
  const asked = simulator.requests.map(({ url }) => url)
  return {
    run,
    looks: asked.filter((url) => LOOKS.test(url)).length,
    streams: asked.filter((url) => url.startsWith('/stream/')).length,
    id,
  }
}

describe('the stream of a prediction', { concurrency: 4 }, () => {
  test('a stream that signals the end saves requests, and is opened without the key', async () => {
    await using simulator = await startSimulator()
    await using other = await startSimulator()
    const [{ run, looks, streams }, without] = await Promise.all([wait(simulator, 'honest'), wait(other, 'none')])
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(streams, 1)
    assert.ok(looks <= 0.7 * without.looks, `${looks} looks, ${without.looks} without a stream`)
    const [opened] = simulator.requests.filter(({ url }) => url.startsWith('/stream/'))
    assert.ok(!JSON.stringify(opened?.headers).includes(simulator.key))
    assert.equal(opened?.headers.authorization, undefined)
  })

  for (const manner of ['silent', 'short', 'flood', 'early', 'refused', 'none'] as const) {
    test(`a stream of the kind "${manner}" does not affect the outcome`, async () => {
      await using simulator = await startSimulator()
      const { run, looks, streams } = await wait(simulator, manner)
      assert.equal(run.exitCode, 0, run.log)
      assert.equal(run.outputs.output_text, 'x')
      assert.ok(looks <= 20, `${looks} looks`)
      assert.ok(streams <= 3, `${streams} streams`)
      assert.equal(Number(run.outputs.total_time) >= 4, true)
      assert.deepEqual(run.annotations, [])
    })
  }

  test('a stream is not opened if poll-interval is fixed', async () => {
    await using simulator = await startSimulator()
    const { streams } = await wait(simulator, 'honest', { 'poll-interval': '1s' })
    assert.equal(streams, 0)
  })

  test('a stream on a host that is not allowed for files is not opened', async () => {
    await using simulator = await startSimulator()
    await using other = await startSimulator()
    const elsewhere = other.origin.replace('127.0.0.1', 'localhost')
    const { run } = await wait(simulator, 'none', {}, { urls: { stream: `${elsewhere}/stream/x` } })
    assert.equal(run.exitCode, 0)
    assert.equal(other.requests.length, 0)
  })
})
