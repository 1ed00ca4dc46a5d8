import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ApiError, ConnectionError, NotAPredictionError, RefusalError } from '../../src/predictions/errors.ts'
import { createRateLimiter, tellFailure } from '../../src/predictions/rate-limiter.ts'

const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions/a' } as const

/** A limiter without a pace of its own, and what it makes of answers that come at given seconds. */
function learner() {
  let now = 0
  const limiter = createRateLimiter({
    clock: { now: () => now, sleep: async () => {} },
    perSecond: Number.POSITIVE_INFINITY,
  })
  const after = (act: () => void) => (at: number) => {
    now = at
    act()
    return Math.round(limiter.interval * 1e4) / 1e4
  }
  return {
    accepted: after(() => limiter.accepted()),
    refused: (at: number, status = 429) => after(() => limiter.refused(status))(at),
  }
}

describe('the pace of a rate limiter', () => {
  test('other statuses than 429 and 503 do not slow the rate limiter down', () => {
    const { refused } = learner()
    assert.deepEqual(
      [500, 502, 404, 408].map((status) => refused(1, status)),
      [0, 0, 0, 0],
    )
  })
  test('the rate limiter pauses for twice as long as refusals have lasted, from 2 to 30 seconds', () => {
    for (const status of [429, 503]) {
      const { refused } = learner()
      assert.deepEqual(
        [100, 100.5, 104, 114, 115].map((at) => refused(at, status)),
        [2, 2, 8, 28, 30],
      )
    }
  })
  test('the rate limiter measures the pace between two refusals, then slowly tries a faster one', () => {
    const { accepted, refused } = learner()
    for (let at = 0; at < 10; at++) assert.equal(accepted(at), 0)
    assert.equal(refused(10), 2)
    assert.equal(accepted(12), 1.2)
    // What was refused counts as too fast, and less so with every request that is accepted.
    assert.equal(accepted(13), 1.0395)
    assert.equal(accepted(14), 1.0291)
    assert.equal(refused(20), 2)
    assert.equal(accepted(21), 3)
  })
  test('the rate limiter waits at most half a minute between requests', () => {
    const { accepted, refused } = learner()
    accepted(0)
    refused(85)
    assert.equal(accepted(100), 30)
  })
  test('the rate limiter learns no pace from an outage, which lasts longer than a limit', () => {
    for (const [status, longest] of [
      [429, 90],
      [503, 15],
    ] as const) {
      const { accepted, refused } = learner()
      accepted(0)
      accepted(1)
      refused(10, status)
      assert.equal(refused(10 + longest, status), 30)
      assert.equal(refused(10.1 + longest, status), 0)
      assert.equal(accepted(11 + longest), 0)
      assert.equal(accepted(12 + longest), 0)
    }
  })
  test('the rate limiter learns nothing from refusals before the first success', () => {
    const { accepted, refused } = learner()
    assert.equal(refused(0), 2)
    assert.equal(accepted(5), 0)
  })
})

describe('what a rate limiter is told of failures', () => {
  const refusal = (status: number, headers = {}) => new RefusalError(REQUEST, { status, headers, text: '' })
  const untrusted = Object.assign(new Error('untrusted'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  const failures: readonly (readonly [string, ApiError, readonly unknown[]])[] = [
    ['a 429 without a pause is a refusal', refusal(429), [429]],
    ['a 429 with a pause is not counted, because the pause is obeyed', refusal(429, { 'retry-after': '5' }), []],
    ['a reset connection is not counted', new ConnectionError(REQUEST, new Error('reset')), []],
    ['an untrusted certificate is not counted', new ConnectionError(REQUEST, untrusted), []],
    ['a 404 is an accepted request', refusal(404), ['accepted']],
    ['a web page is an accepted request', new NotAPredictionError(REQUEST, 'a web page'), ['accepted']],
  ]
  for (const [fact, error, expected] of failures) {
    test(`${fact} for the rate limiter`, () => {
      const told: unknown[] = []
      const limiter = {
        interval: 0,
        take: async () => {},
        accepted: () => void told.push('accepted'),
        refused: (status: number) => void told.push(status),
      }
      tellFailure(limiter, error)
      assert.deepEqual(told, expected)
    })
  }
})

describe('the turns of a rate limiter', () => {
  test('an aborted request leaves the queue of the rate limiter, and the others go on', async () => {
    const asleep: (() => void)[] = []
    const clock = { now: () => 0, sleep: () => new Promise<void>((resolve) => asleep.push(resolve)) }
    const limiter = createRateLimiter({ clock, perSecond: 1 })
    const never = new AbortController().signal
    await limiter.take(never)
    const second = limiter.take(never)
    const stop = new AbortController()
    const third = limiter.take(stop.signal)
    stop.abort(new Error('enough'))
    await assert.rejects(third, /enough/)
    await assert.rejects(limiter.take(stop.signal), /enough/)
    for (const wake of asleep) wake()
    await second
  })
})
