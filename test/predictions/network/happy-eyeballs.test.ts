import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { firstConnected, interleaved } from '../../../src/predictions/network/happy-eyeballs.ts'

test('addresses are tried in turn: one of the family that comes first, one of the other', () => {
  assert.deepEqual(interleaved(['::1', '::2', '10.0.0.1']), ['::1', '10.0.0.1', '::2'])
  assert.deepEqual(interleaved(['10.0.0.1', '::1', '::2', '::3']), ['10.0.0.1', '::1', '::2', '::3'])
  assert.deepEqual(interleaved(['10.0.0.1', '10.0.0.2', '::1', '::2']), ['10.0.0.1', '::1', '10.0.0.2', '::2'])
  assert.deepEqual(interleaved([]), [])
})

/** A race among addresses in mocked time. Their sockets do what the test makes them do. */
function race(t: TestContext, ...addresses: string[]) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const sockets: Record<string, Socket> = {}
  const connected = firstConnected(addresses, (address) => {
    const socket = new Socket()
    sockets[address] = socket
    return socket
  })
  const error: Promise<NodeJS.ErrnoException | undefined> = connected.then(
    () => undefined,
    (reason) => reason,
  )
  return {
    sockets,
    connected,
    error,
    /** The addresses tried so far. */
    tried: () => Object.keys(sockets).join(' '),
    fail: (address: string, code: string) => sockets[address]?.emit('error', Object.assign(new Error(code), { code })),
  }
}

describe('a host with several addresses', () => {
  test('the next address is tried a quarter of a second after the last one', (t) => {
    const { tried } = race(t, 'a', 'b', 'c')
    assert.equal(tried(), 'a')
    t.mock.timers.tick(249)
    assert.equal(tried(), 'a')
    t.mock.timers.tick(1)
    assert.equal(tried(), 'a b')
    t.mock.timers.tick(250)
    assert.equal(tried(), 'a b c')
  })

  test('the next address is tried at once when one fails, and the one after it a quarter of a second later', (t) => {
    const { tried, fail } = race(t, 'a', 'b', 'c')
    t.mock.timers.tick(200)
    fail('a', 'ECONNREFUSED')
    assert.equal(tried(), 'a b')
    t.mock.timers.tick(249)
    assert.equal(tried(), 'a b')
    t.mock.timers.tick(1)
    assert.equal(tried(), 'a b c')
  })

  test('a socket that fails and then closes counts once', (t) => {
    const { tried, fail, sockets } = race(t, 'a', 'b', 'c')
    fail('a', 'ECONNREFUSED')
    sockets.a?.emit('close')
    assert.equal(tried(), 'a b')
  })

  test('the first connection is used, the others are closed, and no more are tried', async (t) => {
    const { tried, connected, sockets } = race(t, 'a', 'b', 'c')
    t.mock.timers.tick(250)
    sockets.b?.emit('connect')
    assert.equal(await connected, sockets.b)
    assert.deepEqual([sockets.a?.destroyed, sockets.b?.destroyed], [true, false])
    sockets.a?.emit('close')
    sockets.b?.emit('close')
    t.mock.timers.tick(250)
    assert.equal(tried(), 'a b')
  })

  test('a host fails only when no address is left that may still connect', async (t) => {
    const { connected, fail, sockets } = race(t, 'a', 'b')
    t.mock.timers.tick(250)
    t.mock.timers.tick(250)
    fail('b', 'ECONNREFUSED')
    sockets.a?.emit('connect')
    assert.equal(await connected, sockets.a)
  })

  test('the error of a host is the first one that says more than that there is no route', async (t) => {
    for (const code of ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL']) {
      const { fail, error } = race(t, 'a', 'b', 'c')
      fail('a', code)
      fail('b', 'ECONNREFUSED')
      fail('c', 'ETIMEDOUT')
      assert.equal((await error)?.code, 'ECONNREFUSED')
      t.mock.timers.reset()
    }
  })

  test('the error of a host without a route is that of its first address', async (t) => {
    const { fail, error } = race(t, 'a', 'b')
    fail('a', 'EHOSTUNREACH')
    fail('b', 'ENETUNREACH')
    assert.equal((await error)?.code, 'EHOSTUNREACH')
  })

  test('a connection that is closed before it is established is an error of its address', async (t) => {
    const { sockets, error } = race(t, 'a')
    sockets.a?.emit('close')
    assert.equal((await error)?.message, 'the connection was closed')
  })

  test('a host without an address is reported as not found', async (t) => {
    assert.equal((await race(t).error)?.code, 'ENOTFOUND')
  })
})
