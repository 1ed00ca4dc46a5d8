import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { refuses, says, seeded } from '../support/faults.ts'
import { assertRight, type Manner, play, sample } from '../support/list-api.ts'
import { playWait, type Reaction } from '../support/virtual-time.ts'

/** A stretch of time in which the server misbehaves in one way. */
const trouble = fc.record({
  from: fc.integer({ min: 0, max: 400 }),
  lasts: fc.integer({ min: 1, max: 120 }),
  kind: fc.constantFrom<Reaction>(
    { code: 'ECONNRESET' },
    { code: 'EAI_AGAIN', latency: 5 },
    refuses(429),
    refuses(429, '', { 'retry-after': '7' }),
    refuses(503, '', { 'retry-after': '-1' }),
    refuses(500, '{"error":{"message":"x"}}'),
    { status: 200, body: '{"id":"abc","status":"succee' },
    { status: 200, body: '' },
    { status: 200, body: JSON.stringify({ id: 'abc', status: 'processing' }), latency: 45 },
  ),
})

test('whatever happens before, the outcome follows from the last response of the server', async () => {
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
            if (at >= end) return says(status)
            return says(at >= starts ? 'processing' : 'starting')
          },
          { timeout, random },
        )
        const calm = Math.max(end, missing, ...later.map(({ from, lasts }) => from + lasts))
        assert.ok(took <= timeout + 2 + 1e-6, `took ${took} of ${timeout} s`)
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

test('whatever the list does, verdicts are those of the server, and requests are few more than without it', async () => {
  const reactions: (Reaction | undefined)[] = [
    undefined,
    undefined,
    undefined,
    { status: 503, body: '', headers: { 'retry-after': '2' } },
    { status: 429, body: '{"detail":"throttled"}' },
    { status: 200, body: '{"results":' },
    { status: 200, body: '<html>' },
    { code: 'ECONNRESET' },
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 8, max: 40 }),
      fc.nat(),
      fc.array(fc.integer({ min: 0, max: reactions.length - 1 }), { minLength: 1, maxLength: 30 }),
      fc.constantFrom(0, 0, 1, 5, 100),
      fc.constantFrom(0, 30, 250),
      fc.boolean(),
      fc.constantFrom<Manner>({}, {}, { withoutOutput: true }, { claimsFailure: true }, { showsTwice: true }),
      async (count, seed, script, lag, strangers, hides, lie) => {
        const predictions = sample(count, seed, 10)
        const manner: Manner = {
          instead: (index) => reactions[script[index % script.length] ?? 0],
          lag,
          strangers,
          hides: (id) => hides && Number(id.slice(2)) % 3 === 0,
          ...lie,
        }
        const { outcomes, requests } = await play(predictions, manner)
        assertRight(predictions, outcomes)
        const without = await play(predictions, {}, { readsList: false })
        assert.ok(
          requests.length <= 1.1 * without.requests.length + 30,
          `${requests.length} of ${without.requests.length}`,
        )
      },
    ),
    { numRuns: 40 },
  )
})
