import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backOff, jittered, retry } from '../../src/predictions/retry.ts'
import { VirtualClock } from '../support/virtual-time.ts'

describe('a call that fails', () => {
  const failing = (times: number) => {
    const attempts: number[] = []
    return {
      attempts,
      call: async (attempt: number) => {
        attempts.push(attempt)
        if (attempt <= times) throw new Error(`attempt ${attempt}`)
        return 'done'
      },
    }
  }

  test('a failed call is retried after each pause until it succeeds', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const { call, attempts } = failing(2)
    const seen: [string, number][] = []
    const result = retry(call, {
      clock,
      pauseAfter: (_, attempt) => attempt * 10,
      onRetry: (error, pause) => seen.push([(error as Error).message, pause]),
    })
    assert.equal(await clock.run(result), 'done')
    assert.deepEqual(attempts, [1, 2, 3])
    assert.deepEqual(seen, [
      ['attempt 1', 10],
      ['attempt 2', 20],
    ])
    assert.equal(clock.now() - start, 30)
  })

  test('a call is no longer retried when no pause is given, and rejects with its last error', async () => {
    const clock = new VirtualClock()
    const { call, attempts } = failing(9)
    const pauseAfter = (_: unknown, attempt: number) => (attempt < 3 ? 1 : undefined)
    await assert.rejects(clock.run(retry(call, { clock, pauseAfter })), /^Error: attempt 3$/)
    assert.deepEqual(attempts, [1, 2, 3])
  })

  test('a failed call is not retried after its signal was aborted', async () => {
    const clock = new VirtualClock()
    const { call, attempts } = failing(9)
    const stop = new AbortController()
    const result = retry(call, {
      clock,
      signal: stop.signal,
      pauseAfter: () => 60,
      onRetry: () => stop.abort(new Error('stopped')),
    })
    await assert.rejects(result, /stopped/)
    assert.deepEqual(attempts, [1])
  })
})

describe('the back-off', () => {
  const middle = () => 0.5
  test('the back-off doubles with each attempt up to a limit', () => {
    const pauses = [1, 2, 3, 6].map((attempt) => backOff(attempt, { random: middle }))
    assert.deepEqual(pauses, [1, 2, 4, 30])
    assert.equal(backOff(3, { first: 2, most: 5, random: middle }), 5)
  })
  test('the back-off has a jitter of a quarter', () => {
    assert.equal(
      jittered(8, () => 0),
      6,
    )
    assert.equal(
      jittered(8, () => 1),
      10,
    )
    assert.equal(backOff(1, { random: () => 0 }), 0.75)
  })
  test('the back-off is random by default', () => {
    assert.ok(new Set(Array.from({ length: 20 }, () => backOff(1))).size > 1)
  })
})
