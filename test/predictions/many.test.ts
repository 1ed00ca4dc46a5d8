import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fixedSchedule } from '../../src/predictions/schedule.ts'
import { seeded } from '../support/faults.ts'
import { type PlayOptions, playWait, type Reaction, type ScriptedRequest } from '../support/virtual-time.ts'

interface Simulated {
  id: string
  /** Seconds. */
  starts: number
  ends: number
  end: 'succeeded' | 'failed'
}

/** How the list of the scripted API differs from a good one. */
interface Manner {
  /** Answers each request for a list, counted from 0; undefined for the list. */
  instead?: (index: number) => Reaction | undefined
  /** Seconds by which it is behind. */
  lag?: number
  hides?: (id: string) => boolean
  /** Predictions of others before ours. */
  strangers?: number
  withoutOutput?: boolean
  /** Calls every prediction that runs failed. */
  claimsFailure?: boolean
  /** Goes on showing predictions that have ended as they were before. */
  hidesEnds?: boolean
  /** Shows each prediction twice: as it is, and as it was when it was created. */
  showsTwice?: boolean
}

const LATENCY = 0.05
const isList = ({ path }: ScriptedRequest) => /\/predictions(?:\?|$)/.test(path)

/** An API whose predictions go by time; polls and the list see the same, unless told otherwise. */
function api(predictions: readonly Simulated[], manner: Manner = {}) {
  const body = ({ id, starts, ends, end }: Simulated, at: number, withLogs: boolean) => {
    const running = at < starts ? 'starting' : 'processing'
    const done = at >= ends
    return {
      id,
      status: done ? end : running,
      model: 'octo/model',
      output: done && end === 'succeeded' ? `https://files.test/${id}.png` : null,
      error: done && end === 'failed' ? 'out of memory' : null,
      ...(withLogs ? { logs: at < starts ? '' : 'working\n' } : {}),
      metrics: done ? { predict_time: ends - starts } : {},
    }
  }
  let lists = 0
  return (request: ScriptedRequest): Reaction => {
    const at = request.at + LATENCY / 2
    if (!isList(request)) {
      const prediction = predictions.find(({ id }) => request.path.endsWith(`/${id}`))
      if (!prediction) return { status: 404, body: '{"detail":"Not found"}' }
      return { status: 200, body: JSON.stringify(body(prediction, at, true)) }
    }
    const instead = manner.instead?.(lists++)
    if (instead) return instead
    const strangers = Array.from({ length: manner.strangers ?? 0 }, (_, i) => ({ id: `x${i}`, status: 'succeeded' }))
    const ours = predictions
      .filter(({ id }) => !manner.hides?.(id))
      .map((each) => body(each, at - (manner.lag ?? 0), false))
      .map((each) => (manner.withoutOutput ? { ...each, output: null } : each))
      .map((each) => (manner.claimsFailure && each.status === 'processing' ? { ...each, status: 'failed' } : each))
      .map((each) =>
        manner.hidesEnds && each.status !== 'starting' ? { ...each, status: 'processing', output: null } : each,
      )
      .flatMap((each) => (manner.showsTwice ? [each, { ...each, status: 'starting', output: null }] : [each]))
    const all = [...strangers, ...ours]
    const from = Number(new URL(request.path, 'https://a.test').searchParams.get('cursor') ?? 0)
    const next = from + 100 < all.length ? `https://api.replicate.com/v1/predictions?cursor=${from + 100}` : null
    return { status: 200, body: JSON.stringify({ next, previous: null, results: all.slice(from, from + 100) }) }
  }
}

function sample(count: number, seed: number, longest = 30): Simulated[] {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, i) => {
    const starts = random() * 5
    return {
      id: `id${i}`,
      starts,
      ends: starts + 2 + random() * longest,
      end: random() < 0.1 ? ('failed' as const) : ('succeeded' as const),
    }
  })
}

async function play(predictions: readonly Simulated[], manner: Manner = {}, options: PlayOptions = {}) {
  const random = seeded(7)
  const ids = predictions.map(({ id }) => id)
  const played = await playWait(api(predictions, manner), { ids, random, ...options })
  const delays = played.outcomes.map(({ waited }, i) => waited - (predictions[i]?.ends ?? 0))
  return { ...played, lists: played.requests.filter(isList), latest: Math.max(...delays) }
}

