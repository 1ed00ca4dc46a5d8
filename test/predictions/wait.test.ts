import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fixedSchedule } from '../../src/predictions/schedule.ts'
import { says, seeded } from '../support/faults.ts'
import { playWait, type Reaction, type ScriptedRequest } from '../support/virtual-time.ts'

const refuses = (status: number, headers: Record<string, string> = {}, body = ''): Reaction => ({
  status,
  headers,
  body,
})

describe('a wait', () => {
  test('asks at once, and once, where the prediction is over', async () => {
    for (const status of ['succeeded', 'failed', 'canceled', 'aborted', 'SUCCESS']) {
      const { outcome, requests } = await playWait(() => says(status))
      assert.equal(outcome.end, 'ended')
      assert.deepEqual(
        requests.map(({ at, method, path }) => [at, method, path]),
        [[0, 'GET', '/v1/predictions/abc']],
      )
    }
  })

  test('goes on through an unknown status, with an output already there, until the end', async () => {
    const { outcome } = await playWait((_, i) => (i < 5 ? says('paused', 'abc', { output: ['x'] }) : says('succeeded')))
    assert.equal(outcome.status, 'succeeded')
  })

  test('ends at its deadline, after a last look shortly before it', async () => {
    const { outcome, requests, took } = await playWait(() => says('processing'), { timeout: 600 })
    assert.equal(outcome.end, 'timeout')
    assert.equal(outcome.status, 'processing')
    assert.ok(took <= 600)
    assert.ok((requests.at(-1)?.at ?? 0) >= 590)
  })

  test('ends at its deadline where the server hangs', async () => {
    const { outcome, took } = await playWait(() => 'hang', { timeout: 20 })
    assert.equal(outcome.end, 'timeout')
    assert.equal(took, 20)
  })

  test('without a deadline goes on for days', async () => {
    const { outcome } = await playWait(({ at }) => says(at < 200_000 ? 'processing' : 'succeeded'), {
      timeout: Number.POSITIVE_INFINITY,
    })
    assert.equal(outcome.status, 'succeeded')
  })

  test('ends with what it knows where it is interrupted', async () => {
    const stop = new AbortController()
    const { outcome } = await playWait(
      (_, i) => {
        if (i === 3) stop.abort(new Error('SIGINT'))
        return says('processing')
      },
      { signal: stop.signal },
    )
    assert.equal(outcome.end, 'interrupted')
    assert.equal(outcome.status, 'processing')
  })

  test('asks at the fixed interval that is wanted', async () => {
    const { requests } = await playWait(({ at }) => says(at > 29 ? 'succeeded' : 'processing'), {
      schedule: () => fixedSchedule(5),
    })
    const gaps = requests.slice(1).map(({ at }, i) => at - (requests[i]?.at ?? 0))
    assert.ok(
      gaps.every((gap) => gap > 4.9 && gap < 5.2),
      String(gaps),
    )
  })
})

describe('faults', () => {
  const passing: [string, Reaction][] = [
    ['a reset', { code: 'ECONNRESET' }],
    ['no such host', { code: 'ENOTFOUND' }],
    ['a 503', refuses(503, {}, '{"detail":"busy"}')],
    ['an empty 500', refuses(500)],
    ['an empty 429', refuses(429)],
    ['a 429 with a hint', refuses(429, { 'retry-after': '3' })],
    ['a 429 with an absurd hint', refuses(429, { 'retry-after': '86400' })],
    ['a cut-off body', { status: 200, body: '{"id":"abc","sta' }],
    ['a page with status 502', refuses(502, {}, '<html>')],
  ]
  for (const [name, fault] of passing) {
    test(`${name} is survived at the start`, async () => {
      const { outcome, requests } = await playWait((_, i) => (i < 3 ? fault : says('succeeded')))
      assert.equal(outcome.status, 'succeeded')
      assert.equal(requests.length, 4)
    })
    test(`${name} is survived for ten minutes after a good answer, without hammering`, async () => {
      const { outcome, requests } = await playWait(({ at }, i) =>
        i === 0 ? says('processing') : at < 600 ? fault : says('succeeded'),
      )
      assert.equal(outcome.status, 'succeeded')
      assert.ok(requests.length < 60, `${requests.length} requests`)
    })
    test(`${name} and nothing else ends the wait after about a minute, or by the hints`, async () => {
      const { outcome, took } = await playWait(() => fault)
      assert.equal(outcome.end, name.includes('absurd') ? 'timeout' : 'refused')
      assert.ok(name.includes('hint') || (took >= 60 && took < 120), `${took} s`)
    })
  }

  test('a gateway that needs 45 s for an answer is waited for', async () => {
    const slow = (reaction: Reaction): Reaction =>
      typeof reaction === 'object' ? { ...reaction, latency: 45 } : reaction
    const { outcome } = await playWait((_, i) => slow(says(i < 3 ? 'processing' : 'succeeded')))
    assert.equal(outcome.status, 'succeeded')
  })

  test('a 429 is asked again no sooner than its hint', async () => {
    const { requests } = await playWait((_, i) => (i === 0 ? refuses(429, { 'retry-after': '20' }) : says('succeeded')))
    assert.ok((requests[1]?.at ?? 0) >= 20)
  })

  test('a 404 may be a lag of some seconds, and is final after that, also in the middle', async () => {
    const lag = await playWait(({ at }) => (at < 6 ? refuses(404) : says('succeeded')))
    assert.equal(lag.outcome.status, 'succeeded')
    for (const known of [0, 5]) {
      const gone = await playWait((_, i) => (i < known ? says('starting') : refuses(404, {}, '{"detail":"not found"}')))
      assert.equal(gone.outcome.end, 'refused')
      assert.ok(gone.took > 9 && gone.took < 40, `${gone.took} s`)
      assert.match(gone.outcome.error?.message ?? '', /ID is wrong.*another account.*dropped it/)
    }
  })

  for (const status of [400, 401, 402, 403, 405, 410, 422, 501, 302]) {
    test(`a ${status} is final at once`, async () => {
      const { outcome, requests } = await playWait(() => refuses(status))
      assert.equal(outcome.end, 'refused')
      assert.equal(requests.length, 1)
    })
  }

  test('what is no prediction is final at once at the start; after a good answer only when it stays', async () => {
    const page = refuses(200, {}, '<!doctype html>')
    assert.equal((await playWait(() => page)).requests.length, 1)
    assert.equal(
      (await playWait((_, i) => (i === 1 || i === 2 ? page : says(i < 5 ? 'processing' : 'succeeded')))).outcome.status,
      'succeeded',
    )
    assert.equal((await playWait((_, i) => (i === 0 ? says('processing') : page))).outcome.end, 'refused')
  })
})

