import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Api } from '../../src/predictions/apis/api.ts'
import { runway } from '../../src/predictions/apis/runway.ts'
import { type Cancellation, cancelPredictions, describeCancellations } from '../../src/predictions/cancel.ts'
import { createClient } from '../../src/predictions/client.ts'
import { createRateLimiter } from '../../src/predictions/rate-limiter.ts'
import { says } from '../support/faults.ts'
import { KEY, type Reaction, type ScriptedRequest, scriptedDispatcher, VirtualClock } from '../support/virtual-time.ts'

const answers = (status: number, body = '', headers: Record<string, string> = {}): Reaction => ({
  status,
  body,
  headers,
})

/** Cancels `abc` on a server that reacts to looks and to calls. */
async function cancel(
  look: (index: number) => Reaction,
  call: (index: number) => Reaction,
  api?: Api,
): Promise<{ result: Cancellation; methods: string[]; requests: ScriptedRequest[] }> {
  const clock = new VirtualClock()
  let looks = 0
  let calls = 0
  const { dispatcher, requests } = scriptedDispatcher(clock, ({ method }) =>
    method === 'GET' ? look(looks++) : call(calls++),
  )
  const [result] = await clock.run(
    cancelPredictions(['abc'], {
      client: createClient({ ...(api && { api }), apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock }),
      clock,
      limiter: createRateLimiter({ clock }),
      signal: new AbortController().signal,
      random: () => 0.5,
    }),
  )
  assert.ok(result)
  return { result, methods: requests.map(({ method }) => method), requests }
}

const running = () => says('processing')