/** The words of the server count, whatever a list said. */
function assertRight(predictions: readonly Simulated[], outcomes: Awaited<ReturnType<typeof play>>['outcomes']): void {
  for (const [i, { id, end }] of predictions.entries()) {
    const outcome = outcomes[i]
    assert.deepEqual([outcome?.id, outcome?.end, outcome?.status], [id, 'ended', end])
    const output = end === 'succeeded' ? `https://files.test/${id}.png` : null
    assert.equal(outcome?.answer?.prediction.output, output)
  }
}

describe('many predictions', () => {
  test('a list is read from eight open predictions on, and not for fewer', async () => {
    const count = async (n: number) => (await play(sample(n, 1))).lists.length
    assert.equal(await count(7), 0)
    assert.ok((await count(8)) > 0)
  })

  test('a hundred predictions need a twentieth of the requests, and no end is noticed later than without a list', async () => {
    const predictions = sample(100, 2)
    const without = await play(predictions, {}, { readsList: false })
    const withList = await play(predictions)
    assertRight(predictions, withList.outcomes)
    assert.equal(without.lists.length, 0)
    assert.ok(
      withList.requests.length < without.requests.length / 4,
      `${withList.requests.length} of ${without.requests.length}`,
    )
    assert.ok(withList.latest <= 1.5, `${withList.latest} s`)
  })

  test('a thousand are noticed within a second and a half, more or less a tenth', async () => {
    const latestOf: number[] = []
    for (const seed of [3, 4, 5, 6]) {
      const predictions = sample(1000, seed, 20)
      const { outcomes, latest, requests } = await play(predictions, {}, { random: seeded(seed) })
      assertRight(predictions, outcomes)
      latestOf.push(latest)
      // The official client polls each of them every half second.
      const official = predictions.reduce((sum, { ends }) => sum + 1 + Math.ceil(ends / 0.5), 0)
      assert.ok(requests.length <= 0.03 * official, `${requests.length} of ${official}`)
    }
    const average = latestOf.reduce((sum, each) => sum + each / latestOf.length, 0)
    assert.ok(average <= 1.5 && Math.max(...latestOf) <= 1.65, `${latestOf} s`)
  })

  test('waits that a list answers stay asleep and request no other list, and the observer sees every response', async () => {
    const predictions = sample(200, 8).map((each) => ({ ...each, starts: 0, ends: 60, end: 'succeeded' as const }))
    const heard = new Map<string, number>()
    const { lists, requests } = await play(
      predictions,
      {},
      {
        observer: {
          answered: ({ id }) => heard.set(id, (heard.get(id) ?? 0) + 1),
          failed() {},
          settled() {},
        },
      },
    )
    const rounds = lists.length / 2
    assert.ok(
      [...heard.values()].every((count) => count >= rounds - 1),
      `${[...heard.values()]}, ${rounds} lists`,
    )
    assert.ok(requests.length <= lists.length * 2 + 5, `${requests.length} requests, ${lists.length} lists`)
  })

  test('a bug of the observer ends the wait of the prediction that it was told of, also by a list', async () => {
    const predictions = sample(20, 9)
    const { outcomes } = await play(
      predictions,
      {},
      {
        observer: {
          answered({ id, now }) {
            if (id === 'id3' && now > 1) throw new TypeError('a bug')
          },
          failed() {},
          settled() {},
        },
      },
    )
    const others = predictions.map(({ end }, i) => (i === 3 ? 'crashed' : `ended ${end}`))
    assert.deepEqual(
      outcomes.map(({ end, status }) => (end === 'crashed' ? end : `${end} ${status}`)),
      others,
    )
  })

  test('a list without predictions of the step adds at most twelve requests', async () => {
    const predictions = sample(20, 4)
    const { lists, outcomes } = await play(predictions, { hides: () => true, strangers: 5000 })
    assertRight(predictions, outcomes)
    assert.equal(lists.length, 12)
  })

  for (const [name, instead] of [
    ['404', { status: 404, body: '{"detail":"Not found"}' }],
    ['a page', { status: 200, body: '<html><title>Home</title>' }],
    ['other JSON', { status: 200, body: '{"data":[]}' }],
    ['a list of another shape', { status: 200, body: '[]' }],
    ['401', { status: 401, body: '{}' }],
    ['500 for ever', { status: 500, body: '' }],
  ] as const) {
    test(`an API that returns ${name} for its list is sent at most three requests for it, and every verdict is right`, async () => {
      const predictions = sample(12, 5)
      const { lists, outcomes, latest } = await play(predictions, { instead: () => instead })
      assertRight(predictions, outcomes)
      assert.ok(lists.length <= 3, `${lists.length}`)
      assert.ok(latest <= 1.5, `${latest} s`)
    })
  }

  test('a stale list is no longer used, and ends are noticed as without it', async () => {
    const predictions = sample(30, 6)
    const { outcomes, lists, latest } = await play(predictions, { lag: 60 })
    assertRight(predictions, outcomes)
    assert.ok(latest <= 2, `${latest} s`)
    assert.ok(lists.length < 20, `${lists.length}`)
  })

  test('beside each list two predictions are polled singly, and one of fewer than sixteen once the list has told an end in time', async () => {
    const besideLists = async (count: number, from: number, to: number) => {
      const predictions = sample(count, 6).map((each, i) => ({ ...each, starts: 0, ends: i === 0 ? 20 : 40 }))
      const { requests } = await play(predictions, {}, { wantsLogs: true })
      const some = requests.filter(({ at }) => from < at && at < to)
      const lists = some.filter(isList).length
      assert.ok(lists >= 10, `${lists} lists`)
      return Math.round((some.length - lists) / lists)
    }
    assert.equal(await besideLists(12, 2, 19.5), 2)
    assert.equal(await besideLists(12, 22, 39.5), 1)
    assert.equal(await besideLists(16, 22, 39.5), 1)
    assert.equal(await besideLists(17, 22, 39.5), 2)
  })

  test('an end without an output on the list is looked up', async () => {
    const predictions = sample(10, 8)
    const { outcomes } = await play(predictions, { withoutOutput: true })
    assertRight(predictions, outcomes)
  })

  test('an end without an output on the list is looked up until the API answers', async () => {
    const predictions = sample(10, 8).map((each) => ({ ...each, starts: 0, ends: 1, end: 'succeeded' as const }))
    const answer = api(predictions, { withoutOutput: true })
    const failures = new Map<string, number>()
    const react = (request: ScriptedRequest): Reaction => {
      const count = failures.get(request.path) ?? 0
      if (isList(request) || request.at < 1 || count >= 3) return answer(request)
      failures.set(request.path, count + 1)
      return { status: count === 0 ? 503 : 429, body: '', headers: { 'retry-after': '1' } }
    }
    const { outcomes } = await playWait(react, { ids: predictions.map(({ id }) => id), random: seeded(7) })
    assert.equal(failures.size, 10)
    assertRight(predictions, outcomes)
  })

  test('an end that only the list tells counts, but for one that may have lost its output', async () => {
    const ends = (end: Simulated['end']) => sample(10, 8).map((each) => ({ ...each, starts: 0, ends: 1, end }))
    for (const [end, expected] of [
      ['failed', ['ended', 'failed']],
      ['succeeded', ['refused', 'processing']],
    ] as const) {
      const predictions = ends(end)
      const answer = api(predictions, { withoutOutput: true })
      const react = (request: ScriptedRequest): Reaction =>
        isList(request) || request.at < 1 ? answer(request) : { status: 404, body: '{"detail":"Not found"}' }
      const { outcomes } = await playWait(react, { ids: predictions.map(({ id }) => id), random: seeded(7) })
      for (const outcome of outcomes) assert.deepEqual([outcome.end, outcome.status], expected)
    }
  })

  test('the log of each prediction is looked up at its end if it is wanted', async () => {
    const predictions = sample(10, 9)
    const { outcomes } = await play(predictions, {}, { wantsLogs: true })
    assert.ok(outcomes.every(({ answer }) => answer?.prediction.logs === 'working\n'))
  })

  test('predictions that the list hides are polled one by one', async () => {
    const predictions = sample(20, 10)
    const { outcomes, latest } = await play(predictions, { hides: (id) => id.endsWith('3') })
    assertRight(predictions, outcomes)
    assert.ok(latest <= 1.5, `${latest} s`)
  })

  test('a fixed poll interval holds for the list too', async () => {
    const predictions = sample(40, 11).map((each) => ({ ...each, ends: 30 }))
    const { lists } = await play(predictions, {}, { schedule: () => fixedSchedule(5) })
    assert.ok(lists.length >= 6 && lists.length <= 8, `${lists.length}`)
  })

  test('one list is the last poll at the deadline', async () => {
    const predictions = sample(300, 12).map((each) => ({ ...each, starts: 0, ends: 9.99, end: 'succeeded' as const }))
    const { outcomes, requests } = await play(predictions, {}, { timeout: 10, schedule: () => fixedSchedule(60) })
    assertRight(predictions, outcomes)
    assert.ok(requests.filter(({ at }) => at >= 10).length <= 6)
  })

  test('an end without an output on the last list is looked up', async () => {
    const predictions = sample(10, 12).map((each) => ({ ...each, starts: 0, ends: 9.5, end: 'succeeded' as const }))
    const schedule = () => fixedSchedule(60)
    const { outcomes, took } = await play(predictions, { withoutOutput: true }, { timeout: 10, schedule })
    assertRight(predictions, outcomes)
    assert.ok(took < 12, `${took} s`)
  })

  test('an end that only the last list tells counts, but for one that may have lost its output', async () => {
    for (const [end, expected] of [
      ['failed', ['ended', 'failed']],
      ['succeeded', ['timeout', 'processing']],
    ] as const) {
      const predictions = sample(10, 12).map((each) => ({ ...each, starts: 0, ends: 9.5, end }))
      const answer = api(predictions, { withoutOutput: true })
      const react = (request: ScriptedRequest): Reaction =>
        isList(request) || request.at < 9.5 ? answer(request) : 'hang'
      const ids = predictions.map(({ id }) => id)
      const { outcomes } = await playWait(react, { ids, timeout: 10, schedule: () => fixedSchedule(60) })
      for (const outcome of outcomes) assert.deepEqual([outcome.end, outcome.status], expected)
    }
  })

  test('the list at the deadline is not one that was requested before it', async () => {
    const predictions = sample(10, 12).map((each) => ({ ...each, starts: 0, ends: 9.7, end: 'succeeded' as const }))
    const answer = api(predictions)
    const react = (request: ScriptedRequest): Reaction => {
      const reaction = answer(request)
      return isList(request) && typeof reaction === 'object' ? { ...reaction, latency: 0.9 } : reaction
    }
    const ids = predictions.map(({ id }) => id)
    const { outcomes, requests } = await playWait(react, { ids, timeout: 10, schedule: () => fixedSchedule(3.8) })
    assert.ok(requests.some((request) => isList(request) && request.at < 9.7 && request.at > 9.1))
    assertRight(predictions, outcomes)
  })

  for (const [manner, latency] of [
    ['hangs', Number.POSITIVE_INFINITY],
    ['takes half a minute', 30],
  ] as const) {
    test(`a list that ${manner} holds polls up for a few seconds, three times`, async () => {
      const predictions = sample(12, 13).map((each, i) => ({ ...each, starts: 0, ends: 12 + 25 * i }))
      const answer = api(predictions)
      const react = (request: ScriptedRequest): Reaction => {
        const reaction = answer(request)
        if (!isList(request) || typeof reaction === 'string') return reaction
        return latency === Number.POSITIVE_INFINITY ? 'hang' : { ...reaction, latency }
      }
      const { outcomes, requests } = await playWait(react, { ids: predictions.map(({ id }) => id), random: seeded(7) })
      assertRight(predictions, outcomes)
      const delays = outcomes.map(({ waited }, i) => waited - (predictions[i]?.ends ?? 0))
      assert.equal(requests.filter(isList).length, 3)
      assert.ok(Math.max(...delays) <= 6, `${delays}`)
      assert.ok(delays.filter((delay) => delay > 1.5).length <= 3, `${delays}`)
    })
  }

  test('a list that never shows an end is left alone once two polls have shown one, and no end is noticed late', async () => {
    const predictions = sample(100, 4)
    const { outcomes, latest } = await play(predictions, { hidesEnds: true })
    assertRight(predictions, outcomes)
    assert.ok(latest <= 6, `${latest} s`)
  })

  test('a list that asks for a pause beyond the deadline does not hold back the last polls', async () => {
    const predictions = sample(30, 4).map((each) => ({ ...each, starts: 0, ends: 5 }))
    const instead = () => ({ status: 429, body: '', headers: { 'retry-after': '60' } })
    const { outcomes } = await play(predictions, { instead }, { timeout: 20 })
    assertRight(predictions, outcomes)
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
})
