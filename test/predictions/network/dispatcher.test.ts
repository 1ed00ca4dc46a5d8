import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import type { Dispatcher } from 'undici'
import { OriginPools } from '../../../src/predictions/network/dispatcher.ts'

const ORIGIN = 'https://api.example.com'
const GET = { origin: ORIGIN, path: '/', method: 'GET', headers: {} } as const
const HEADERS_TIMEOUT = 'UND_ERR_HEADERS_TIMEOUT'
const BODY_TIMEOUT = 'UND_ERR_BODY_TIMEOUT'

const errorWith = (code: string) => Object.assign(new Error(code), { code })

/** A pool whose requests are answered by the test. */
class FakePool {
  readonly origin: string
  retired = false
  isDestroyed = false
  #held = 0
  readonly #requests: PromiseWithResolvers<Dispatcher.ResponseData>[] = []

  constructor(origin: string) {
    this.origin = origin
  }

  hold() {
    this.#held++
  }

  release() {
    this.#held--
    if (this.#held > 0 || !this.retired) return false
    this.destroy()
    return true
  }

  destroy() {
    this.isDestroyed = true
  }

  request() {
    const request = Promise.withResolvers<Dispatcher.ResponseData>()
    this.#requests.push(request)
    return request.promise
  }

  /** Answers the oldest open request. @returns the body, which is still open */
  answer() {
    const body = new Readable({ read() {} })
    this.#requests.shift()?.resolve({ body } as unknown as Dispatcher.ResponseData)
    return body
  }

  fail(error: Error) {
    this.#requests.shift()?.reject(error)
  }
}

function openPools() {
  const opened: FakePool[] = []
  const pools = new OriginPools((origin) => {
    const pool = new FakePool(origin)
    opened.push(pool)
    return pool
  })
  const last = () => opened.at(-1) ?? assert.fail('no pool was opened')
  return { pools, opened, last }
}

const closed = (body: Readable, error?: Error) =>
  new Promise<void>((resolve) => {
    body.once('close', resolve)
    body.on('error', () => {}).destroy(error)
  })

describe('the pools of a dispatcher', () => {
  test('requests to one origin share a pool, and those to another one have their own', async () => {
    const { pools, opened } = openPools()
    for (const origin of [ORIGIN, ORIGIN, 'https://files.example.com']) pools.request({ ...GET, origin })
    await Promise.resolve()
    assert.deepEqual(
      opened.map(({ origin }) => origin),
      [ORIGIN, 'https://files.example.com'],
    )
  })

  for (const [what, code, pools] of [
    ['a timeout of the headers', HEADERS_TIMEOUT, 2],
    ['a timeout of the body', BODY_TIMEOUT, 2],
    ['a reset', 'ECONNRESET', 1],
  ] as const) {
    test(`after ${what}, the next request uses ${pools === 1 ? 'the same' : 'a new'} pool`, async () => {
      const { pools: connections, opened, last } = openPools()
      const first = connections.request(GET)
      last().fail(errorWith(code))
      await assert.rejects(first, { code })
      assert.equal(opened[0]?.isDestroyed, pools === 2)
      connections.request(GET)
      assert.equal(opened.length, pools)
    })

    test(`after ${what} during a response, the next request uses ${pools === 1 ? 'the same' : 'a new'} pool`, async () => {
      const { pools: connections, opened, last } = openPools()
      const first = connections.request(GET)
      const body = last().answer()
      await first
      await closed(body, errorWith(code))
      assert.equal(opened[0]?.isDestroyed, pools === 2)
      connections.request(GET)
      assert.equal(opened.length, pools)
    })
  }

  test('a pool that hangs gets no new requests, and is closed when the body of its last response is', async () => {
    const { pools, opened, last } = openPools()
    const silence = new AbortController()
    const first = pools.request({ ...GET, silence: silence.signal })
    const body = last().answer()
    await first
    silence.abort()
    assert.equal(opened[0]?.isDestroyed, false)
    pools.request(GET)
    assert.equal(opened.length, 2)
    await closed(body)
    assert.deepEqual(
      opened.map(({ isDestroyed }) => isDestroyed),
      [true, false],
    )
  })

  test('a caller that waits no longer after the response does not close the pool', async () => {
    const { pools, opened, last } = openPools()
    const silence = new AbortController()
    const first = pools.request({ ...GET, silence: silence.signal })
    const body = last().answer()
    await first
    await closed(body)
    silence.abort()
    pools.request(GET)
    assert.deepEqual([opened.length, opened[0]?.retired], [1, false])
  })

  test('a second timeout of an old pool leaves the new one of its origin', async () => {
    const { pools, opened } = openPools()
    const silence = new AbortController()
    const first = pools.request({ ...GET, silence: silence.signal })
    silence.abort()
    pools.request(GET)
    opened[0]?.fail(errorWith(HEADERS_TIMEOUT))
    await assert.rejects(first)
    pools.request(GET)
    assert.equal(opened.length, 2)
  })

  test('the pools of a hundred origins are kept, and those of more only as long as they are used', async () => {
    const { pools, opened, last } = openPools()
    for (let i = 0; i <= 100; i++) {
      const request = pools.request({ ...GET, origin: `https://host-${i}.example.com` })
      const body = last().answer()
      await request
      await closed(body)
    }
    assert.deepEqual(
      opened.filter(({ isDestroyed }) => isDestroyed).map(({ origin }) => origin),
      ['https://host-100.example.com'],
    )
  })

  test('all pools are destroyed at once, also one that hangs, and no request is made after that', async () => {
    const { pools, opened } = openPools()
    const silence = new AbortController()
    pools.request({ ...GET, silence: silence.signal })
    silence.abort()
    pools.request(GET)
    await pools.destroy()
    assert.deepEqual(
      opened.map(({ isDestroyed }) => isDestroyed),
      [true, true],
    )
    await assert.rejects(pools.request(GET), { message: 'the connections are closed' })
    assert.equal(opened.length, 2)
  })

  test('a request that is aborted before it begins opens no pool', async () => {
    const { pools, opened } = openPools()
    const reason = new Error('canceled')
    await assert.rejects(pools.request({ ...GET, signal: AbortSignal.abort(reason) }), reason)
    assert.equal(opened.length, 0)
  })
})