describe('a cancellation', () => {
  test('a cancellation fetches the prediction first, then sends one cancel request', async () => {
    const { result, requests } = await cancel(running, () => says('canceled'))
    assert.deepEqual(result, { id: 'abc', end: 'canceled' })
    assert.deepEqual(
      requests.map(({ method, path }) => [method, path]),
      [
        ['GET', '/v1/predictions/abc'],
        ['POST', '/v1/predictions/abc/cancel'],
      ],
    )
  })

  test('a prediction that has ended is not canceled', async () => {
    for (const status of ['succeeded', 'failed', 'canceled', 'aborted']) {
      const { result, methods } = await cancel(() => says(status), running)
      assert.deepEqual([result, methods], [{ id: 'abc', end: 'over', status }, ['GET']])
    }
  })

  test('any 2xx means canceled, but without a prediction in the response the prediction is fetched again', async () => {
    for (const body of ['{}', '', 'OK', '[]', '<html>', '{"message":"done"}']) {
      const { result, methods } = await cancel(
        (i) => says(i === 0 ? 'processing' : 'canceled'),
        () => answers(200, body),
      )
      assert.deepEqual([result, methods], [{ id: 'abc', end: 'canceled' }, ['GET', 'POST', 'GET']], body)
    }
    assert.deepEqual((await cancel(running, () => answers(204))).result, { id: 'abc', end: 'canceled' })
    const ended = await cancel(
      (i) => says(i === 0 ? 'processing' : 'succeeded'),
      () => answers(200, '{}'),
    )
    assert.deepEqual(ended.result, { id: 'abc', end: 'over', status: 'succeeded' })
    const gone = await cancel(
      (i) => (i === 0 ? running() : answers(404)),
      () => answers(200, '{}'),
    )
    assert.deepEqual(gone.result, { id: 'abc', end: 'canceled' })
  })

  test('a cancel request has failed if a 2xx reports an error and the prediction is still running', async () => {
    for (const body of [
      '{"error":{"message":"no"}}',
      '{"success":false}',
      '{"code":"no_route","data":null}',
      '<html>',
    ]) {
      const { result, methods } = await cancel(running, () => answers(200, body))
      assert.deepEqual([result.end, methods], ['failed', ['GET', 'POST', 'GET']], body)
      const unknown = await cancel(
        (i) => (i === 0 ? running() : answers(404)),
        () => answers(200, body),
      )
      assert.equal(unknown.result.end, 'failed', body)
    }
    for (const body of [
      '{"code":"success","data":null}',
      '{"code":0,"error":null}',
      '{"code":202,"message":"accepted"}',
      '{"message":"canceling"}',
    ])
      assert.equal((await cancel(running, () => answers(200, body))).result.end, 'canceled', body)
  })

  test('the deletion of a task has failed if a 2xx reports an error and the task is still running', async () => {
    const byDelete = async (call: Reaction) =>
      (
        await cancel(
          () => says('RUNNING'),
          () => call,
          runway,
        )
      ).result.end
    for (const body of ['{"error":"no such route"}', '<!doctype html><title>Gateway</title>'])
      assert.equal(await byDelete(answers(200, body)), 'failed', body)
    for (const body of ['', '{}', 'OK', '{"id":"abc"}', '{"id":"abc","status":"RUNNING"}'])
      assert.equal(await byDelete(answers(200, body)), 'canceled', body)
    assert.equal(await byDelete(answers(204)), 'canceled')
  })

  test('a cancel request that is refused because the prediction has just ended reports that end', async () => {
    for (const status of [400, 422]) {
      const { result } = await cancel(
        (i) => says(i === 0 ? 'processing' : 'succeeded'),
        () => answers(status),
      )
      assert.deepEqual(result, { id: 'abc', end: 'over', status: 'succeeded' })
      assert.equal((await cancel(running, () => answers(status))).result.end, 'failed')
    }
  })

  test('a cancel response with the status processing or aborted means canceled', async () => {
    assert.deepEqual((await cancel(running, running)).result, { id: 'abc', end: 'canceled' })
    assert.deepEqual((await cancel(running, () => says('aborted'))).result, { id: 'abc', end: 'canceled' })
  })

  test('a cancellation reports that the prediction ended in the meantime', async () => {
    const { result } = await cancel(running, () => says('succeeded'))
    assert.deepEqual(result, { id: 'abc', end: 'over', status: 'succeeded' })
  })

  test('canceling is impossible if the API does not know the call, and fails if it does not know the prediction', async () => {
    for (const status of [404, 405, 501]) {
      assert.deepEqual((await cancel(running, () => answers(status))).result, { id: 'abc', end: 'impossible' })
      const { result, methods } = await cancel(() => answers(status), running)
      assert.deepEqual([result.end, methods], ['failed', ['GET']])
    }
    assert.equal((await cancel(running, () => answers(401))).result.end, 'failed')
  })

  test('a cancel request is attempted four times with growing pauses, and the prediction is fetched before each', async () => {
    const { result, methods, requests } = await cancel(running, () => answers(503))
    assert.equal(result.end, 'failed')
    assert.deepEqual(methods, ['GET', 'POST', 'GET', 'POST', 'GET', 'POST', 'GET', 'POST'])
    const looks = requests.filter(({ method }) => method === 'GET').map(({ at }) => at)
    assert.deepEqual(
      looks.slice(1).map((at, i) => Math.round((at - (looks[i] ?? 0)) * 100) / 100),
      [0.6, 1.1, 2.1],
    )
  })

  test('a cancellation obeys Retry-After up to ten seconds', async () => {
    const { requests } = await cancel(running, (i) =>
      i === 0 ? answers(429, '', { 'retry-after': '60' }) : says('canceled'),
    )
    assert.equal(requests[2]?.at, 10.1)
  })

  test('a cancellation without a response has succeeded if the prediction is canceled or no longer exists', async () => {
    const lost: Reaction = { code: 'ECONNRESET' }
    const canceled = await cancel(
      (i) => says(i === 0 ? 'processing' : 'canceled'),
      () => lost,
    )
    assert.deepEqual(canceled.result, { id: 'abc', end: 'canceled' })
    const gone = await cancel(
      (i) => (i === 0 ? running() : answers(404)),
      () => lost,
    )
    assert.deepEqual(gone.result, { id: 'abc', end: 'canceled' })
  })
})

test('cancellations are described in one line that names the IDs', () => {
  const many = Array.from({ length: 12 }, (_, i): Cancellation => ({ id: `x${i}`, end: 'canceled' }))
  assert.equal(
    describeCancellations([
      { id: 'a', end: 'canceled' },
      { id: 'b', end: 'over', status: 'succeeded' },
      { id: 'c', end: 'over', status: 'failed' },
      { id: 'd', end: 'impossible' },
      { id: 'e', end: 'failed', error: undefined },
      { id: 'f', end: 'canceled' },
    ]),
    'a, f canceled; b, c had already ended (succeeded, failed); d cannot be canceled: the API does not support it; e could not be canceled',
  )
  assert.equal(describeCancellations(many), 'x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 2 more canceled')
})
