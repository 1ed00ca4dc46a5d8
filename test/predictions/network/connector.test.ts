import assert from 'node:assert/strict'
import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import net, { type LookupFunction, type NetConnectOpts, Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Connector } from '../../../src/predictions/network/connector.ts'
import { errorCode } from '../../../src/predictions/network/network-errors.ts'
import { listen } from '../../support/listen.ts'

/** An address from which no answer comes. */
const HANGS = '192.0.2.1'

/** Notes the sockets that are made, in their order; one to {@link HANGS} stays in its handshake. */
function notedSockets(t: TestContext): Socket[] {
  const sockets: Socket[] = []
  const { connect } = net
  t.mock.method(net, 'connect', (options: NetConnectOpts) => {
    const socket = 'host' in options && options.host === HANGS ? new Socket() : connect(options)
    sockets.push(socket)
    return socket
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  return sockets
}

function connected(connector: Connector, port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  connector.connect({ hostname: 'files.test', port: String(port), protocol: 'http:' }, (error, socket) =>
    error ? reject(error) : resolve(socket as Socket),
  )
  return promise
}

describe('a connector', () => {
  test('closes a socket that a look-up brings after the time was up', async (t) => {
    await using server = await listen(() => {})
    const sockets = notedSockets(t)
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

  test('forgets the sockets to the addresses of a host that were too slow', async (t) => {
    await using server = await listen(() => {})
    const sockets = notedSockets(t)
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
})
