import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import net, { type LookupFunction, type NetConnectOpts, Socket } from 'node:net'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { ConnectFailure } from '../../../src/predictions/network/connect-errors.ts'
import { Connector } from '../../../src/predictions/network/connector.ts'
import { causeOf, errorCode } from '../../../src/predictions/network/network-errors.ts'
import { type ProxyServer, proxiesOf } from '../../../src/predictions/network/proxy.ts'
import { startProxy } from '../../servers/proxy.ts'
import { type Authority, certificateAuthority } from '../../support/certificate.ts'
import { type Listening, listen } from '../../support/listen.ts'

/** An address from which no answer comes. */
const HANGS = '192.0.2.1'

/** Notes the sockets that are made, in their order, and to where; one to {@link HANGS} stays in its handshake. */
function notedSockets(t: TestContext): { sockets: Socket[]; options: NetConnectOpts[] } {
  const [sockets, noted]: [Socket[], NetConnectOpts[]] = [[], []]
  const { connect } = net
  t.mock.method(net, 'connect', (options: NetConnectOpts) => {
    const hangs = 'host' in options && options.host === HANGS
    const socket = hangs ? new Socket() : connect(options)
    sockets.push(socket)
    noted.push(options)
    return socket
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  return { sockets, options: noted }
}

/** Connects as undici does it. */
function connected(connector: Connector, port: number, hostname = 'files.test', protocol = 'http:'): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  connector.connect({ hostname, port: String(port || ''), protocol }, (error, socket) =>
    error ? reject(error) : resolve(socket as Socket),
  )
  return promise
}

const failureOf = (connection: Promise<Socket>) =>
  connection.then(
    () => undefined,
    (error: unknown) => causeOf(error, ConnectFailure),
  )

const onThisMachine: LookupFunction = (_, __, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }])

