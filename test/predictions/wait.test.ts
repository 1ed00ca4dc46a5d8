import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndSignals } from '../../src/predictions/end-signal.ts'
import { createRateLimiter, type RateLimiter } from '../../src/predictions/rate-limiter.ts'
import { fixedSchedule } from '../../src/predictions/schedule.ts'
import { openWaits } from '../../src/predictions/wait.ts'
import type { WaitObserver } from '../../src/predictions/wait-options.ts'
import { refuses, says } from '../support/faults.ts'
import {
  playWait,
  type Reaction,
  type ScriptedRequest,
  scriptedDispatcher,
  startWait,
  VirtualClock,
  waitOptions,
} from '../support/virtual-time.ts'

describe('a wait', () => {
  test('a wait polls at once, and only once, if the prediction has ended', async () => {
    for (const status of ['succeeded', 'failed', 'canceled', 'aborted', 'SUCCESS']) {
      const { outcome, requests } = await playWait(() => says(status))
      assert.equal(outcome.end, 'ended')
      assert.deepEqual(
        requests.map(({ at, method, path }) => [at, method, path]),
        [[0, 'GET', '/v1/predictions/abc']],
      )
    }
  })

  test('a wait goes on through an unknown status until the end, even if there is an output', async () => {
    const { outcome } = await playWait((_, i) => (i < 5 ? says('paused', 'abc', { output: ['x'] }) : says('succeeded')))
    assert.equal(outcome.status, 'succeeded')
  })

  test('a wait ends at its deadline, after a last poll at that moment', async () => {
    const { outcome, requests, took } = await playWait(() => says('processing'), { timeout: 60 })
    assert.equal(outcome.end, 'timeout')
    assert.equal(outcome.status, 'processing')
    assert.equal(requests.at(-1)?.at, 60)
    assert.equal(took, 60.05)
  })

  test('a wait takes the end that its last poll reports', async () => {
    const { outcome } = await playWait(({ at }) => says(at < 60 ? 'processing' : 'succeeded'), { timeout: 60 })
    assert.deepEqual([outcome.end, outcome.status], ['ended', 'succeeded'])
  })

  test('a wait makes its last poll despite a long poll interval, a Retry-After or a doubt', async () => {
    const cases: [string, Reaction][] = [
      ['poll interval', says('processing')],
      ['hint', refuses(429, '', { 'retry-after': '1000' })],
      ['doubt', refuses(401)],
    ]
    for (const [name, answer] of cases) {
      const react = ({ at }: ScriptedRequest, i: number) => {
        if (at >= 30) return says('succeeded')
        return i === 0 ? says('processing') : answer
      }
      const schedule = () => fixedSchedule(name === 'poll interval' ? 3600 : 29)
      const { outcome, requests } = await playWait(react, { timeout: 30, schedule })
      assert.equal(outcome.status, 'succeeded', name)
      assert.equal(requests.at(-1)?.at, 30, name)
    }
  })

  test('a wait allows two seconds for the response to its last poll', async () => {
    const slow = (latency: number) => (request: ScriptedRequest) =>
      request.at < 60 ? says('processing') : { status: 200, body: '{"id":"abc","status":"failed"}', latency }
    const inTime = await playWait(slow(1.9), { timeout: 60 })
    assert.deepEqual([inTime.outcome.status, inTime.took], ['failed', 61.9])
    const late = await playWait(slow(2.1), { timeout: 60 })
    assert.deepEqual([late.outcome.end, late.took], ['timeout', 62])
  })

  test('a wait takes the response to a poll in flight at the deadline, and polls beside it', async () => {
    const react = ({ at }: ScriptedRequest, i: number): Reaction => {
      if (at >= 10) return 'hang'
      return i === 0 ? says('processing') : { status: 200, body: '{"id":"abc","status":"failed"}', latency: 4 }
    }
    const { outcome, requests, took } = await playWait(react, { timeout: 10, schedule: () => fixedSchedule(7) })
    assert.deepEqual([outcome.status, requests.length], ['failed', 3])
    assert.ok(took > 11 && took < 11.2, `${took} s`)
  })

  test('a wait repeats its last poll if the connection was reset', async () => {
    const react = ({ at }: ScriptedRequest): Reaction => {
      if (at < 60) return says('processing')
      return at < 60.5 ? { code: 'ECONNRESET' } : says('succeeded')
    }
    const { outcome } = await playWait(react, { timeout: 60 })
    assert.equal(outcome.status, 'succeeded')
  })

  test('a wait ends at its deadline even if the server hangs', async () => {
    const { outcome, requests, took } = await playWait(() => 'hang', { timeout: 20 })
    assert.equal(outcome.end, 'timeout')
    assert.equal(took, 20)
    assert.ok(requests.every(({ at }) => at < 20))
  })

  test('a wait polls before it ends even if the deadline comes before its first turn', async () => {
    const { outcome, requests } = await playWait(() => says('succeeded'), {
      timeout: 1,
      parallelJobs: 1000,
      random: () => 0.9,
    })
    assert.equal(outcome.status, 'succeeded')
    assert.deepEqual(
      requests.map(({ at }) => at),
      [1],
    )
  })

  test('at the deadline, many predictions are polled for two seconds, first those polled longest ago', async () => {
    const ids = Array.from({ length: 120 }, (_, i) => `id${i}`)
    const react = ({ path }: ScriptedRequest) => says('processing', path.split('/').at(-1))
    const { outcomes, requests, took } = await playWait(react, { ids, timeout: 4, readsList: false })
    assert.ok(outcomes.every(({ end }) => end === 'timeout'))
    const last = requests.filter(({ at }) => at >= 4).map(({ path }) => path)
    assert.equal(last.length, 80)
    const before = new Map(requests.filter(({ at }) => at < 4).map(({ path, at }) => [path, at]))
    const oldest = [...before].toSorted(([, a], [, b]) => a - b).slice(0, 80)
    assert.deepEqual(new Set(last), new Set(oldest.map(([path]) => path)))
    assert.ok(took >= 6 && took < 6.1, `${took} s`)
  })

  test('a wait without a deadline goes on for days', async () => {
    const { outcome } = await playWait(({ at }) => says(at < 200_000 ? 'processing' : 'succeeded'), {
      timeout: Number.POSITIVE_INFINITY,
      schedule: () => fixedSchedule(3600),
    })
    assert.equal(outcome.status, 'succeeded')
  })

  test('an interrupted wait ends with the last known status', async () => {
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

  test('a wait polls at the fixed interval', async () => {
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
    ['a host that is not found', { code: 'ENOTFOUND' }],
    ['a 503', refuses(503, '{"detail":"busy"}')],
    ['an empty 500', refuses(500)],
    ['an empty 429', refuses(429)],
    ['a 429 with a hint', refuses(429, '', { 'retry-after': '3' })],
    ['a 429 with an absurd hint', refuses(429, '', { 'retry-after': '86400' })],
    ['a cut-off body', { status: 200, body: '{"id":"abc","sta' }],
    ['a web page with status 502', refuses(502, '<html>')],
  ]
  for (const [name, fault] of passing) {
    test(`a wait survives ${name} at the start`, async () => {
      const { outcome, requests } = await playWait((_, i) => (i < 3 ? fault : says('succeeded')))
      assert.equal(outcome.status, 'succeeded')
      assert.equal(requests.length, 4)
    })
    test(`a wait survives ${name} for ten minutes after a good response, with few requests`, async () => {
      const { outcome, requests } = await playWait(({ at }, i) => {
        if (i === 0) return says('processing')
        return at < 600 ? fault : says('succeeded')
      })
      assert.equal(outcome.status, 'succeeded')
      assert.ok(requests.length < 60, `${requests.length} requests`)
    })
    test(`a wait that gets only ${name} ends after its patience, or as the hints demand`, async () => {
      const { outcome, took } = await playWait(() => fault)
      assert.equal(outcome.end, name.includes('absurd') ? 'timeout' : 'refused')
      const patience = name === 'a host that is not found' ? 60 : 300
      assert.ok(name.includes('hint') || (took >= patience && took < patience + 0.2), `${took} s`)
    })
  }

  test('a gateway that takes 45 s to respond is waited for', async () => {
    const slow = (reaction: Reaction): Reaction =>
      typeof reaction === 'object' ? { ...reaction, latency: 45 } : reaction
    const { outcome } = await playWait((_, i) => slow(says(i < 3 ? 'processing' : 'succeeded')))
    assert.equal(outcome.status, 'succeeded')
  })

  test('a request is not retried before the Retry-After of a 429 has passed', async () => {
    const { requests } = await playWait((_, i) =>
      i === 0 ? refuses(429, '', { 'retry-after': '20' }) : says('succeeded'),
    )
    assert.ok((requests[1]?.at ?? 0) >= 20)
  })

  test('an end signal wakes a wait from its own pause, but not from one that the server asked for', async () => {
    /** Signals so many seconds after the stream was opened. */
    const signalsAfter = (seconds: number, clock: VirtualClock): EndSignals => ({
      open(_, signal, ring) {
        clock.sleep(seconds, signal).then(ring, () => {})
        return { connected: true }
      },
      close: async () => {},
    })
    const secondPoll = async (answer: Reaction): Promise<number> => {
      const clock = new VirtualClock()
      const stream = says('processing', 'abc', { urls: { stream: 'https://stream.example/x' } })
      const { dispatcher, requests } = scriptedDispatcher(clock, (_, i) => [stream, answer][i] ?? says('succeeded'))
      const options = { schedule: () => fixedSchedule(5), endSignals: signalsAfter(8, clock), random: () => 0 }
      await clock.run(startWait(clock, dispatcher, options))
      return requests[2]?.at ?? 0
    }
    assert.equal(await secondPoll(says('processing')), 8.05)
    assert.equal(await secondPoll(refuses(429, '', { 'retry-after': '20' })), 25.1)
    assert.equal(await secondPoll(refuses(401)), 17.1)
  })

  test('a long Retry-After is obeyed to the second, and does not count toward the time for retries', async () => {
    const { requests } = await playWait(
      (_, i) => (i < 2 ? refuses(503, '', { 'retry-after': '600' }) : says('succeeded')),
      { random: () => 0 },
    )
    assert.deepEqual(
      requests.map(({ at }) => at),
      [0, 600.05, 1200.1],
    )
  })

  test('a Retry-After of more than an hour is taken as two minutes', async () => {
    const { requests } = await playWait(
      (_, i) => (i < 1 ? refuses(429, '', { 'retry-after': '3601' }) : says('succeeded')),
      { random: () => 0 },
    )
    assert.deepEqual(
      requests.map(({ at }) => at),
      [0, 120.05],
    )
  })

  test('a wait without a connection ends after a minute, whatever time an attempt takes', async () => {
    for (const latency of [0.01, 5, 10]) {
      const { outcome, took } = await playWait(() => ({ code: 'ECONNREFUSED', latency }))
      assert.equal(outcome.end, 'refused')
      assert.ok(took > 55 && took <= 65, `${latency}: ${took} s`)
    }
  })

  test('the minute without a connection begins with the first failed connection after other errors', async () => {
    const { took } = await playWait(({ at }) => (at < 100 ? refuses(503) : { code: 'ECONNREFUSED' }))
    assert.ok(took > 150 && took < 200, `${took} s`)
  })

  test('many jobs that share an account have more time, for as many attempts', async () => {
    const took = async (parallelJobs: number) =>
      (await playWait(() => refuses(503), { parallelJobs, timeout: 10_000, random: () => 0.5 })).took
    const few = await took(800)
    assert.ok(few >= 300 && few < 330, `${few} s`)
    const many = await took(1600)
    assert.ok(many >= 600 && many < 660, `${many} s`)
  })

  test('a 404 at the start is retried for ten seconds', async () => {
    const lag = await playWait(({ at }) => (at < 9.9 ? refuses(404) : says('succeeded')))
    assert.equal(lag.outcome.status, 'succeeded')
    const gone = await playWait(() => refuses(404, '{"detail":"not found"}'))
    assert.equal(gone.outcome.end, 'refused')
    assert.ok(gone.took >= 10 && gone.took < 10.2, `${gone.took} s`)
    assert.match(gone.outcome.error?.message ?? '', /ID is wrong.*another account.*dropped it/)
  })

  for (const status of [400, 401, 402, 403, 405, 410, 413, 418, 422, 501, 301, 302]) {
    test(`a ${status} before a good response is final at once`, async () => {
      const { outcome, requests } = await playWait(() => refuses(status))
      assert.equal(outcome.end, 'refused')
      assert.equal(requests.length, 1)
    })
  }

  const page = refuses(200, '<!doctype html><title>Under maintenance</title>')
  const doubtful: [string, Reaction][] = [
    ...[301, 400, 401, 402, 403, 404, 405, 410, 413, 418, 422, 501].map((status): [string, Reaction] => [
      `a ${status}`,
      refuses(status),
    ]),
    ['a challenge page', refuses(403, '<html><title>Just a moment...</title>', { 'cf-mitigated': 'challenge' })],
    ['a home page', page],
    ['other JSON', refuses(200, '{"data":[]}')],
    ['a 500 that says invalid_request', refuses(500, '{"error":{"code":"invalid_request"}}')],
  ]
  for (const [name, answer] of doubtful) {
    test(`${name} after a good response is polled again every 12 s and believed after a minute`, async () => {
      for (const interval of [0.5, 300]) {
        const { outcome, requests, took } = await playWait((_, i) => (i < 1 ? says('processing') : answer), {
          schedule: () => fixedSchedule(interval),
        })
        assert.deepEqual([outcome.end, outcome.status], ['refused', 'processing'])
        const gaps = requests.slice(2).map(({ at }, i) => Math.round((at - (requests[i + 1]?.at ?? 0)) * 100) / 100)
        assert.deepEqual(gaps, [12.05, 12.05, 12.05, 12.05, 12.05])
        assert.equal(took, interval + 0.1 + 60.25)
      }
    })
    test(`${name} for 50 s does not end a wait`, async () => {
      const { outcome } = await playWait(({ at }, i) =>
        i === 0 || at > 55 ? says(at > 55 ? 'succeeded' : 'processing') : answer,
      )
      assert.equal(outcome.status, 'succeeded')
    })
  }

  test('a doubt begins anew after a transient error, and goes on whatever permanent errors come', async () => {
    const mixed = [refuses(401), page, refuses(404), refuses(301)]
    const { took } = await playWait((_, i) => (i < 1 ? says('processing') : (mixed[i % 4] ?? page)), {
      schedule: () => fixedSchedule(1),
    })
    assert.ok(took > 60 && took < 63, `${took} s`)
    const bad = (i: number) => refuses(i % 5 === 0 ? 503 : 404)
    const broken = await playWait((_, i) => (i < 1 ? says('processing') : bad(i)), {
      schedule: () => fixedSchedule(1),
      timeout: 600,
    })
    assert.equal(broken.outcome.end, 'timeout')
  })

  test('a wrong certificate is final at the start, and survived after a good response', async () => {
    const certificate: Reaction = { code: 'CERT_HAS_EXPIRED' }
    const start = await playWait(() => certificate)
    assert.deepEqual([start.outcome.end, start.requests.length], ['refused', 1])
    const middle = await playWait(({ at }, i) =>
      i > 0 && at < 600 ? certificate : says(at < 600 ? 'processing' : 'succeeded'),
    )
    assert.equal(middle.outcome.status, 'succeeded')
  })

  test('a response over the limits is final when it has come three times', async () => {
    const deep = refuses(200, `{"id":"abc","status":"succeeded","output":${'['.repeat(600)}${']'.repeat(600)}}`)
    for (const good of [0, 1]) {
      const { outcome, requests } = await playWait((_, i) => (i < good ? says('processing') : deep))
      assert.deepEqual([outcome.end, requests.length], ['refused', good + 3])
      const saved = await playWait((_, i) =>
        i >= good && i < good + 2 ? deep : says(i < good ? 'processing' : 'succeeded'),
      )
      assert.equal(saved.outcome.status, 'succeeded')
    }
  })
})

describe('an end that the API is late with, or does not name', () => {
  const stuck = (more: object) => says('paused', 'abc', more)
  test('an unknown status beside an error or an end time counts as a failure after ten seconds', async () => {
    for (const more of [
      { error: 'out of credit' },
      { error: { message: 'x' } },
      { completed_at: '2026-01-01T00:00:00Z' },
    ]) {
      const { outcome, took, requests } = await playWait(() => stuck(more))
      assert.deepEqual([outcome.end, outcome.status], ['ended', 'failed'], JSON.stringify(more))
      assert.ok(took >= 10 && took < 12, `${took} s`)
      assert.ok(requests.length >= 3)
    }
  })
  test('an unknown status beside an error counts as a failure after three polls, however far apart', async () => {
    const { requests } = await playWait(() => stuck({ error: 'x' }), { schedule: () => fixedSchedule(30) })
    assert.equal(requests.length, 3)
  })
  test('an unknown status is no end without an error, with an empty one, or while anything changes', async () => {
    const moving = (i: number) => ({ completed_at: `2026-01-01T00:00:${String(i % 60).padStart(2, '0')}Z` })
    const cases: ((i: number) => Reaction)[] = [
      () => stuck({}),
      () => stuck({ error: {} }),
      () => stuck({ error: '' }),
      (i) => stuck(moving(i)),
      (i) => stuck({ error: `attempt ${i}` }),
      (i) => stuck({ error: 'x', logs: 'y'.repeat(i) }),
      (i) => says(i % 2 === 0 ? 'paused' : 'resumed', 'abc', { error: 'x' }),
      () => says('processing', 'abc', { error: 'x', completed_at: '2026-01-01T00:00:00Z' }),
    ]
    for (const [i, answer] of cases.entries()) {
      const { outcome } = await playWait((_, n) => answer(n), { timeout: 60, schedule: () => fixedSchedule(4) })
      assert.equal(outcome.end, 'timeout', `case ${i}`)
    }
  })
  test('a success without an output is fetched twice more within five seconds', async () => {
    const empty = says('succeeded', 'abc', { output: null })
    const late = await playWait((_, i) => [says('processing'), empty, empty][i] ?? says('succeeded'))
    assert.equal(late.outcome.answer?.prediction.output, 'x')
    const never = await playWait((_, i) => (i === 0 ? says('processing') : empty))
    assert.equal(never.outcome.status, 'succeeded')
    const [, first, second, third, ...more] = never.requests
    assert.equal(more.length, 0)
    assert.ok((third?.at ?? 0) - (first?.at ?? 0) < 5)
    assert.ok((second?.at ?? 0) - (first?.at ?? 0) > 1)
    const broken = await playWait((_, i) => [says('processing'), empty][i] ?? refuses(401))
    assert.equal(broken.outcome.status, 'succeeded')
  })
  test('a success without an output is not fetched again if it is older than a minute or its data was removed', async () => {
    const at = (completed: string) => says('succeeded', 'abc', { output: null, completed_at: completed })
    const date = () => Date.parse('2026-01-01T00:02:00Z')
    const looks = async (answer: Reaction) => (await playWait(() => answer, { date })).requests.length
    assert.equal(await looks(at('2026-01-01T00:00:59Z')), 1)
    assert.equal(await looks(at('2026-01-01T00:01:01Z')), 3)
    assert.equal(await looks(says('succeeded', 'abc', { output: null, data_removed: true })), 1)
    assert.equal(await looks(says('failed', 'abc', { output: null })), 1)
  })
  test('a missing output is not waited for beyond the deadline', async () => {
    const { outcome, took } = await playWait(() => says('succeeded', 'abc', { output: null }), { timeout: 3 })
    assert.deepEqual([outcome.status, took], ['succeeded', 3])
  })
})

describe('many predictions', () => {
  const ids = Array.from({ length: 100 }, (_, i) => `id${i}`)

  test('a thousand predictions share one rate limiter of 40 requests a second, and all reach their end', async () => {
    const react = ({ at, path }: ScriptedRequest): Reaction => {
      const id = path.split('/').at(-1) ?? ''
      return {
        status: 200,
        body: JSON.stringify({ id, status: at > 5 + Number(id.slice(2)) / 20 ? 'succeeded' : 'processing' }),
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

  const idOf = ({ path }: ScriptedRequest) => path.split('/').at(-1) ?? ''

  test('predictions fail one by one, not together', async () => {
    for (const status of [403, 404]) {
      const { outcomes } = await playWait((request) => (idOf(request) === 'b' ? refuses(status) : says('succeeded')), {
        ids: ['a', 'b', 'c'],
      })
      assert.deepEqual(
        outcomes.map(({ end }) => end),
        ['ended', 'refused', 'ended'],
      )
    }
  })

  test('predictions with a wrong key are refused together after a few requests', async () => {
    for (const answer of [refuses(401), refuses(302), refuses(200, '<html>'), refuses(403, '<html>')]) {
      const { outcomes, requests, took } = await playWait(() => answer, { ids })
      assert.ok(outcomes.every(({ end, error }) => end === 'refused' && error !== undefined))
      assert.ok(requests.length <= 4, `${requests.length} requests`)
      assert.ok(took < 1)
    }
  })

  test('predictions share a doubt about the key: one of them polls every 12 s, in turn, until it is believed', async () => {
    const few = ids.slice(0, 20)
    const { outcomes, requests } = await playWait(
      (request) => (request.at < 5 ? says('processing', idOf(request)) : refuses(401)),
      { ids: few },
    )
    assert.ok(outcomes.every(({ end, error }) => end === 'refused' && /401/.test(error?.message ?? '')))
    const doubting = requests.filter(({ at }) => at > 6)
    assert.equal(doubting.length, 5)
    assert.equal(new Set(doubting.map(({ path }) => path)).size, 5)
    const gaps = doubting.slice(1).map(({ at }, i) => Math.round(at - (doubting[i]?.at ?? 0)))
    assert.deepEqual(gaps, [12, 12, 12, 12])
  })

  test('predictions go on at once when a shared doubt is over', async () => {
    const { outcomes, requests } = await playWait(
      (request) => {
        if (request.at >= 5 && request.at < 25) return refuses(200, '<html>')
        return says(request.at < 35 ? 'processing' : 'succeeded', idOf(request))
      },
      { ids: ids.slice(0, 20) },
    )
    assert.ok(outcomes.every(({ status }) => status === 'succeeded'))
    assert.ok(requests.filter(({ at }) => at > 29 && at < 35).length > 20)
  })

  test('predictions are not held up by one of them that alone is refused', async () => {
    const { outcomes, requests } = await playWait(
      (request) => {
        if (idOf(request) === 'b' && request.at > 10) return refuses(403)
        return says(request.at > 120 && idOf(request) !== 'b' ? 'succeeded' : 'processing', idOf(request))
      },
      { ids: ['a', 'b', 'c'] },
    )
    assert.deepEqual(
      outcomes.map(({ end }) => end),
      ['ended', 'refused', 'ended'],
    )
    const waitedFor = requests.filter(({ path }) => path.endsWith('/a'))
    const longest = Math.max(...waitedFor.slice(1).map(({ at }, i) => at - (waitedFor[i]?.at ?? 0)))
    assert.ok(longest < 13, `a was not polled for ${longest} s`)
    assert.ok(requests.filter(({ path, at }) => path.endsWith('/b') && at > 11).length <= 7)
    assert.ok((outcomes[1]?.waited ?? 0) < 90)
  })

  test('a good response to one prediction lets all of them survive an outage', async () => {
    const { outcomes } = await playWait(
      (request) => {
        if (request.at < 1 && idOf(request) === 'a') return says('processing', 'a')
        return request.at < 400 ? { code: 'ENOTFOUND' } : says('succeeded', idOf(request))
      },
      { ids: ['a', 'b'] },
    )
    assert.ok(outcomes.every(({ status }) => status === 'succeeded'))
  })

  test('a bug that ends the wait for one prediction stops its requests, and the others go on', async () => {
    const clock = new VirtualClock()
    const { dispatcher, requests } = scriptedDispatcher(clock, (request) =>
      says(request.at > 20 && idOf(request) !== 'a' ? 'succeeded' : 'processing', idOf(request)),
    )
    const observer: WaitObserver = {
      answered({ id, now }) {
        if (id === 'a' && now > 5) throw new TypeError('a bug')
      },
      failed() {},
      settled({ id }) {
        if (id === 'c') throw new Error('another bug')
      },
    }
    const outcomes = await clock.run(startWait(clock, dispatcher, { ids: ['a', 'b', 'c'], observer }))
    assert.deepEqual(
      outcomes.map(({ end, status }) => [end, status]),
      [
        ['crashed', 'processing'],
        ['ended', 'succeeded'],
        ['crashed', 'succeeded'],
      ],
    )
    assert.match(String(outcomes[0]?.bug), /a bug/)
    assert.ok(requests.every(({ path, at }) => !path.endsWith('/a') || at < 7))
  })
})

test('a prediction that is added late is polled by its own age, not by that of the step', async () => {
  for (const late of [0, 60, 3600]) {
    const clock = new VirtualClock()
    const began = clock.now()
    const { dispatcher, requests } = scriptedDispatcher(clock, ({ at }) =>
      says(at - late < 4 ? 'processing' : 'succeeded'),
    )
    using waits = openWaits(waitOptions(clock, dispatcher, { timeout: 7200, random: () => 0.5 }))
    await clock.run(clock.sleep(late))
    const { outcome: known } = await playWait(() => says('starting'), { timeout: 1 })
    const { status, waited } = await clock.run(waits.add('abc', known.answer))
    assert.equal(status, 'succeeded')
    assert.ok(clock.now() - began - late < 4.8, `added after ${late} s: ${waited}`)
    assert.ok(requests.length >= 5)
  }
})

test('the pace of requests is learned from requests, not from the predictions on a page', async () => {
  const clock = new VirtualClock()
  const ids = Array.from({ length: 50 }, (_, i) => `id${i}`)
  const body = (id: string, at: number) => ({ id, status: at < 5 ? 'processing' : 'succeeded', output: 'x' })
  const { dispatcher, requests } = scriptedDispatcher(clock, ({ path, at }) => {
    const id = path.split('/').at(-1) ?? ''
    const results = ids.map((each) => body(each, at))
    return { status: 200, body: JSON.stringify(id === 'predictions' ? { next: null, results } : body(id, at)) }
  })
  const limiter = createRateLimiter({ clock })
  let accepted = 0
  const counting: RateLimiter = {
    get interval() {
      return limiter.interval
    },
    take: (signal) => limiter.take(signal),
    accepted() {
      accepted++
      limiter.accepted()
    },
    refused: (status) => limiter.refused(status),
  }
  await clock.run(startWait(clock, dispatcher, { ids, limiter: counting }))
  assert.equal(accepted, requests.length)
})
