import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fixedSchedule } from '../../src/predictions/schedule.ts'
import { seeded } from '../support/faults.ts'
import { api, assertRight, isList, play, type Simulated, sample } from '../support/list-api.ts'
import { playWait, type Reaction, type ScriptedRequest } from '../support/virtual-time.ts'

describe('many predictions', () => {
  test('the list is used from eight open predictions on, and not for fewer', async () => {
    const count = async (n: number) => (await play(sample(n, 1))).lists.length
    assert.equal(await count(7), 0)
    assert.ok((await count(8)) > 0)
  })

  test('with the list, a hundred predictions need a quarter of the requests, and ends are noticed within 1.5 s', async () => {
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

  test('waits that the list answers send no requests, and the observer sees every response', async () => {
    const predictions = sample(120, 8).map((each) => ({ ...each, starts: 0, ends: 30, end: 'succeeded' as const }))
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

  test('a bug in the observer ends only the wait of its prediction, also if the list answered', async () => {
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
    ['a web page', { status: 200, body: '<html><title>Home</title>' }],
    ['other JSON', { status: 200, body: '{"data":[]}' }],
    ['a list of another shape', { status: 200, body: '[]' }],
    ['401', { status: 401, body: '{}' }],
    ['500 every time', { status: 500, body: '' }],
  ] as const) {
    test(`a list that returns ${name} is requested at most three times, and every verdict is right`, async () => {
      const predictions = sample(12, 5)
      const { lists, outcomes, latest } = await play(predictions, { instead: () => instead })
      assertRight(predictions, outcomes)
      assert.ok(lists.length <= 3, `${lists.length}`)
      assert.ok(latest <= 1.5, `${latest} s`)
    })
  }

  test('a stale list is no longer used, and ends are noticed within 2 s', async () => {
    const predictions = sample(30, 6)
    const { outcomes, lists, latest } = await play(predictions, { lag: 60 })
    assertRight(predictions, outcomes)
    assert.ok(latest <= 2, `${latest} s`)
    assert.ok(lists.length < 20, `${lists.length}`)
  })

  test('two predictions are polled beside each list, or one of up to sixteen once the list has proved current', async () => {
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

  test('a prediction that has ended without an output on the list is fetched', async () => {
    const predictions = sample(10, 8)
    const { outcomes } = await play(predictions, { withoutOutput: true })
    assertRight(predictions, outcomes)
  })

  test('a prediction that has ended without an output on the list is fetched until the API responds', async () => {
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

  test('an end that only the list reports counts unless the output may be missing', async () => {
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

  test('the log of each prediction is fetched at its end if it is wanted', async () => {
    const predictions = sample(10, 9)
    const { outcomes } = await play(predictions, {}, { wantsLogs: true })
    assert.ok(outcomes.every(({ answer }) => answer?.prediction.logs === 'working\n'))
  })

  test('predictions that the list does not show are polled one by one', async () => {
    const predictions = sample(20, 10)
    const { outcomes, latest } = await play(predictions, { hides: (id) => id.endsWith('3') })
    assertRight(predictions, outcomes)
    assert.ok(latest <= 1.5, `${latest} s`)
  })

  test('a fixed poll interval applies to the list too', async () => {
    const predictions = sample(40, 11).map((each) => ({ ...each, ends: 30 }))
    const { lists } = await play(predictions, {}, { schedule: () => fixedSchedule(5) })
    assert.ok(lists.length >= 6 && lists.length <= 8, `${lists.length}`)
  })

  test('one request for the list is the last poll of all predictions at the deadline', async () => {
    const predictions = sample(300, 12).map((each) => ({ ...each, starts: 0, ends: 9.99, end: 'succeeded' as const }))
    const { outcomes, requests } = await play(predictions, {}, { timeout: 10, schedule: () => fixedSchedule(60) })
    assertRight(predictions, outcomes)
    assert.ok(requests.filter(({ at }) => at >= 10).length <= 6)
  })

  test('a prediction that has ended without an output on the last list is fetched', async () => {
    const predictions = sample(10, 12).map((each) => ({ ...each, starts: 0, ends: 9.5, end: 'succeeded' as const }))
    const schedule = () => fixedSchedule(60)
    const { outcomes, took } = await play(predictions, { withoutOutput: true }, { timeout: 10, schedule })
    assertRight(predictions, outcomes)
    assert.ok(took < 12, `${took} s`)
  })

  test('an end that only the last list reports counts unless the output may be missing', async () => {
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

  test('a list that was requested before the deadline does not count as the last one', async () => {
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
    test(`a list that ${manner} delays polls by a few seconds, three times at most`, async () => {
      const predictions = sample(12, 13).map((each, i) => ({ ...each, starts: 0, ends: 12 + 8 * i }))
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

  test('a list that never shows an end delays the notice of an end by six seconds at most', async () => {
    const predictions = sample(100, 4, 30)
    const { outcomes, latest } = await play(predictions, { hidesEnds: true })
    assertRight(predictions, outcomes)
    assert.ok(latest <= 6, `${latest} s`)
  })

  test('a list with a Retry-After beyond the deadline does not delay the last polls', async () => {
    const predictions = sample(30, 4).map((each) => ({ ...each, starts: 0, ends: 5 }))
    const instead = () => ({ status: 429, body: '', headers: { 'retry-after': '60' } })
    const { outcomes } = await play(predictions, { instead }, { timeout: 20 })
    assertRight(predictions, outcomes)
  })
})