describe('a connector', () => {
  test('a connector closes a socket whose DNS lookup ended after the timeout', async (t) => {
    await using server = await listen(() => {})
    const { sockets } = notedSockets(t)
    const asked = Promise.withResolvers<Parameters<LookupFunction>[2]>()
    const connector = new Connector(undefined, { lookup: (_, __, callback) => asked.resolve(callback) })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const failed = connected(connector, server.port).catch((error) => error)
    const found = await asked.promise
    t.mock.timers.tick(10_000)
    assert.equal(errorCode(await failed), 'UND_ERR_CONNECT_TIMEOUT')
    found(null, [{ address: '127.0.0.1', family: 4 }])
    await nextTurn()
    assert.deepEqual(
      sockets.map(({ destroyed }) => destroyed),
      [true],
    )
  })

  test('a connector forgets the sockets to addresses that were too slow', async (t) => {
    await using server = await listen(() => {})
    const { sockets } = notedSockets(t)
    const addresses = [HANGS, '127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
    const connector = new Connector(undefined, { lookup: (_, __, callback) => callback(null, addresses) })
    await connected(connector, server.port)
    const [slow] = sockets
    assert.ok(slow?.destroyed)
    if (!slow.closed) await once(slow, 'close')
    const destroy = t.mock.method(slow, 'destroy')
    connector.destroy()
    assert.deepEqual([destroy.mock.callCount(), sockets.length], [0, 2])
  })

  test('a connector ends its DNS lookups when it is destroyed', async (t) => {
    const { sockets } = notedSockets(t)
    const asked = Promise.withResolvers<Parameters<LookupFunction>[2]>()
    const connector = new Connector(undefined, { lookup: (_, __, callback) => asked.resolve(callback) })
    const failed = failureOf(connected(connector, 80))
    const found = await asked.promise
    connector.destroy()
    assert.match(String((await failed)?.cause), /the connections are closed/)
    found(null, [{ address: HANGS, family: 4 }])
    await nextTurn()
    assert.deepEqual(
      sockets.map(({ destroyed }) => destroyed),
      [true],
    )
  })

  test('a connector closes its connections when it is destroyed', async () => {
    await using server = await listen(() => {})
    const connector = new Connector(undefined, { lookup: onThisMachine })
    const socket = await connected(connector, server.port)
    connector.destroy()
    assert.equal(socket.destroyed, true)
  })

  test('a connector uses the port of the URL or of its scheme, and an IPv6 address without brackets', async (t) => {
    const { options } = notedSockets(t)
    const connector = new Connector(undefined, {
      lookup: (_, __, callback) => callback(null, [{ address: HANGS, family: 4 }]),
    })
    const failures = [
      failureOf(connected(connector, 0)),
      failureOf(connected(connector, 0, 'files.test', 'https:')),
      failureOf(connected(connector, 8080)),
      failureOf(connected(connector, 1, '[::1]')),
    ]
    await nextTurn()
    connector.destroy()
    await Promise.all(failures)
    const targets = options.map((each) => ('port' in each ? `${each.host} ${each.port}` : ''))
    assert.deepEqual(targets.toSorted(), [`${HANGS} 443`, `${HANGS} 80`, `${HANGS} 8080`, '::1 1'])
  })

  test('a connector closes the socket of a connection that is not made in time', async (t) => {
    const { sockets } = notedSockets(t)
    const connector = new Connector(undefined, {})
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const failed = failureOf(connected(connector, 80, HANGS))
    await nextTurn()
    t.mock.timers.tick(9_999)
    assert.equal(sockets[0]?.destroyed, false)
    t.mock.timers.tick(1)
    assert.equal(errorCode(await failed), 'UND_ERR_CONNECT_TIMEOUT')
    assert.equal(sockets[0]?.destroyed, true)
  })

  test('a connector reports a name without an address as a failure to connect', async () => {
    const lookup: LookupFunction = (_, __, callback) =>
      callback(Object.assign(new Error('not found'), { code: 'EAI_AGAIN' }), [])
    const failure = await failureOf(connected(new Connector(undefined, { lookup }), 80))
    assert.equal(errorCode(failure), 'EAI_AGAIN')
    assert.deepEqual([failure?.certificate, failure?.proxy], [undefined, undefined])
  })
})

describe('a connector over TLS', () => {
  let authority: Authority
  let server: Listening
  let ca: string
  before(async () => {
    authority = await certificateAuthority('files.test')
    ca = await readFile(authority.caFile, 'utf8')
    server = await listen((_, response) => response.end(), { tls: authority.certificate })
  })
  after(async () => {
    await server.close()
    await authority[Symbol.asyncDispose]()
  })

  /** Uses a connection until its session has come. @returns what it was */
  async function used(connector: Connector, hostname?: string) {
    const socket = (await connected(connector, server.port, hostname, 'https:')) as TLSSocket
    const { authorized } = socket
    const isReused = socket.isSessionReused()
    socket.end('GET / HTTP/1.1\r\nhost: files.test\r\nconnection: close\r\n\r\n')
    await once(socket.resume(), 'close')
    return { authorized, isReused }
  }

  test('a connector resumes the TLS session of its last connection', async () => {
    const connector = new Connector(undefined, { ca, lookup: onThisMachine })
    assert.equal((await used(connector)).isReused, false)
    assert.equal((await used(connector)).isReused, true)
  })

  test('a connector sends the name of the host in the handshake, but not an address', async () => {
    const connector = new Connector(undefined, { ca, lookup: onThisMachine })
    const names: unknown[] = []
    server.server.on('secureConnection', ({ servername }) => names.push(servername))
    await used(connector, 'files.test')
    await used(connector, '127.0.0.1')
    assert.deepEqual(names, ['files.test', false])
  })

  test('a connector offers HTTP/1.1 and HTTP/2 unless its settings say otherwise', async () => {
    await using both = await listen(() => {}, { tls: authority.certificate, http2: true })
    const offered: unknown[] = []
    for (const settings of [{}, { ALPNProtocols: ['http/1.1'] }]) {
      const connector = new Connector(undefined, { ca, lookup: onThisMachine, ...settings })
      const secured = once(both.server, 'secureConnection')
      await connected(connector, both.port, undefined, 'https:')
      const [{ alpnProtocol }] = await secured
      offered.push(alpnProtocol)
      connector.destroy()
    }
    assert.deepEqual(offered, ['h2', 'http/1.1'])
  })

  test('a connector can be destroyed when a handshake has just ended, and Node does not crash', async () => {
    const connector = new Connector(undefined, { ca, lookup: onThisMachine })
    const socket = await connected(connector, server.port, undefined, 'https:')
    connector.destroy()
    assert.equal(socket.destroyed, true)
    await once(socket, 'close')
  })

  test('a connector describes a certificate that is not trusted, and closes its connections', async (t) => {
    const { sockets } = notedSockets(t)
    const connector = new Connector(undefined, { lookup: onThisMachine })
    const failure = await failureOf(connected(connector, server.port, undefined, 'https:'))
    assert.match(failure?.certificate ?? '', /^Its certificate is for "Private Gateway, gateway", issued by/)
    assert.equal(failure?.proxy, undefined)
    assert.equal(sockets.length, 2)
    for (const socket of sockets) if (!socket.closed) await once(socket, 'close')
  })

  test('a connector to a proxy names the proxy, and describes its certificate', async () => {
    const connector = new Connector(undefined, { lookup: onThisMachine }, 'http_proxy')
    const failure = await failureOf(connected(connector, server.port, undefined, 'https:'))
    assert.match(failure?.certificate ?? '', /^Its certificate is for "Private Gateway, gateway"/)
    assert.deepEqual(failure?.proxy, { variable: 'http_proxy', step: 'connection' })
  })

  test('a connector reports a connection that is closed in the handshake as reset', async () => {
    await using closes = await listen(() => {})
    closes.server.on('connection', (socket) => socket.destroy())
    const failure = await failureOf(connected(new Connector(undefined, {}), closes.port, '127.0.0.1', 'https:'))
    assert.equal(errorCode(failure), 'ECONNRESET')
  })

  describe('through a proxy', () => {
    const settingOf = ({ url }: { url: string }) =>
      proxiesOf({ https_proxy: url })(new URL('https://files.test')) as ProxyServer

    test('a connector speaks TLS with the server through a tunnel', async () => {
      await using proxy = await startProxy({ [`files.test:${server.port}`]: `127.0.0.1:${server.port}` })
      const connector = new Connector(settingOf(proxy), { ca })
      assert.equal((await used(connector)).authorized, true)
      assert.deepEqual(proxy.passed, [`CONNECT files.test:${server.port}`])
    })

    test('a connector behind a proxy describes an untrusted certificate of the server, and does not blame the proxy', async () => {
      await using proxy = await startProxy({ [`files.test:${server.port}`]: `127.0.0.1:${server.port}` })
      const failure = await failureOf(connected(new Connector(settingOf(proxy), {}), server.port, undefined, 'https:'))
      assert.match(failure?.certificate ?? '', /^Its certificate is for "Private Gateway, gateway"/)
      assert.equal(failure?.proxy, undefined)
    })

    test('a connector blames a proxy whose certificate is not trusted, and describes no certificate of the server', async () => {
      await using proxy = await startProxy({}, { tls: authority.certificate })
      const failure = await failureOf(connected(new Connector(settingOf(proxy), {}), 443, undefined, 'https:'))
      assert.deepEqual(failure?.proxy, { variable: 'https_proxy', step: 'connection' })
      assert.equal(failure?.certificate, undefined)
    })

    test('a connector blames a proxy that refuses a tunnel', async () => {
      await using proxy = await startProxy({}, { credentials: 'user:secret' })
      const failure = await failureOf(connected(new Connector(settingOf(proxy), { ca }), 443, '[::1]', 'https:'))
      assert.deepEqual(failure?.proxy, { variable: 'https_proxy', step: 'tunnel' })
      assert.deepEqual(proxy.refused, ['CONNECT [::1]:443'])
    })
  })
})
