import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { predictions } from '../../src/predictions/apis/predictions.ts'
import type { Cancellation } from '../../src/predictions/cancel.ts'
import { systemClock } from '../../src/predictions/clock.ts'
import { ConnectionError } from '../../src/predictions/errors.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { cancelAll, reportCancellations, withCancellations } from '../../src/runner/cancellation.ts'
import { readContext } from '../../src/runner/context.ts'
import { noRequests } from '../../src/runner/requests.ts'
import { startSimulator } from '../servers/simulator.ts'
import { listen } from '../support/listen.ts'
import { printed } from '../support/printed.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const runner = readContext({})
const inputsAt = (apiUrl: string, apiKey = 'key-0123456789') => ({ api: predictions, apiUrl, apiKey })

describe('the cancellation of predictions', () => {
  test('each prediction that still runs is canceled, and every request is counted', async () => {
    await using simulator = await startSimulator()
    const ids = [simulator.ended({ output: 'x' }), 'nobody']
    const requests = noRequests()
    const results = await cancelAll(ids, inputsAt(simulator.apiUrl, simulator.key), {
      runner,
      requests,
      clock: systemClock,
    })
    assert.deepEqual(results[0], { id: ids[0], end: 'over', status: 'succeeded' })
    assert.deepEqual([results[1]?.id, results[1]?.end], ['nobody', 'failed'])
    assert.equal(requests.api, simulator.apiRequests().length)
    assert.ok(requests.api >= 2)
  })

  test('an API without cancellation is not asked', async () => {
    const requests = noRequests()
    const { cancel: _cancel, ...api } = predictions
    const inputs = { ...inputsAt('http://127.0.0.1:1/v1'), api }
    assert.deepEqual(await cancelAll(['a', 'b'], inputs as never, { runner, requests, clock: systemClock }), [
      { id: 'a', end: 'impossible' },
      { id: 'b', end: 'impossible' },
    ])
    assert.equal(requests.api, 0)
  })

  test('a server that never answers is asked again, and given up after a minute', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    await using server = await listen(() => {})
    const requests = noRequests()
    const all = cancelAll(['a'], inputsAt(`${server.origin}/v1`), { runner, requests, clock })
    const [result] = await clock.run(all)
    assert.equal(result?.end, 'failed')
    const took = clock.now() - start
    assert.ok(took > 20 && took <= 60, `${took} s`)
    assert.ok(requests.api > 1, `${requests.api} requests`)
  })

  test('the signal of the step gives up', async () => {
    await using server = await listen(() => {})
    const signal = AbortSignal.abort(new Error('The step was canceled.'))
    const around = { runner, requests: noRequests(), clock: systemClock, signal }
    const [result] = await cancelAll(['a'], inputsAt(`${server.origin}/v1`), around)
    assert.deepEqual(result, { id: 'a', end: 'failed', error: undefined })
  })
})

test('an outcome has what became of its prediction, which is called canceled if it was', () => {
  const outcome = (id: string): Outcome => ({
    ...{ id, end: 'timeout', status: 'processing' },
    ...{ answer: undefined, error: undefined, waited: 1 },
  })
  const results: Cancellation[] = [
    { id: 'b', end: 'canceled' },
    { id: 'c', end: 'over', status: 'succeeded' },
  ]
  assert.deepEqual(withCancellations(['a', 'b', 'c'].map(outcome), results), [
    outcome('a'),
    { ...outcome('b'), status: 'canceled', cancellation: results[0] },
    { ...outcome('c'), cancellation: results[1] },
  ])
})

describe('the line about cancellations', () => {
  const report = (results: Cancellation[]) => printed(() => reportCancellations(results))

  test('cancellations are one line if none of the predictions may still run', async () => {
    assert.equal(await report([{ id: 'a', end: 'canceled' }]), 'Predictions that were still running: a canceled.\n')
  })

  test('cancellations are a warning with the first reason if some predictions may still run', async () => {
    const error = new ConnectionError({ method: 'GET', url: 'http://127.0.0.1:1/v1', call: 'get' }, 'no answer')
    const text = await report([
      { id: 'a', end: 'canceled' },
      { id: 'b', end: 'failed', error },
      { id: 'c', end: 'failed', error: undefined },
    ])
    assert.match(text, /^::warning::Predictions that were still running: a canceled; b, c could not be canceled\. /)
    assert.ok(text.includes(error.message), text)
    assert.match(await report([{ id: 'c', end: 'failed', error: undefined }]), /No time was left to cancel them\.\n$/)
  })
})
