import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../src/predictions/answer.ts'
import { type ApiError, ConnectionError, RefusalError } from '../../src/predictions/errors.ts'
import { type LastPoll, lastPoll } from '../../src/predictions/last-poll.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const REQUEST = { method: 'GET', url: 'https://a.test/predictions/abc' } as const
const dead = new ConnectionError(REQUEST, Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
const untrusted = new ConnectionError(REQUEST, Object.assign(new Error('expired'), { code: 'CERT_HAS_EXPIRED' }))
const busy = new RefusalError(REQUEST, { status: 503, headers: {}, text: '' })

const answerOf = (status: string): Answer => ({ prediction: { id: 'abc', status }, body: {} })
const RUNNING = answerOf('processing')
const ENDED = answerOf('succeeded')

interface Script {
  /** Answers the n-th poll, from 0. */
  poll?: (n: number, clock: VirtualClock) => Promise<Answer>
  /** What the n-th list shows, from 0; undefined without lists. */
  list?: (n: number, clock: VirtualClock) => Promise<Answer | undefined>
  /** A list is under way that was requested before the deadline. */
  listUnderWay?: boolean
  listLacksOutput?: boolean
  underWay?: (clock: VirtualClock) => Promise<Answer>
  turn?: number
  stopAfter?: number
}

const after = async (clock: VirtualClock, seconds: number, answer: Answer) => {
  await clock.sleep(seconds)
  return answer
}

/** Plays the last poll. `polls` and `lists` are the seconds after the deadline at which they were made. */
async function play(script: Script) {
  const clock = new VirtualClock()
  const start = clock.now()
  const now = () => Math.round((clock.now() - start) * 1000) / 1000
  const stop = new AbortController()
  const polls: number[] = []
  const lists: number[] = []
  const failures: ApiError[] = []
  let listed: Answer | undefined
  if (script.stopAfter !== undefined) clock.sleep(script.stopAfter).then(() => stop.abort(new Error('enough')))
  const poll: LastPoll = {
    turn: script.turn ?? 0,
    underWay: script.underWay?.(clock),
    request: async (signal) => {
      signal.throwIfAborted()
      polls.push(now())
      return await (script.poll?.(polls.length - 1, clock) ?? new Promise<never>(() => {}))
    },
    listed: () => listed,
    isEnough: () => script.listLacksOutput !== true,
    accept: ({ prediction }) => prediction.status === 'succeeded',
    failed: (error) => failures.push(error),
    stop: stop.signal,
  }
  const reading = {
    isOn: script.list !== undefined,
    isUnderWay: script.listUnderWay ?? false,
    async refresh() {
      lists.push(now())
      listed = await script.list?.(lists.length - 1, clock)
    },
  }
  const hasEnded = await clock.run(lastPoll(clock, reading, poll))
  return { hasEnded, polls, lists, failures, took: now() }
}

describe('the last poll without lists', () => {
  test('the last poll is made at its turn, and says whether the prediction has ended', async () => {
    for (const [answer, expected] of [
      [ENDED, true],
      [RUNNING, false],
    ] as const) {
      const { hasEnded, polls, took } = await play({ turn: 0.5, poll: async () => answer })
      assert.deepEqual([hasEnded, polls, took], [expected, [0.5], 0.5])
    }
  })

  test('a turn that comes two seconds after the deadline is not used', async () => {
    assert.deepEqual((await play({ turn: 1.9, poll: async () => ENDED })).polls, [1.9])
    const { hasEnded, polls, took } = await play({ turn: 2, poll: async () => ENDED })
    assert.deepEqual([hasEnded, polls, took], [false, [], 0])
  })

  test('the response to the last poll is waited for at most two seconds', async () => {
    assert.equal((await play({ poll: (_, clock) => after(clock, 1.9, ENDED) })).hasEnded, true)
    const { hasEnded, took } = await play({ poll: (_, clock) => after(clock, 2.1, ENDED) })
    assert.deepEqual([hasEnded, took], [false, 2])
  })

  test('the last poll is retried every 0.2 s while the connection fails, and the error is kept', async () => {
    const { hasEnded, polls, failures } = await play({
      poll: async (n) => await (n < 2 ? Promise.reject(dead) : ENDED),
    })
    assert.deepEqual([hasEnded, polls, failures], [true, [0, 0.2, 0.4], [dead, dead]])
    const never = await play({ poll: async () => await Promise.reject(dead) })
    assert.deepEqual([never.hasEnded, never.took, never.polls.length], [false, 2, 10])
  })

  test('the last poll is not retried after a refusal or a permanent error of the connection', async () => {
    for (const error of [busy, untrusted]) {
      const { hasEnded, polls, failures, took } = await play({ poll: async () => await Promise.reject(error) })
      assert.deepEqual([hasEnded, polls, failures, took], [false, [0], [error], 0])
    }
  })

  test('the last poll ends with the signal', async () => {
    const { hasEnded, took } = await play({ stopAfter: 1 })
    assert.deepEqual([hasEnded, took], [false, 1])
  })

  test('a bug in the last poll is thrown', async () => {
    await assert.rejects(play({ poll: async () => await Promise.reject(new TypeError('a bug')) }), /a bug/)
  })
})

describe('a poll that is under way at the deadline', () => {
  test('an end counts whichever of two polls reports it', async () => {
    const early = await play({ underWay: async () => ENDED })
    assert.deepEqual([early.hasEnded, early.took], [true, 0])
    const late = await play({ underWay: (clock) => after(clock, 1, ENDED), poll: async () => RUNNING })
    assert.deepEqual([late.hasEnded, late.took], [true, 1])
    const other = await play({ underWay: () => new Promise(() => {}), poll: (_, clock) => after(clock, 1, ENDED) })
    assert.deepEqual([other.hasEnded, other.took], [true, 1])
  })

  test('the failure of one of two polls does not end the other', async () => {
    const { hasEnded, failures } = await play({
      underWay: async () => await Promise.reject(busy),
      poll: (_, clock) => after(clock, 1, ENDED),
    })
    assert.deepEqual([hasEnded, failures], [true, [busy]])
  })
})

describe('the last poll where lists are read', () => {
  test('a list that has all that is needed replaces the poll', async () => {
    const { hasEnded, polls, lists } = await play({ list: async () => ENDED })
    assert.deepEqual([hasEnded, polls, lists], [true, [], [0]])
  })

  test('a list that was requested before the deadline is followed by another, unless it shows the end', async () => {
    const fresh = await play({ list: async (n) => (n === 0 ? RUNNING : ENDED), listUnderWay: true })
    assert.deepEqual([fresh.hasEnded, fresh.lists.length], [true, 2])
    const enough = await play({ list: async () => ENDED, listUnderWay: true })
    assert.deepEqual([enough.hasEnded, enough.lists.length], [true, 1])
    const hidden = await play({ list: async (n) => (n === 0 ? undefined : ENDED), listUnderWay: true })
    assert.deepEqual([hidden.hasEnded, hidden.lists.length], [true, 2])
    const single = await play({ list: async () => RUNNING })
    assert.deepEqual([single.hasEnded, single.lists.length], [false, 1])
  })

  test('a prediction that the list does not have, or without its output, is polled in its turn', async () => {
    for (const script of [{ list: async () => undefined }, { list: async () => ENDED, listLacksOutput: true }]) {
      const { hasEnded, polls } = await play({ ...script, turn: 0.5, poll: async () => ENDED })
      assert.deepEqual([hasEnded, polls], [true, [0.5]])
    }
  })

  test('a prediction whose turn comes too late is not polled after the list, but a poll in flight counts', async () => {
    const { hasEnded, polls, took } = await play({ list: async () => undefined, turn: 2, poll: async () => ENDED })
    assert.deepEqual([hasEnded, polls, took], [false, [], 2])
    const late = await play({ list: async () => undefined, turn: 2, underWay: (clock) => after(clock, 1, ENDED) })
    assert.deepEqual([late.hasEnded, late.took], [true, 1])
  })

  test('a list that hangs delays the last polls by at most two seconds', async () => {
    const { hasEnded, took } = await play({ list: () => new Promise(() => {}) })
    assert.deepEqual([hasEnded, took], [false, 2])
  })
})
