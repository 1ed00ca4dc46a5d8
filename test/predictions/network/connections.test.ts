import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect, createServer, type LookupFunction, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { type Connections, createDispatcher } from '../../../src/predictions/network/dispatcher.ts'
import { describeNetworkError, errorCode, wasNeverSent } from '../../../src/predictions/network/network-errors.ts'
import type { RequestOptions } from '../../../src/predictions/network/origin-pool.ts'
import { type Authority, certificateAuthority } from '../../support/certificate.ts'
import { eventually } from '../../support/eventually.ts'
import { type ListenOptions, listen } from '../../support/listen.ts'

let authority: Authority
let ca: string
before(async () => {
  authority = await certificateAuthority('gateway.test')
  ca = await readFile(authority.caFile, 'utf8')
})
after(() => authority[Symbol.asyncDispose]())

/** Connections that are closed at the end of the block. */
function connections(connect: { lookup?: LookupFunction } = {}): Connections & AsyncDisposable {
  const made = createDispatcher({}, { connect: { ca, ...connect } })
  return {
    request: (options) => made.request(options),
    destroy: () => made.destroy(),
    [Symbol.asyncDispose]: () => made.destroy(),
  }
}

const get = (origin: string, path: string, more: Partial<RequestOptions> = {}): RequestOptions => ({
  origin,
  path,
  method: 'GET',
  headers: {},
  ...more,
})

/** Milliseconds that a server and, because it says so, a client keep idle connections: longer than a test takes. */
const IDLE_MS = 600_000

