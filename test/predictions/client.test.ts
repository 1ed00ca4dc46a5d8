import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { Agent } from 'undici'
import { type Client, createClient } from '../../src/predictions/client.ts'
import { systemClock } from '../../src/predictions/clock.ts'
import { ApiError, ConnectionError, NotAPredictionError, RefusalError } from '../../src/predictions/errors.ts'
import type { RequestOptions } from '../../src/predictions/network/origin-pool.ts'
import type { SenderOptions } from '../../src/predictions/sender.ts'
import { createTextStore } from '../../src/runner/text-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const KEY = 'sk-test-0123456789abcdef'
const never = new AbortController().signal

/** A server that answers every request in one way, and a client that asks it. */
async function startGateway(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  more: Pick<SenderOptions, 'requestTimeout' | 'store'> = {},
) {
  const requests: { method: string | undefined; url: string | undefined; headers: IncomingMessage['headers'] }[] = []
  const server = createServer((request, response) => {
    requests.push({ method: request.method, url: request.url, headers: request.headers })
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const dispatcher = new Agent()
  const client = createClient({
    apiUrl: `http://127.0.0.1:${port}/replicate/v1`,
    apiKey: KEY,
    dispatcher,
    clock: systemClock,
    requestTimeout: 5,
    ...more,
  })
  return {
    client,
    requests,
    async [Symbol.asyncDispose]() {
      await dispatcher.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}

const send =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, headers)
    response.end(body)
  }

async function failure(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  requestTimeout = 5,
): Promise<ApiError> {
  await using gateway = await startGateway(answer, { requestTimeout })
  try {
    await gateway.client.get('abc', never)
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error))
    return error
  }
  return assert.fail('no error')
}

const INPUT = { input: {}, cancelAfter: undefined }
const PREDICTION = '{"id":"abc","status":"processing","id":"abc","extra":{"kept":true}}'

describe('a large answer', () => {
  const largeBody = JSON.stringify({ id: 'abc', status: 'succeeded', output: 'x'.repeat(2 ** 20), more: 1 })

  test('a large response is returned in part, and can be read again as a whole', async () => {
    await using folder = await temporaryFolder()
    await using gateway = await startGateway(send(200, largeBody), { store: createTextStore(folder.path) })
    const answer = await gateway.client.get('abc', never)
    assert.equal(typeof answer.prediction.output, 'symbol')
    assert.deepEqual(answer.body, {})
    assert.ok(answer.stored)
    const whole = await answer.stored.use(async ({ body }) => body)
    assert.deepEqual(whole, JSON.parse(largeBody))
    await answer.stored.close()
  })

  test('a large response stays in memory if it cannot be stored', async () => {
    await using gateway = await startGateway(send(200, largeBody), { store: createTextStore('/dev/null/none') })
    const answer = await gateway.client.get('abc', never)
    assert.deepEqual(answer.body, JSON.parse(largeBody))
    assert.equal(answer.stored, undefined)
  })

  test('a large response that is an error is explained like a small one', async () => {
    await using folder = await temporaryFolder()
    const store = createTextStore(folder.path)
    const list = JSON.stringify({ results: ['x'.repeat(2 ** 20)] })
    await using lists = await startGateway(send(200, list), { store })
    await assert.rejects(lists.client.get('abc', never), /returned the list of all predictions/)
    const refusal = JSON.stringify({ detail: 'Out of order.', trace: 'x'.repeat(2 ** 20) })
    await using refuses = await startGateway(send(418, refusal), { store })
    await assert.rejects(refuses.client.get('abc', never), /Out of order\./)
    await using breaks = await startGateway(send(200, largeBody.slice(0, -9)), { store })
    await assert.rejects(breaks.client.get('abc', never), /its JSON is incomplete/)
  })
})

