import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ApiError, ConnectionError, RefusalError, TooLargeError } from '../../src/predictions/errors.ts'
import { DOUBT_INTERVAL, type FailedAt, Patience, Streak } from '../../src/predictions/patience.ts'

const request = { method: 'GET', url: 'https://api.example/v1/predictions/abc' } as const
const status = (code: number, headers = {}) => new RefusalError(request, { status: code, headers, text: '' })
const hint = (seconds: number) => status(503, { 'retry-after': String(seconds) })
const noConnection = () => new ConnectionError(request, Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
const reset = () => new ConnectionError(request, Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
const badCertificate = () => new ConnectionError(request, Object.assign(new Error('old'), { code: 'CERT_HAS_EXPIRED' }))
const beyond = () => new TooLargeError(request, 1)

/** Random numbers from the middle: no jitter, and half of what is added to hints. */
const middle = () => 0.5
const patience = (parallelJobs = 1, random = middle) => new Patience(parallelJobs, random)
const at = (now: number, more: Partial<FailedAt> = {}): FailedAt => ({
  now,
  sent: now,
  planned: 0,
  answered: false,
  ...more,
})
const kinds = (judge: Patience, errors: [ApiError, FailedAt][]) =>
  errors.map(([error, when]) => judge.judge(error, when).kind)
function pauseOf(judgement: ReturnType<Patience['judge']>): number {
  assert.ok(judgement.kind !== 'give up', 'it gave up')
  return judgement.pause
}

describe('bad answers', () => {
  test('a series of bad responses is believed after a minute and at least five of them', () => {
    const streak = new Streak()
    assert.deepEqual(
      [0, 12, 24, 36, 48, 59, 60].map((now) => streak.add(now)),
      [false, false, false, false, false, false, true],
    )
    assert.equal(streak.since, 0)
    streak.end()
    assert.equal(streak.since, undefined)
    assert.deepEqual(
      [100, 161, 162, 163].map((now) => streak.add(now)),
      [false, false, false, false],
    )
    assert.equal(streak.add(164), true)
  })
})

describe('before the first good answer', () => {
  test('a permanent error before the first good response ends the wait at once', () => {
    assert.equal(patience().judge(status(401), at(0)).kind, 'give up')
    assert.equal(patience().judge(badCertificate(), at(0)).kind, 'give up')
  })
  test('a 404 before the first good response is retried for ten seconds, with growing pauses', () => {
    const judge = patience()
    const pauses = [0, 1, 3, 6].map((now) => pauseOf(judge.judge(status(404), at(now))))
    assert.deepEqual(pauses, [1, 2, 3, 4])
    assert.equal(pauseOf(judge.judge(status(404), at(9))), 1)
    assert.equal(judge.judge(status(404), at(10)).kind, 'give up')
  })
  test('the ten seconds of a 404 begin anew after a transient error', () => {
    const judge = patience()
    judge.judge(status(404), at(0))
    judge.judge(status(503), at(9))
    assert.equal(judge.judge(status(404), at(12)).kind, 'retry')
    assert.equal(judge.judge(status(404), at(21.9)).kind, 'retry')
    assert.equal(judge.judge(status(404), at(22)).kind, 'give up')
  })
  test('transient errors at the start are retried for five minutes, with the last attempt at their end', () => {
    const judge = patience()
    const pauses = [0, 1, 2, 4, 8, 16, 32, 64].map((now) => pauseOf(judge.judge(status(503), at(now))))
    assert.deepEqual(pauses, [0.5, 1, 2, 4, 8, 16, 30, 30])
    assert.equal(pauseOf(judge.judge(status(503), at(290))), 10)
    assert.equal(judge.judge(status(503), at(299.9)).kind, 'retry')
    assert.equal(judge.judge(status(503), at(300)).kind, 'give up')
  })
  test('the five minutes for retries count from the first request', () => {
    const judge = patience()
    judge.judge(status(503), at(20, { sent: 0 }))
    assert.equal(judge.judge(status(503), at(300)).kind, 'give up')
  })
  test('pauses that a server asks for do not count toward the five minutes for retries', () => {
    const judge = patience(1, () => 0)
    assert.equal(pauseOf(judge.judge(hint(200), at(0))), 200)
    judge.judge(status(503), at(200))
    assert.equal(judge.judge(status(503), at(499)).kind, 'retry')
    assert.equal(judge.judge(status(503), at(500)).kind, 'give up')
  })
  test('many parallel jobs have more time for retries, because they poll more slowly', () => {
    const judge = patience(1600)
    judge.judge(status(503), at(0))
    assert.equal(judge.judge(status(503), at(599)).kind, 'retry')
    assert.equal(judge.judge(status(503), at(600)).kind, 'give up')
    const few = patience(400)
    few.judge(status(503), at(0))
    assert.equal(few.judge(status(503), at(300)).kind, 'give up')
  })
  test('a failed connection is retried for a minute, with the last attempt at its end', () => {
    const judge = patience()
    judge.judge(noConnection(), at(0))
    for (const now of [10, 20, 30, 40]) judge.judge(noConnection(), at(now))
    assert.equal(pauseOf(judge.judge(noConnection(), at(50))), 10)
    assert.equal(judge.judge(noConnection(), at(60)).kind, 'give up')
  })
  test('the last attempt to connect is timed so that it ends with the minute', () => {
    const judge = patience()
    const slow = (now: number) => judge.judge(noConnection(), at(now, { sent: now - 10 }))
    slow(10)
    for (const now of [21, 32]) slow(now)
    assert.equal(pauseOf(slow(43)), 4)
    // One more fits if it ends within five seconds after the minute.
    assert.equal(pauseOf(slow(53)), 0)
    assert.equal(slow(56).kind, 'give up')
    const quick = patience()
    quick.judge(noConnection(), at(4, { sent: 0 }))
    assert.equal(quick.judge(noConnection(), at(58, { sent: 54 })).kind, 'give up')
  })
  test('the minute without a connection begins anew after a connection that was reset', () => {
    const judge = patience()
    judge.judge(noConnection(), at(0))
    judge.judge(reset(), at(50))
    assert.equal(judge.judge(noConnection(), at(70)).kind, 'retry')
    assert.equal(judge.judge(noConnection(), at(130)).kind, 'give up')
  })
})

describe('after a good answer', () => {
  const later = (now: number, more: Partial<FailedAt> = {}) => at(now, { answered: true, ...more })

  test('transient errors after a good response never end the wait', () => {
    const judge = patience()
    for (const error of [status(503), noConnection(), reset(), badCertificate()])
      assert.equal(judge.judge(error, later(100_000)).kind, 'retry', error.message)
  })
  test('a permanent error after a good response is polled again every 12 s and believed after a minute', () => {
    for (const code of [401, 404, 410]) {
      const judge = patience()
      const errors = [0, 12, 24, 36, 48, 60].map((now): [ApiError, FailedAt] => [status(code), later(now)])
      assert.deepEqual(kinds(judge, errors), ['doubt', 'doubt', 'doubt', 'doubt', 'doubt', 'give up'])
    }
    assert.equal(pauseOf(patience().judge(status(401), later(0))), DOUBT_INTERVAL)
    assert.equal(DOUBT_INTERVAL, 12)
  })
  test('a transient error ends the doubt about permanent ones', () => {
    const judge = patience()
    for (const now of [0, 12, 24, 36, 48]) judge.judge(status(401), later(now))
    assert.equal(judge.doubtSince, 0)
    judge.judge(status(503), later(50))
    assert.equal(judge.doubtSince, undefined)
    assert.equal(judge.judge(status(401), later(62)).kind, 'doubt')
    assert.equal(judge.doubtSince, 62)
  })
})

describe('the pause before the next attempt', () => {
  const first = (error: ApiError, more: Partial<FailedAt> = {}, random = middle) =>
    pauseOf(patience(1, random).judge(error, at(0, { answered: true, ...more })))

  test('the pause before a retry begins with half a second, or with one second after a 429', () => {
    assert.equal(first(status(503)), 0.5)
    assert.equal(first(status(429)), 1)
    assert.equal(first(reset()), 0.5)
  })
  test('the pause before a retry has a jitter of a quarter', () => {
    assert.equal(
      first(status(503), {}, () => 0),
      0.375,
    )
    assert.equal(
      first(status(503), {}, () => 1),
      0.625,
    )
  })
  test('the pause before a retry is not shorter than the schedule plans, and grows from there', () => {
    const judge = patience()
    const pauses = [0, 10, 20, 30].map((now) =>
      pauseOf(judge.judge(status(503), at(now, { planned: 5, answered: true }))),
    )
    assert.deepEqual(pauses, [5, 10, 20, 30])
    assert.equal(first(status(503), { planned: 60 }), 60)
  })
  test('the pause before a retry is what the server asks for plus up to a quarter', () => {
    assert.equal(
      first(hint(10), {}, () => 0),
      10,
    )
    assert.equal(
      first(hint(10), {}, () => 1),
      12.5,
    )
    assert.equal(first(hint(0.1)), 0.5)
  })
  test('the pause before a retry is two minutes if the server asks for more than an hour', () => {
    assert.equal(
      first(hint(3600), {}, () => 0),
      3600,
    )
    assert.equal(
      first(hint(3601), {}, () => 0),
      120,
    )
  })
})

describe('an answer beyond what is read', () => {
  test('a response beyond a limit is final the third time, also after good responses', () => {
    for (const answered of [false, true]) {
      const errors = [0, 1, 2].map((now): [ApiError, FailedAt] => [beyond(), at(now, { answered })])
      assert.deepEqual(kinds(patience(), errors), ['retry', 'retry', 'give up'])
    }
    assert.equal(pauseOf(patience().judge(beyond(), at(0))), 0.5)
  })
  test('responses beyond a limit are counted anew after another error', () => {
    const errors = [beyond(), beyond(), status(503), beyond(), beyond(), beyond()]
    assert.deepEqual(
      kinds(
        patience(),
        errors.map((error, now) => [error, at(now)]),
      ),
      ['retry', 'retry', 'retry', 'retry', 'retry', 'give up'],
    )
  })
})