/** A TCP server whose sockets can be looked at. */
async function tcp(greet: (socket: Socket) => void) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}))
    greet(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    sockets,
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Settings of an HTTP/2 server that allows no streams: the request stays in undici's queue. */
const NO_STREAMS = Buffer.from('000006040000000000000300000000', 'hex')
/** What a client sends when it has read them. */
const SETTINGS_READ = Buffer.from('000000040100000000', 'hex')

async function noStreams() {
  const sockets = new Set<Socket>()
  let received = Buffer.alloc(0)
  const server = createTlsServer({ ...authority.certificate, ALPNProtocols: ['h2'] }, (socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
    })
    socket.write(NO_STREAMS)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    sockets,
    /** Whether the client knows that it may open no streams. */
    allowsNone: () => received.includes(SETTINGS_READ),
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Turns of the event loop in which a request hears its signal: no timer and no packet comes first. */
const SOON = 5

/**
 * Aborts a request as soon as it waits for something.
 * @returns what it said by then, undefined if it did not hear of it soon
 */
async function abortWaiting(made: Connections, options: RequestOptions, waits: () => boolean): Promise<unknown> {
  const stop = new AbortController()
  const request = made.request({ ...options, signal: stop.signal })
  await eventually('the moment to abort', waits)
  let reason: unknown
  request.catch((error) => {
    reason = error
  })
  stop.abort(new Error('enough'))
  for (let i = 0; i < SOON && reason === undefined; i++) await nextTurn()
  return reason
}

describe('a request hears its signal at once, and destroying the connections closes its socket', () => {
  test('a request in a TLS handshake that never ends is aborted at once by its signal', async () => {
    await using server = await tcp(() => {})
    const made = connections()
    const reason = await abortWaiting(made, get(`https://${server.host}`, '/'), () => server.sockets.length > 0)
    assert.equal((reason as Error | undefined)?.message, 'enough')
    await made.destroy()
    const [socket] = server.sockets
    if (socket && !socket.closed) await once(socket.resume(), 'close', { signal: AbortSignal.timeout(60_000) })
  })

  test('a request in the queue of an HTTP/2 connection without streams is aborted at once by its signal', async () => {
    await using server = await noStreams()
    const made = connections()
    const reason = await abortWaiting(made, get(server.origin, '/'), server.allowsNone)
    assert.equal((reason as Error | undefined)?.message, 'enough')
    await made.destroy()
    await eventually('the end of the sockets', () => server.sockets.size === 0)
  })

  test('a request that waits for a free connection ends with its signal', async () => {
    let isBusy = false
    await using server = await listen(() => {
      isBusy = true
    })
    await using made = createOne()
    made.request(get(server.origin, '/first')).catch(() => {})
    const reason = await abortWaiting(made, get(server.origin, '/second'), () => isBusy)
    assert.equal((reason as Error | undefined)?.message, 'enough')
  })

  test('a request in a TLS handshake still counts as unsent and can be given up', async () => {
    await using server = await tcp(() => {})
    await using made = connections()
    const stop = new AbortController()
    const request = made.request(get(`https://${server.host}`, '/', { unsent: stop.signal }))
    await eventually('the connection', () => server.sockets.length > 0)
    stop.abort(new Error('enough'))
    await assert.rejects(request, /enough/)
  })

  test('a request whose signal is already aborted is rejected', async () => {
    await using made = connections()
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(made.request(get('http://127.0.0.1:1', '/', { signal })), /enough/)
  })
})

function createOne(): Connections & AsyncDisposable {
  const made = createDispatcher({}, { connections: 1 })
  return Object.assign(Object.create(made), {
    request: (options: RequestOptions) => made.request(options),
    [Symbol.asyncDispose]: () => made.destroy(),
  })
}

describe('a request that is given up only while it is unsent', () => {
  /** A server that holds the response to `/held`. */
  async function holding(options: ListenOptions = {}) {
    const paths: (string | undefined)[] = []
    const held = Promise.withResolvers<void>()
    const server = await listen(({ url }, response) => {
      paths.push(url)
      ;(url === '/held' ? held.promise : Promise.resolve()).then(() => response.end())
    }, options)
    return Object.assign(server, { paths, release: held.resolve })
  }

  test('a request that is given up in the queue is not sent', async () => {
    await using server = await holding()
    await using made = createOne()
    const stop = new AbortController()
    const held = made.request(get(server.origin, '/held'))
    const queued = made.request(get(server.origin, '/queued', { unsent: stop.signal }))
    await eventually('the first request', () => server.paths.length === 1)
    stop.abort(new Error('enough'))
    await assert.rejects(queued, /enough/)
    server.release()
    await (await held).body.dump()
    await (await made.request(get(server.origin, '/next'))).body.dump()
    assert.deepEqual(server.paths, ['/held', '/next'])
  })

  for (const http2 of [false, true]) {
    test(`a request that was sent over HTTP/${http2 ? 2 : 1.1} is answered even if its unsent signal is aborted`, async () => {
      await using server = await holding({ tls: authority.certificate, http2 })
      await using made = connections()
      const stop = new AbortController()
      const sent = made.request(get(server.origin, '/held', { unsent: stop.signal }))
      await eventually('the request', () => server.paths.length === 1)
      stop.abort(new Error('enough'))
      server.release()
      assert.equal((await sent).statusCode, 200)
    })
  }
})

test('requests reuse open connections, and the end of one request ends no other', async () => {
  const ports: (number | undefined)[] = []
  const held: ServerResponse[] = []
  await using server = await listen((request, response) => {
    ports.push(request.socket.remotePort)
    if (request.url === '/held') held.push(response)
    else response.end('fast')
  })
  await using made = connections()
  const text = async (path: string) => await (await made.request(get(server.origin, path))).body.text()
  for (let i = 0; i < 10; i++) assert.equal(await text('/fast'), 'fast')
  // A connection is free again a moment after its response has been read.
  assert.ok(new Set(ports).size <= 2, ports.join())
  const slow = text('/held')
  await eventually('the held request', () => held.length === 1)
  assert.equal(await text('/fast'), 'fast')
  held[0]?.end('slow')
  assert.equal(await slow, 'slow')
  assert.ok(new Set(ports).size <= 3, ports.join())
})

test('destroying the connections closes all of them, ends open requests and refuses new ones', async () => {
  const sockets = new Set<Socket>()
  await using server = await listen((request, response) => {
    if (request.url !== '/held') response.end('fast')
  })
  server.server.keepAliveTimeout = IDLE_MS
  server.server.on('connection', (socket) => sockets.add(socket.once('close', () => sockets.delete(socket))))
  const made = connections()
  const held = made.request(get(server.origin, '/held'))
  await (await made.request(get(server.origin, '/fast'))).body.text()
  await eventually('both connections', () => sockets.size === 2)
  await Promise.all([assert.rejects(held), made.destroy()])
  await eventually('the end of both connections', () => sockets.size === 0)
  await assert.rejects(made.request(get(server.origin, '/')), /the connections are closed/)
})

test('the timeout for headers includes the queue and the handshake', async () => {
  await using queue = await noStreams()
  await using handshake = await tcp(() => {})
  await using made = connections()
  for (const origin of [queue.origin, `https://${handshake.host}`]) {
    await assert.rejects(
      made.request(get(origin, '/', { headersTimeout: 30 })),
      (error) => errorCode(error) === 'UND_ERR_HEADERS_TIMEOUT',
    )
  }
})

for (const http2 of [false, true]) {
  const version = http2 ? 'HTTP/2' : 'HTTP/1.1'

  describe(`a connection of ${version} on which a request hangs`, { concurrency: true }, () => {
    /** Which of the server's connections each request came on. */
    async function server(answer: RequestListener) {
      const seen: { path: string; connection: number }[] = []
      const known = new Map<unknown, number>()
      const listening = await listen(
        (request: IncomingMessage, response: ServerResponse) => {
          const key =
            (request as unknown as { stream?: { session?: ServerHttp2Session } }).stream?.session ?? request.socket
          if (!known.has(key)) known.set(key, known.size)
          seen.push({ path: request.url ?? '', connection: known.get(key) ?? -1 })
          answer(request, response)
        },
        { tls: authority.certificate, http2 },
      )
      listening.server.keepAliveTimeout = IDLE_MS
      return { ...listening, seen, [Symbol.asyncDispose]: listening.close }
    }

    test(`a connection of ${version} on which a request hangs gets no new requests, and is closed after its response`, async () => {
      let release = () => {}
      const closed: boolean[] = []
      await using api = await server((request, response) => {
        if (request.url !== '/slow') return void response.end('fast')
        release = () => response.end('slow')
        request.socket.once('close', () => closed.push(true))
      })
      await using made = connections()
      const silence = new AbortController()
      const slow = made.request(get(api.origin, '/slow', { silence: silence.signal }))
      await eventually('the slow request', () => api.seen.some(({ path }) => path === '/slow'))
      silence.abort(new Error('silent'))
      for (const path of ['/a', '/b'])
        assert.equal(await (await made.request(get(api.origin, path))).body.text(), 'fast')
      const connection = (path: string) => api.seen.find((each) => each.path === path)?.connection
      assert.notEqual(connection('/a'), connection('/slow'))
      assert.notEqual(connection('/b'), connection('/slow'))
      assert.deepEqual(closed, [])
      release()
      assert.equal(await (await slow).body.text(), 'slow')
      await eventually('the end of the connection', () => closed.length > 0)
      assert.deepEqual(closed, [true])
    })

    const hangs: [name: string, answer: RequestListener, limits: Partial<RequestOptions>, code: string][] = [
      ['head', () => {}, { headersTimeout: 30 }, 'UND_ERR_HEADERS_TIMEOUT'],
      ['body', (_, response) => response.write('half'), { bodyTimeout: 30 }, 'UND_ERR_BODY_TIMEOUT'],
    ]
    for (const [name, answer, limits, code] of hangs) {
      test(`a connection of ${version} is not used again if the ${name} of a response did not come in time`, async () => {
        await using api = await server((request, response) =>
          request.url === '/hangs' ? answer(request, response) : response.end('fine'),
        )
        await using made = connections()
        await (await made.request(get(api.origin, '/before'))).body.text()
        await assert.rejects(
          async () => (await made.request(get(api.origin, '/hangs', limits))).body.text(),
          (error) => errorCode(error) === code,
        )
        await (await made.request(get(api.origin, '/after'))).body.text()
        const connection = (path: string) => api.seen.find((each) => each.path === path)?.connection
        assert.notEqual(connection('/after'), connection('/before'))
      })
    }
  })
}

test('a request without a connection was never sent, and one that is cut off may have been', async () => {
  await using closes = await tcp((socket) => socket.destroy())
  await using cuts = await tcp((socket) => socket.once('data', () => socket.destroy()))
  await using made = connections()
  const sent = async (origin: string) =>
    !wasNeverSent(await made.request(get(origin, '/', { method: 'POST', body: 'x' })).catch((error) => error))
  assert.equal(await sent('http://127.0.0.1:1'), false)
  assert.equal(await sent(`https://${closes.host}`), false)
  assert.equal(await sent(`http://${cuts.host}`), true)
})

test('headers of 250 KiB are read over HTTP/1.1, and of 100 KiB over HTTP/2, whose frames end there', async () => {
  const headers = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-policy-${i}`, 'p'.repeat(50 * 1024)]))
  await using plain = await listen((_, response) => response.writeHead(200, headers(5)).end('fine'))
  const secure = createSecureServer({ ...authority.certificate, maxSendHeaderBlockLength: 2 ** 20 }, (_, response) => {
    response.writeHead(200, headers(2))
    response.end('fine')
  })
  secure.listen(0, '127.0.0.1')
  await once(secure, 'listening')
  try {
    await using made = connections()
    for (const [origin, last] of [
      [plain.origin, 4],
      [`https://127.0.0.1:${(secure.address() as AddressInfo).port}`, 1],
    ] as const) {
      const answer = await made.request(get(origin, '/'))
      assert.equal(String(answer.headers[`x-policy-${last}`]).length, 50 * 1024)
      assert.equal(await answer.body.text(), 'fine')
    }
  } finally {
    secure.close()
  }
})