describe('get', () => {
  test('get requests one prediction with the key and returns the whole body', async () => {
    await using gateway = await startGateway(send(200, PREDICTION))
    const { prediction, body } = await gateway.client.get('abc', never)
    assert.equal(prediction.status, 'processing')
    assert.deepEqual(body.extra, { kept: true })
    assert.deepEqual(
      gateway.requests.map(({ method, url, headers }) => [method, url, headers.authorization]),
      [['GET', '/replicate/v1/predictions/abc', `Bearer ${KEY}`]],
    )
  })

  test('a request ends with the reason of its signal', async () => {
    const reason = new Error('enough')
    const stop = new AbortController()
    await using gateway = await startGateway(() => stop.abort(reason))
    await assert.rejects(gateway.client.get('abc', stop.signal), reason)
  })

  test('a request with the key never follows a redirect', async () => {
    const error = await failure((_, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:9/steal' }).end(),
    )
    assert.ok(error instanceof RefusalError)
    assert.equal(error.retryability, 'permanent')
    assert.match(error.message, /302 Found.*api-url/)
  })
})

describe('an answer that is no prediction', () => {
  const cases: [string, string, RegExp][] = [
    ['a web page', '<!doctype html><title>New API</title>', /a web page.*home page/],
    [
      'the list of predictions',
      '{"next":null,"previous":null,"results":[]}',
      /the list of all predictions.*prediction-id/,
    ],
    ['an array', '[{"id":"abc"}]', /a JSON array/],
    ['other JSON', '{"created":1,"data":[{"url":"x"}]}', /its keys: created, data/],
    ['a JSON value', '42', /JSON value 42/],
    ['text', 'hello', /text that is not JSON \("hello"\)/],
  ]
  for (const [name, body, words] of cases) {
    test(`a response that is ${name} is a permanent error that says so`, async () => {
      const error = await failure(send(200, body))
      assert.ok(error instanceof NotAPredictionError)
      assert.equal(error.retryability, 'permanent')
      assert.match(error.message, /^GET http:\/\/127\.0\.0\.1:\d+\/replicate\/v1\/predictions\/abc returned /)
      assert.match(error.message, words)
    })
  }
})

describe('a broken answer is asked for again', () => {
  test('a connection that is reset is a transient error', async () => {
    const error = await failure((request) => request.socket.destroy())
    assert.ok(error instanceof ConnectionError)
    assert.equal(error.retryability, 'transient')
  })
  test('a body that is cut off is a transient error', async () => {
    const error = await failure((request, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write(PREDICTION.slice(0, 20), () => request.socket.destroy())
    })
    assert.equal(error.retryability, 'transient')
  })
  test('a response with incomplete or doubled JSON is a transient error', async () => {
    for (const body of [PREDICTION.slice(0, 20), PREDICTION + PREDICTION, ''])
      assert.equal((await failure(send(200, body))).retryability, 'transient')
  })
  test('a response that is not complete in time is a transient error', async () => {
    const error = await failure((_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    }, 0.2)
    assert.match(error.message, /no complete response within 0\.2 s/)
    assert.equal(error.retryability, 'transient')
  })
  test('a host that does not exist is a transient error that says to check the spelling', () => {
    const cause = Object.assign(new Error('getaddrinfo ENOTFOUND api.example.com'), { code: 'ENOTFOUND' })
    const error = new ConnectionError({ method: 'GET', url: 'https://api.example.com/v1' }, cause)
    assert.match(error.message, /the host does not exist \(ENOTFOUND\)\. Check the spelling of the host/)
    assert.equal(error.retryability, 'transient')
  })
  test('a server that refuses connections is a transient error, and the request was never sent', async () => {
    const dispatcher = new Agent()
    const client = createClient({ apiUrl: 'http://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock: systemClock })
    await assert.rejects(client.get('abc', never), (error: ConnectionError) => {
      assert.equal(error.retryability, 'transient')
      assert.equal(error.neverSent, true)
      assert.match(error.message, /refuses connections \(ECONNREFUSED\)\. Check the host and the port/)
      return true
    })
    await dispatcher.destroy()
  })
})

describe('a refusal', () => {
  const bodies: [string, string, string][] = [
    ['detail', '{"detail":"Not found"}', 'Not found'],
    [
      'detail as a list',
      '{"detail":[{"loc":["body","input","steps"],"msg":"too small"}]}',
      'body.input.steps: too small',
    ],
    ['error as text', '{"error":"no money"}', 'no money'],
    [
      'error.message with a code',
      '{"error":{"message":"余额不足","code":"insufficient_quota"}}',
      '余额不足 (code: insufficient_quota)',
    ],
    [
      'error.message with an empty code',
      '{"error":{"message":"model name is required","code":""}}',
      'model name is required',
    ],
    ['code and message', '{"code":101001,"message":"bad hour"}', 'bad hour (code: 101001)'],
    ['description', '{"description":" busy ","type":"upstream_error","code":30}', 'busy (code: 30)'],
    ['msg', '{"msg":"x"}', 'x'],
    ['error_msg', '{"error_msg":"x"}', 'x'],
    ['title only', '{"title":"Unauthenticated"}', 'Unauthenticated'],
    ['status_message', '{"status_code":7,"status_message":"x"}', 'x (code: 7)'],
    ['error beside success false', '{"success":false,"error":{"message":"x"}}', 'x'],
    ['a page', '<html><head><title>502 Bad Gateway</title>', 'a web page titled "502 Bad Gateway"'],
    ['text', ' overloaded \n', 'overloaded'],
    ['an empty body', '', ''],
  ]
  for (const [name, body, said] of bodies) {
    test(`a refusal quotes the message of its body: ${name}`, async () => {
      const error = await failure(send(403, body))
      assert.ok(error instanceof RefusalError)
      assert.equal(error.said, said)
    })
  }

  test('a refusal quotes the title of its web page, also in another encoding than UTF-8', async () => {
    const page = Buffer.concat([
      Buffer.from('<title>'),
      Buffer.from('cfb5cdb3ceacbba4', 'hex'),
      Buffer.from('</title>'),
    ])
    const error = await failure((_, response) => {
      response.writeHead(503, { 'content-type': 'text/html; charset=gbk' }).end(page)
    })
    assert.match(error.message, /a web page titled "系统维护"/)
  })

  test('a refusal is transient, not found or permanent by its status and code', async () => {
    const retryability = async (status: number, body = '') => (await failure(send(status, body))).retryability
    for (const status of [
      408, 409, 423, 425, 429, 460, 499, 500, 502, 503, 504, 505, 507, 508, 511, 520, 525, 530, 598, 599,
    ])
      assert.equal(await retryability(status), 'transient', String(status))
    for (const status of [400, 401, 402, 403, 405, 410, 413, 418, 422, 451, 501])
      assert.equal(await retryability(status), 'permanent', String(status))
    assert.equal(await retryability(404), 'not-found')
    assert.equal(await retryability(500, '{"error":{"code":"invalid_request","message":"x"}}'), 'permanent')
    assert.equal(await retryability(503, '{"error":{"code":"invalid_request","message":"x"}}'), 'transient')
  })

  test('a refusal whose body says that it is retryable is transient, whatever its status', async () => {
    for (const [status, body] of [
      [400, '{"retryable":true}'],
      [404, '{"retryable":true}'],
      [501, '{"error":{"retryable":true}}'],
    ] as const) {
      assert.equal((await failure(send(status, body))).retryability, 'transient', String(status))
    }
    assert.equal((await failure(send(400, '{"retryable":"true"}'))).retryability, 'permanent')
  })

  test('a refusal concerns the account or one prediction, by its status and by whether it is a web page', async () => {
    const scope = async (status: number, body: string) => (await failure(send(status, body))).scope
    for (const status of [301, 302, 308, 401, 402, 403, 407])
      assert.equal(await scope(status, '{}'), 'account', String(status))
    for (const status of [400, 404, 405, 410, 413, 418, 422, 500])
      assert.equal(await scope(status, '{}'), 'prediction', String(status))
    assert.equal(await scope(404, '<html>'), 'account')
    assert.equal(await scope(200, '<html>'), 'account')
    assert.equal(await scope(200, '{"other":1}'), 'prediction')
  })

  test('a challenge page in front of the API is named in the error', async () => {
    const byHeader = await failure(send(403, '<html>', { 'cf-mitigated': 'challenge' }))
    const byTitle = await failure(send(503, '<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>'))
    for (const error of [byHeader, byTitle]) {
      assert.match(error.message, /a challenge page from a service in front of the API/)
      assert.doesNotMatch(error.message, /credit/)
    }
    assert.match((await failure(send(200, '<title>Just a moment...</title>'))).message, /service in front of the API/)
    assert.match((await failure(send(403, '{"detail":"no"}'))).message, /no credit/)
  })

  test('a refusal that redirects names its target without the query', async () => {
    const redirect = async (location?: string) =>
      (await failure(send(301, '', location === undefined ? {} : { location }))).message
    assert.match(
      await redirect('https://new.example.com/v1/x?token=secret'),
      /It redirects to https:\/\/new\.example\.com\/v1\/x\. Redirects are not followed/,
    )
    assert.match(await redirect('/moved/abc'), /It redirects to http:\/\/127\.0\.0\.1:\d+\/moved\/abc\./)
    assert.match(await redirect(), /It has no target\./)
  })

  test('a 404 for an unknown path gives advice about api-url, not about the ID', async () => {
    for (const body of ['{"error":{"message":"Invalid URL (GET /x)"}}', '404 page not found', 'Cannot GET /x']) {
      const { message } = await failure(send(404, body))
      assert.match(message, /The path of api-url is probably wrong/)
      assert.doesNotMatch(message, /the ID is wrong/)
    }
  })
})

test('Retry-After is read from responses with a transient status only', async () => {
  for (const status of [408, 409, 425, 460, 499, 500, 502, 503, 504, 522, 529, 530]) {
    assert.equal((await failure(send(status, '', { 'retry-after': '4' }))).retryAfter, 4, String(status))
  }
  assert.equal((await failure(send(530, '{"retryable":true,"retry_after":120}'))).retryAfter, 120)
  assert.equal((await failure(send(403, '', { 'retry-after': '4' }))).retryAfter, undefined)
})

test('a duration in a web page is not taken as the pause to wait', async () => {
  assert.equal((await failure(send(502, '<style>.wait 3s</style>'))).retryAfter, undefined)
})

describe('how long a 429 asks to wait', () => {
  const hint = async (headers: Record<string, string>, body = '') =>
    (await failure(send(429, body, headers))).retryAfter
  test('the pause of a 429 is read from Retry-After in seconds, also fractional', async () => {
    assert.equal(await hint({ 'retry-after': '7' }), 7)
    assert.equal(await hint({ 'retry-after': '0.5' }), 0.5)
  })
  test('the pause of a 429 is read from Retry-After as a date, by the clock of the server', async () => {
    assert.equal(
      await hint({ date: 'Wed, 21 Oct 2015 07:28:00 GMT', 'retry-after': 'Wed, 21 Oct 2015 07:28:09 GMT' }),
      9,
    )
  })
  test('the pause of a 429 is read from the body, a phrase in it, or ratelimit-reset', async () => {
    assert.equal(await hint({}, '{"retry_after":3}'), 3)
    assert.equal(await hint({}, '{"detail":"Request was throttled. Your rate limit resets in ~30s."}'), 30)
    assert.equal(await hint({}, '{"detail":"Expected available in 1 second."}'), 1)
    assert.equal(await hint({ 'ratelimit-reset': '12' }), 12)
  })
  test('the pause of a 429 is unknown if the hint is negative, in the past or nonsense', async () => {
    for (const value of ['-5', '0', 'soon', 'NaN', 'Wed, 21 Oct 2015 07:28:00 GMT'])
      assert.equal(await hint({ 'retry-after': value }), undefined, value)
    assert.equal(await hint({}), undefined)
  })
})

test('a bug is thrown unchanged, and is not mistaken for a network error', async () => {
  const bugs = [new TypeError('x is not a function'), new RangeError('out of it'), new ReferenceError('x'), 'text']
  for (const bug of bugs) {
    const dispatcher = { request: () => Promise.reject(bug) }
    const client = createClient({ apiUrl: 'https://api.test/v1', apiKey: KEY, dispatcher, clock: systemClock })
    await assert.rejects(client.get('abc', never), (error) => error === bug)
  }
})

describe('the calls', () => {
  const calls: [string, (client: Client) => Promise<unknown>, string, string][] = [
    [
      'that runs a model',
      (c) => c.create({ target: { model: 'a/b' }, ...INPUT }, never),
      'POST',
      '/models/a/b/predictions',
    ],
    [
      'that runs a deployment',
      (c) => c.create({ target: { deployment: 'a/b' }, ...INPUT }, never),
      'POST',
      '/deployments/a/b/predictions',
    ],
    ['that runs a version', (c) => c.create({ target: { version: 'v' }, ...INPUT }, never), 'POST', '/predictions'],
    ['that cancels a prediction', (c) => c.cancel('x/y', never), 'POST', '/predictions/x%2Fy/cancel'],
    ['that deletes an uploaded file', (c) => c.deleteUpload('x/y', never), 'DELETE', '/files/x%2Fy'],
  ]
  for (const [name, call, method, url] of calls) {
    test(`the request ${name} has the method and the path of the API`, async () => {
      await using gateway = await startGateway(send(200, PREDICTION))
      await call(gateway.client)
      assert.deepEqual(
        gateway.requests.map((each) => [each.method, each.url]),
        [[method, `/replicate/v1${url}`]],
      )
    })
  }

  test('a page of the list is requested from a cursor or a date', async () => {
    const page = JSON.stringify({ results: [JSON.parse(PREDICTION)], next: null })
    await using gateway = await startGateway(send(200, page))
    const { client, requests } = gateway
    assert.ok(client.list && client.recent)
    const listed = await client.list({}, new Set(['abc']), never)
    assert.deepEqual(
      listed.answers.map(({ prediction }) => prediction.id),
      ['abc'],
    )
    await client.list({ cursor: 'a b' }, new Set(), never)
    const recent = await client.recent(new Date('2026-01-02T03:04:05Z'), never)
    assert.deepEqual([recent.items.length, recent.isComplete], [1, true])
    assert.deepEqual(
      requests.map(({ url }) => url),
      ['', '?cursor=a+b', '?created_after=2026-01-02T03%3A04%3A05.000Z'].map(
        (query) => `/replicate/v1/predictions${query}`,
      ),
    )
    const odd = await startGateway(send(200, '{"results": 1}'))
    await assert.rejects(async () => odd.client.recent?.(new Date(), never), NotAPredictionError)
    await odd[Symbol.asyncDispose]()
    for (const [body, isComplete] of [
      ['{"results": [], "next": "x"}', false],
      ['{"results": []}', true],
    ] as const) {
      await using more = await startGateway(send(200, body))
      assert.equal((await more.client.recent?.(new Date(), never))?.isComplete, isComplete)
    }
  })

  test('a create request sends the version, the input and the deadline', async () => {
    const bodies: string[] = []
    await using gateway = await startGateway((request, response) => {
      request.setEncoding('utf8')
      request.on('data', (text) => bodies.push(text))
      request.on('end', () => send(201, PREDICTION)(request, response))
    })
    await gateway.client.create({ target: { version: 'v' }, input: { a: 1 }, cancelAfter: '5m' }, never)
    await gateway.client.create({ target: { model: 'a/b' }, input: {}, cancelAfter: undefined }, never)
    assert.deepEqual(
      bodies.map((each) => JSON.parse(each)),
      [{ version: 'v', input: { a: 1 } }, { input: {} }],
    )
    const headers = gateway.requests.map((each) => [each.headers['cancel-after'], each.headers['content-type']])
    assert.deepEqual(headers, [
      ['5m', 'application/json'],
      [undefined, 'application/json'],
    ])
  })
})

test('an error names the call that failed', async () => {
  await using gateway = await startGateway(send(404, '{}'))
  const { client } = gateway
  for (const [call, act] of [
    ['get', () => client.get('abc', never)],
    ['cancel', () => client.cancel('abc', never)],
    ['create', () => client.create({ target: { version: 'v' }, ...INPUT }, never)],
  ] as const)
    await assert.rejects(act(), (error) => error instanceof RefusalError && error.request.call === call)
})

test('a create request that is given up before it is sent fails with the reason, not with a network error', async () => {
  const reason = new Error('the step has ended')
  const dispatcher = { request: async () => Promise.reject(reason) }
  const client = createClient({ apiUrl: 'https://api.test/v1', apiKey: KEY, dispatcher, clock: systemClock })
  const create = (unsent: AbortSignal) => client.create({ target: { version: 'v' }, ...INPUT }, never, unsent)
  await assert.rejects(create(AbortSignal.abort(reason)), reason)
  await assert.rejects(create(AbortSignal.abort(new Error('another'))), ConnectionError)
})

test('the connection of a request that is silent for ten seconds is told so', async () => {
  const clock = new VirtualClock()
  const silent: (AbortSignal | undefined)[] = []
  const dispatcher = {
    request: async ({ signal, silence }: RequestOptions): Promise<never> => {
      silent.push(silence)
      await clock.sleep(1000, signal)
      throw new Error('nobody waits for so long')
    },
  }
  const client = createClient({ apiUrl: 'https://api.test/v1', apiKey: KEY, dispatcher, clock, requestTimeout: 15 })
  await assert.rejects(clock.run(client.get('abc', never)), ConnectionError)
  assert.deepEqual(
    silent.map((signal) => String(signal?.reason)),
    ['Error: no response for too long', 'Error: no complete response within 15 s'],
  )
})

test('every request is reported to onRequest when it ends, also if it fails', async () => {
  const traces: unknown[] = []
  const dispatcher = {
    request: async ({ method }: { method: string }) => {
      if (method === 'POST') throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      return { statusCode: 200, headers: {}, body: [Buffer.from(PREDICTION)] } as never
    },
  }
  const client = createClient({
    apiUrl: 'https://api.test/v1',
    apiKey: KEY,
    dispatcher,
    clock: systemClock,
    onRequest: ({ ms, ...trace }) => traces.push({ ...trace, timed: ms >= 0 && ms < 10_000 }),
  })
  await client.get('abc', never)
  await client.cancel('abc', never).catch(() => {})
  assert.deepEqual(traces, [
    { method: 'GET', path: '/v1/predictions/abc', status: 200, timed: true },
    { method: 'POST', path: '/v1/predictions/abc/cancel', status: undefined, timed: true },
  ])
})

test('a response that is too large is refused before it fills the memory', async () => {
  const chunk = Buffer.alloc(2 ** 20, 32)
  let sent = 0
  const error = await failure((_, response) => {
    response.writeHead(200)
    const pump = () => {
      do sent++
      while (!response.destroyed && response.write(chunk))
    }
    response.on('drain', pump)
    pump()
  })
  assert.match(error.message, /more than 64 MiB/)
  assert.ok(sent < 80, `${sent} MiB`)
  assert.equal(error.retryability, 'permanent')
})