describe('many predictions', () => {
  const ids = Array.from({ length: 1000 }, (_, i) => `id${i}`)

  test('share one rate limiter of 40 requests a second, and all come to their end', async () => {
    const react = ({ at, path }: ScriptedRequest): Reaction => {
      const id = path.split('/').at(-1) ?? ''
      return {
        status: 200,
        body: JSON.stringify({ id, status: at > 20 + Number(id.slice(2)) / 10 ? 'succeeded' : 'processing' }),
      }
    }
    const { outcomes, requests } = await playWait(react, { ids })
    assert.deepEqual(
      outcomes.map(({ id }) => id),
      ids,
    )
    assert.ok(outcomes.every(({ status }) => status === 'succeeded'))
    const busiest = Math.max(
      ...requests.map(({ at }) => requests.filter((other) => other.at >= at && other.at < at + 1).length),
    )
    assert.ok(busiest <= 41, `${busiest} in one second`)
  })

  test('fail one by one, not together', async () => {
    const { outcomes } = await playWait(({ path }) => (path.endsWith('b') ? refuses(401) : says('succeeded')), {
      ids: ['a', 'b', 'c'],
    })
    assert.deepEqual(
      outcomes.map(({ end }) => end),
      ['ended', 'refused', 'ended'],
    )
  })
})

/** A stretch of time in which the server misbehaves in one way. */
const trouble = fc.record({
  from: fc.integer({ min: 0, max: 400 }),
  lasts: fc.integer({ min: 1, max: 120 }),
  kind: fc.constantFrom<Reaction>(
    { code: 'ECONNRESET' },
    { code: 'EAI_AGAIN', latency: 5 },
    refuses(429),
    refuses(429, { 'retry-after': '7' }),
    refuses(503, { 'retry-after': '-1' }),
    refuses(500, {}, '{"error":{"message":"x"}}'),
    { status: 200, body: '{"id":"abc","status":"succee' },
    { status: 200, body: '' },
    { status: 200, body: JSON.stringify({ id: 'abc', status: 'processing' }), latency: 45 },
  ),
})

test('whatever happens on the way, the outcome is the one that the last word of the server demands', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        starts: fc.integer({ min: 0, max: 100 }),
        runs: fc.integer({ min: 0, max: 500 }),
        status: fc.constantFrom('succeeded', 'failed', 'canceled', 'aborted'),
        timeout: fc.integer({ min: 1, max: 900 }),
        missing: fc.integer({ min: 0, max: 5 }),
        troubles: fc.array(trouble, { maxLength: 4 }),
        seed: fc.integer(),
      }),
      async ({ starts, runs, status, timeout, missing, troubles, seed }) => {
        const random = seeded(seed)
        const end = starts + runs
        // Trouble before the first good answer may end the wait by itself; it has tests of its own.
        const later = troubles.map((each) => ({ ...each, from: each.from + missing + 15 }))
        const { outcome, requests, took } = await playWait(
          ({ at }) => {
            if (at < missing) return refuses(404)
            const bad = later.find(({ from, lasts }) => at >= from && at < from + lasts)
            if (bad) return bad.kind
            return says(at >= end ? status : at >= starts ? 'processing' : 'starting')
          },
          { timeout, random },
        )
        const calm = Math.max(end, missing, ...later.map(({ from, lasts }) => from + lasts))
        assert.ok(took <= timeout + 1e-6, `took ${took} of ${timeout} s`)
        if (timeout > calm + 100) assert.equal(outcome.status, status)
        if (timeout < end) assert.notEqual(outcome.end, 'ended')
        if (outcome.end === 'ended') assert.equal(outcome.status, status)
        else assert.equal(outcome.end, 'timeout')
        assert.ok(requests.length <= 15 + took / 0.45, `${requests.length} requests in ${took} s`)
      },
    ),
    { numRuns: 150 },
  )
})