test('headers of more than 256 KiB are refused', async () => {
  const headers = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-policy-${i}`, 'p'.repeat(50 * 1024)]))
  await using server = await listen((_, response) => response.writeHead(200, headers(6)).end('fine'))
  await using made = connections()
  await assert.rejects(
    made.request(get(server.origin, '/')),
    (error) => errorCode(error) === 'UND_ERR_HEADERS_OVERFLOW',
  )
})

describe('a failure at a proxy names the proxy, not the server', () => {
  /** What is said of a request through a proxy, which nothing of the server has answered. */
  async function saidOf(proxy: string, url: string, meanwhile?: () => Promise<void>): Promise<string> {
    const made = createDispatcher({ http_proxy: proxy, https_proxy: proxy }, { connect: { ca } })
    const failed = made.request(get(url, '/')).catch((error: unknown) => error)
    await meanwhile?.()
    const failure = await failed
    await made.destroy()
    assert.ok(wasNeverSent(failure), String(failure))
    return describeNetworkError(failure)
  }

  for (const scheme of ['http', 'https'])
    test(`an error names the proxy if nothing listens there, for a server of ${scheme}`, async () => {
      assert.equal(
        await saidOf('http://127.0.0.1:1', `${scheme}://gateway.test`),
        `the proxy of ${scheme}_proxy cannot be used: the server refuses connections (ECONNREFUSED)`,
      )
    })

  const ends: [name: string, answer: (socket: Socket) => void, words: string][] = [
    [
      'an error names the proxy that closes the connection',
      (socket) => socket.destroy(),
      'the connection was reset (ECONNRESET)',
    ],
    [
      'an error names the proxy that does not speak HTTP',
      (socket) => socket.end(Buffer.from([5, 0xff])),
      'the response is not HTTP (HPE_INVALID_CONSTANT)',
    ],
  ]
  for (const [name, answer, words] of ends)
    test(name, async () => {
      await using proxy = await tcp((socket) => void socket.once('data', () => answer(socket)))
      assert.equal(
        await saidOf(`http://${proxy.host}`, 'https://gateway.test'),
        `the proxy of https_proxy did not open a tunnel: ${words}`,
      )
    })

  test('an error names the proxy that does not respond in time', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { promise: asked, resolve } = Promise.withResolvers<void>()
    await using proxy = await tcp((socket) => void socket.once('data', () => resolve()))
    const said = await saidOf(`http://${proxy.host}`, 'https://gateway.test', async () => {
      await asked
      t.mock.timers.tick(10_000)
    })
    assert.match(
      said,
      /^the proxy of https_proxy did not open a tunnel: the connection could not be established in time/,
    )
  })
})

test('a tunnel that a proxy opens with another status than 200 is used', async () => {
  await using server = await listen((_, response) => response.end('fine'), { tls: authority.certificate })
  await using proxy = await tcp(
    (socket) =>
      void socket.once('data', () => {
        socket.write('HTTP/1.1 204 No Content\r\n\r\n')
        const upstream = connect(server.port, '127.0.0.1').on('error', () => {})
        socket.pipe(upstream).pipe(socket)
      }),
  )
  const made = createDispatcher({ https_proxy: `http://${proxy.host}` }, { connect: { ca } })
  const { body } = await made.request(get(`https://gateway.test:${server.port}`, '/'))
  assert.equal(await body.text(), 'fine')
  await made.destroy()
})
