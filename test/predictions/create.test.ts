import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from '../../src/predictions/client.ts'
import { CreateError, createPrediction } from '../../src/predictions/create.ts'
import type { ApiError } from '../../src/predictions/errors.ts'
import type { RequestOptions } from '../../src/predictions/network/origin-pool.ts'
import { unlessAborted } from '../../src/predictions/promises.ts'
import { KEY, type Reaction, type ScriptedRequest, scriptedDispatcher, VirtualClock } from '../support/virtual-time.ts'

const CREATED: Reaction = { status: 201, body: '{"id":"abc","status":"starting"}' }
const answers = (status: number, body = '', headers: Record<string, string> = {}): Reaction => ({
  status,
  body,
  headers,
})

interface Played {
  id: string | undefined
  status: string | undefined
  model: string | undefined
  error: CreateError | undefined
  requests: ScriptedRequest[]
  pauses: number[]
  warnings: string[]
  took: number
}

async function play(
  react: (request: ScriptedRequest, index: number) => Reaction,
  {
    target = { model: 'o/m' } as Parameters<typeof createPrediction>[0]['target'],
    random = () => 0.5,
    patience = undefined as number | undefined,
  } = {},
): Promise<Played> {
  const clock = new VirtualClock()
  const { dispatcher, requests } = scriptedDispatcher(clock, react)
  const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
  const played: Played = {
    id: undefined,
    status: undefined,
    model: undefined,
    error: undefined,
    requests,
    pauses: [],
    warnings: [],
    took: 0,
  }
  const start = clock.now()
  try {
    const answer = await clock.run(
      createPrediction(
        { target, input: {}, cancelAfter: undefined },
        {
          client,
          clock,
          signal: new AbortController().signal,
          random,
          ...(patience === undefined ? {} : { patience }),
          onRetry: (_: ApiError, pause) => played.pauses.push(pause),
          warn: (message) => played.warnings.push(message),
        },
      ),
    )
    Object.assign(played, {
      id: answer.prediction.id,
      status: answer.prediction.status,
      model: answer.prediction.model,
    })
  } catch (error) {
    assert.ok(error instanceof CreateError, String(error))
    played.error = error
  }
  played.took = clock.now() - start
  return played
}

