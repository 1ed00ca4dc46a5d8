import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Client } from '../../src/predictions/client.ts'
import { type ApiError, ConnectionError, NotAPredictionError, RefusalError } from '../../src/predictions/errors.ts'
import type { ListPage } from '../../src/predictions/list-page.ts'
import { createListRequest } from '../../src/predictions/list-request.ts'
import { createRateLimiter } from '../../src/predictions/rate-limiter.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const REQUEST = { method: 'GET', url: 'https://a.test/predictions' } as const
const PAGE: ListPage = { answers: [], cursor: 'next' }
const refused = (status: number, hint?: number) =>
  new RefusalError(REQUEST, { status, headers: hint === undefined ? {} : { 'retry-after': `${hint}` }, text: '' })

type Call = (signal: AbortSignal, clock: VirtualClock) => Promise<ListPage>

/** Requests one page, of an API that does as `call` does. */
function request(call: Call | undefined) {
  const clock = new VirtualClock()
  const start = clock.now()
  const stop = new AbortController()
  const deadline = new AbortController()
  const told: (string | number)[] = []
  const limiter = {
    ...createRateLimiter({ clock }),
    take: async () => void told.push('taken'),
    accepted: () => void told.push('accepted'),
    refused: (status: number) => void told.push(status),
  }
  const wanted = new Set(['abc'])
  const list: Client['list'] = async ({ cursor }, ids, signal) => {
    assert.deepEqual([cursor, ids], ['cursor', wanted])
    if (!call) throw new Error('there is no list')
    return await call(signal, clock)
  }
  const client = (call ? { list } : {}) as Client
  const fetchPage = createListRequest({ client, clock, limiter }, stop.signal, deadline.signal)
  const result = clock.run(fetchPage('cursor', wanted))
  result.catch(() => {})
  return { result, told, stop, deadline, clock, took: () => clock.now() - start }
}

const rejects = (error: ApiError) => request(async () => await Promise.reject(error))
const hangs: Call = (signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

describe('the request for a page of the list', () => {
  test('a page is requested in its turn, and the rate limiter is told that it was accepted', async () => {
    const { result, told } = request(async () => PAGE)
    assert.equal(await result, PAGE)
    assert.deepEqual(told, ['taken', 'accepted'])
  })

  test('an API without a list has an empty last page', async () => {
    assert.deepEqual(await request(undefined).result, { answers: [], cursor: undefined })
  })

  test('a page that takes longer than five seconds counts as a failed connection', async () => {
    const { result, told, took } = request(hangs)
    await assert.rejects(
      result,
      (error) => error instanceof ConnectionError && /the list.*within 5 s/.test(error.message),
    )
    assert.equal(took(), 5)
    assert.deepEqual(told, ['taken'])
    const slow = request(async (_, clock) => {
      await clock.sleep(4.9)
      return PAGE
    })
    assert.equal(await slow.result, PAGE)
  })

  test('a request for a page and the pause after a hint end with the signal', async () => {
    for (const begin of [() => request(hangs), () => rejects(refused(503, 60))]) {
      const { result, stop, clock, took } = begin()
      clock.sleep(1).then(() => stop.abort(new Error('all waits have ended')))
      await assert.rejects(result, /all waits have ended/)
      assert.equal(took(), 1)
    }
  })

  test('a refusal without a hint slows the rate limiter down, and causes no pause', async () => {
    const { result, told, took } = rejects(refused(429))
    await assert.rejects(result, RefusalError)
    assert.deepEqual(told, ['taken', 429])
    assert.equal(took(), 0)
  })

  test('a Retry-After is obeyed for two minutes at most, and the rate limiter learns nothing from it', async () => {
    for (const [hint, expected] of [
      [7, 7],
      [119, 119],
      [121, 120],
    ]) {
      const { result, told, took } = rejects(refused(503, hint))
      await assert.rejects(result, RefusalError)
      assert.equal(took(), expected)
      assert.deepEqual(told, ['taken'])
    }
  })

  test('a Retry-After is obeyed until the deadline at most, and the refusal counts', async () => {
    const { result, deadline, clock, took } = rejects(refused(503, 60))
    clock.sleep(10).then(() => deadline.abort(new Error('the deadline was reached')))
    await assert.rejects(result, RefusalError)
    assert.equal(took(), 10)
  })

  test('a refusal other than for the pace, or a response that is no list, counts as accepted', async () => {
    for (const error of [refused(404), new NotAPredictionError(REQUEST, 'a web page')]) {
      const { result, told } = rejects(error)
      await assert.rejects(result, error)
      assert.deepEqual(told, ['taken', 'accepted'])
    }
  })

  test('a bug is passed on as it is', async () => {
    const { result, told } = request(async () => await Promise.reject(new TypeError('a bug')))
    await assert.rejects(result, /a bug/)
    assert.deepEqual(told, ['taken'])
  })
})