describe('a creation', () => {
  test('a create request is not sent after the signal was aborted', async () => {
    const clock = new VirtualClock()
    const { dispatcher, requests } = scriptedDispatcher(clock, () => CREATED)
    const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
    const reason = new Error('the step was canceled')
    const options = { client, clock, signal: AbortSignal.abort(reason), onRetry() {}, warn() {} }
    const created = createPrediction({ target: { model: 'o/m' }, input: {}, cancelAfter: undefined }, options)
    await assert.rejects(created, (error) => error === reason)
    assert.equal(requests.length, 0)
  })

  test('a create request that succeeds is sent once', async () => {
    const { id, requests, warnings } = await play(() => CREATED)
    assert.equal(id, 'abc')
    assert.deepEqual(
      requests.map(({ method, path }) => [method, path]),
      [['POST', '/v1/models/o/m/predictions']],
    )
    assert.deepEqual(warnings, [])
  })

  test('a create request is retried after a 429 and after a failed connection, with growing pauses', async () => {
    const refusals: Reaction[] = [answers(429), { code: 'ECONNREFUSED' }, { code: 'ENOTFOUND' }, answers(429)]
    const { id, requests, pauses } = await play((_, i) => refusals[i] ?? CREATED)
    assert.equal(id, 'abc')
    assert.equal(requests.length, 5)
    assert.deepEqual(pauses, [1, 2, 4, 8])
  })

  test('a create request is retried after the pause that a 429 asks for, two minutes at most', async () => {
    const { pauses } = await play((_, i) =>
      i < 2 ? answers(429, '', { 'retry-after': i === 0 ? '45' : '200' }) : CREATED,
    )
    assert.deepEqual(pauses, [45, 120])
  })

  test('a create request is retried for five minutes after 429s or failed connections, and nothing was started', async () => {
    for (const refusal of [answers(429), { code: 'ECONNREFUSED' } as const]) {
      const { error, took } = await play(() => refusal)
      assert.equal(error?.mayRun, false)
      assert.doesNotMatch(error?.message ?? '', /may have been started/)
      assert.ok(took > 265 && took <= 300, `${took} s`)
    }
  })

  test('a create request is retried for five minutes if no connection was ever made, else until the timeout', async () => {
    for (const code of ['ECONNREFUSED', 'ENOTFOUND'] as const) {
      const { error, took } = await play(() => ({ code }), { patience: 3600 })
      assert.equal(error?.mayRun, false)
      assert.ok(took > 265 && took <= 300, `${took} s`)
    }
    const hour = { patience: 3600 }
    const { took } = await play((_, i) => (i === 0 ? answers(429) : { code: 'ECONNREFUSED' }), hour)
    assert.ok(took > 3500 && took <= 3600, `${took} s`)
    assert.ok((await play(() => answers(429), hour)).took > 3500)
  })

  const lost: [string, Reaction][] = [
    ['a reset', { code: 'ECONNRESET' }],
    ...[408, 409, 500, 502, 503, 504, 520, 530].map((status): [string, Reaction] => [`a ${status}`, answers(status)]),
    ['a 503 with a hint', answers(503, '', { 'retry-after': '1' })],
    ['a 400 that says retryable', answers(400, '{"retryable":true}')],
    ['a cut-off body', answers(201, '{"id":"abc","st')],
    ['an empty body', answers(201)],
    ['a web page', answers(200, '<html>')],
    ['a list', answers(200, '[]')],
    ['a prediction without an ID', answers(200, '{"id":null,"status":"succeeded"}')],
    ['JSON that is nested too deeply', answers(201, `${'['.repeat(300)}${']'.repeat(300)}`)],
  ]
  for (const [name, answer] of lost) {
    test(`a create request is never retried after ${name}, because the prediction may have been started`, async () => {
      const { error, requests } = await play((_, i) => (i === 0 ? answer : CREATED))
      assert.equal(requests.length, 1)
      assert.equal(error?.mayRun, true)
      assert.match(error?.message ?? '', /may have been started anyway/)
    })
  }

  test('a create request that is refused is not retried, and nothing was started', async () => {
    for (const status of [301, 400, 401, 402, 403, 404, 405, 413, 422, 501]) {
      const { error, requests } = await play(() => answers(status))
      assert.deepEqual([requests.length, error?.mayRun], [1, false], String(status))
      assert.doesNotMatch(error?.message ?? '', /may have been started/)
    }
  })

  test('a create response with only an ID counts as starting, with a warning', async () => {
    for (const body of ['{"id":"abc"}', '{"data":{"id":"abc"}}', '{"prediction":{"id":"abc"}}']) {
      const { id, warnings } = await play(() => answers(201, body))
      assert.equal(id, 'abc', body)
      assert.equal(warnings.length, 1)
      assert.match(warnings[0] ?? '', /has no status\. It has the ID abc/)
    }
    for (const body of ['{"id":"a/../b"}', '{"id":7}', '{"data":[{"id":"abc"}]}']) {
      assert.equal((await play(() => answers(201, body))).error?.mayRun, true, body)
    }
  })

  test('an error about a create response that is not understood quotes the response', async () => {
    for (const [body, quoted] of [
      ['{"code":"quota_not_enough","message":"用户额度不足","data":null}', /"message":"用户额度不足"/],
      [
        '{"code":"success","data":"abc123"}',
        /The response was \{"code":"success","data":"abc123"\}\. The prediction may/,
      ],
      ['{"id":12345678901234567890,"status":"starting"}', /"id":12345678901234567890,/],
    ] as const) {
      assert.match((await play(() => answers(200, body))).error?.message ?? '', quoted)
    }
    const long = (await play(() => answers(200, `{"data":"${'x'.repeat(9000)}"}`))).error?.message ?? ''
    assert.ok(long.length < 1500, `${long.length} characters`)
  })

  test('a 404 for a create request gives advice about models and versions, not about the ID of a prediction', async () => {
    for (const target of [{ model: 'o/m' }, { deployment: 'o/d' }, { version: 'v' }]) {
      const { error } = await play(() => answers(404, '{"detail":"Not found."}'), { target })
      assert.match(error?.message ?? '', /no such model, version or deployment.*owner\/name:version/)
      assert.doesNotMatch(error?.message ?? '', /ID is wrong|queue/)
    }
  })

  test('a create request gets the advice to pass files as URLs after a 413, and to check api-url after a 405', async () => {
    assert.match((await play(() => answers(413))).error?.message ?? '', /pass files as URLs/)
    assert.match(
      (await play(() => answers(405))).error?.message ?? '',
      /does not start predictions in this way: check api-url/,
    )
  })

  test('an error about a create request names the fields that the model refuses', async () => {
    const body = '{"detail":"bad","invalid_fields":[{"field":"input.steps","description":"must be a number."}]}'
    assert.match((await play(() => answers(422, body))).error?.message ?? '', /\ninput steps: must be a number\.$/)
  })

  test('a bug during a create request is thrown as it is', async () => {
    const clock = new VirtualClock()
    const bug = new TypeError('a bug')
    const client = { create: () => Promise.reject(bug) } as never
    const options = { client, clock, signal: new AbortController().signal, onRetry() {}, warn() {} }
    await assert.rejects(
      createPrediction({ target: { model: 'o/m' }, input: {}, cancelAfter: undefined }, options),
      bug,
    )
  })

  test('a create request is not retried after the step was canceled', async () => {
    const clock = new VirtualClock()
    const stop = new AbortController()
    const { dispatcher, requests } = scriptedDispatcher(clock, () => answers(429))
    const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
    const reason = new Error('The step was canceled.')
    const request = { target: { model: 'o/m' }, input: {}, cancelAfter: undefined }
    const options = { client, clock, signal: stop.signal, onRetry: () => stop.abort(reason), warn() {} }
    await assert.rejects(clock.run(createPrediction(request, options)), reason)
    assert.equal(requests.length, 1)
  })

  /** A creation during which the step is canceled, before an answer that takes some seconds. */
  async function canceled(reaction: Reaction) {
    const clock = new VirtualClock()
    const stop = new AbortController()
    const { dispatcher, requests } = scriptedDispatcher(clock, () => reaction)
    const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
    const options = { client, clock, signal: stop.signal, onRetry: assert.fail, warn() {} }
    clock.sleep(5).then(() => stop.abort(new Error('the step was canceled')))
    const creation = createPrediction({ target: { model: 'o/m' }, input: {}, cancelAfter: undefined }, options)
    try {
      return { id: (await clock.run(creation)).prediction.id, error: undefined, at: clock.now() - 1000, requests }
    } catch (error) {
      assert.ok(error instanceof CreateError)
      return { id: undefined, error, at: clock.now() - 1000, requests }
    }
  }

  const createdAfter = (latency: number): Reaction => ({
    status: 201,
    body: '{"id":"abc","status":"starting"}',
    latency,
  })

  test('a create request in flight when the step is canceled has one second more for its response', async () => {
    assert.equal((await canceled(createdAfter(5.8))).id, 'abc')
    const { error, at } = await canceled(createdAfter(6.2))
    assert.equal(at, 6)
    assert.equal(error?.mayRun, true)
    assert.match(
      error?.message ?? '',
      /^There was no response to the create request: the step was canceled\. The prediction may have been started/,
    )
  })

  test('a create request that is unsent when the step is canceled is never sent', async () => {
    const clock = new VirtualClock()
    const stop = new AbortController()
    const reason = new Error('the step was canceled')
    // The connection is under way for as long as anyone waits.
    const request = ({ unsent, signal }: RequestOptions) =>
      unlessAborted(
        new Promise<never>(() => {}),
        AbortSignal.any([unsent, signal].filter((each) => each !== undefined)),
      )
    const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher: { request }, clock })
    const options = { client, clock, signal: stop.signal, onRetry: assert.fail, warn: assert.fail }
    clock.sleep(5).then(() => stop.abort(reason))
    const creation = createPrediction({ target: { model: 'o/m' }, input: {}, cancelAfter: undefined }, options)
    await assert.rejects(clock.run(creation), (error) => error === reason)
    assert.equal(clock.now(), 1005)
  })

  test('a create request that is refused after the step was canceled is not retried, and nothing was started', async () => {
    for (const status of [422, 429]) {
      const { error, requests } = await canceled({ status, body: '', latency: 5.5 })
      assert.equal(requests.length, 1)
      assert.equal(error?.mayRun, false)
      assert.match(error?.message ?? '', new RegExp(`returned ${status} `))
    }
  })
})

describe('the answer to a creation', () => {
  const created = (prediction: Record<string, unknown>) =>
    play(() => answers(201, JSON.stringify({ id: 'abc', status: 'starting', ...prediction })))
  test('a response with an invalid ID is an error which says that a prediction may be running', async () => {
    for (const id of ['a b', '$(id)', '"; rm -rf /', 'https://x.test/abc', '-abc', 'a'.repeat(129), '']) {
      const { error, requests } = await created({ id })
      assert.match(error?.message ?? '', /has the invalid ID ".*"\. The prediction may have been started/)
      assert.equal(error?.mayRun, true)
      assert.equal(requests.length, 1)
    }
  })
  test('a create response passes on only words as status and only names as model', async () => {
    const usual = await created({ status: 'starting', model: 'owner/name:5c7d' })
    assert.deepEqual([usual.status, usual.model], ['starting', 'owner/name:5c7d'])
    for (const text of ['$(id)', '`id`', "'; id", 'a\nb', 'x'.repeat(500)]) {
      const odd = await created({ status: text, model: text })
      assert.deepEqual([odd.id, odd.status, odd.model], ['abc', 'unknown', undefined], text)
    }
  })
})
