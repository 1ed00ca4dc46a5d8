import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Client } from '../../src/predictions/client.ts'
import { LIST_FROM } from '../../src/predictions/list.ts'
import { createRateLimiter } from '../../src/predictions/rate-limiter.ts'
import type { WaitOptions } from '../../src/predictions/wait-options.ts'
import { type OpenWait, WaitStep } from '../../src/predictions/wait-step.ts'
import { scriptedDispatcher, VirtualClock, waitOptions } from '../support/virtual-time.ts'

/** A step, and when each request for its list was made. */
function open(change: (options: WaitOptions) => Partial<WaitOptions> = () => ({})) {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const { dispatcher, requests } = scriptedDispatcher(clock, () => 'hang')
  const options = waitOptions(clock, dispatcher, { timeout: 60, signal: stop.signal })
  const step = new WaitStep({ ...options, ...change(options) })
  return { step, clock, stop, requests }
}

const waiting = (id: string, polledAt = 0): OpenWait => ({
  id,
  polledAt,
  deliver() {},
  listBegins() {},
  listEnds() {},
  pollSingly() {},
})

const many = Array.from({ length: LIST_FROM }, (_, i) => waiting(`id${i}`))

describe('a step', () => {
  test('the time of a step begins with it, and its deadline comes after the timeout', async () => {
    const { step, clock } = open()
    assert.equal(step.now(), 0)
    await clock.run(clock.sleep(59))
    assert.deepEqual([step.now(), step.deadline.aborted], [59, false])
    await clock.run(clock.sleep(1))
    assert.deepEqual([step.now(), step.deadline.aborted], [60, true])
    assert.match(String(step.deadline.reason), /the deadline was reached/)
  })

  test('the deadline of a step that is over never comes', async () => {
    const { step, clock } = open()
    step[Symbol.dispose]()
    await clock.run(clock.sleep(61))
    assert.equal(step.deadline.aborted, false)
  })

  test('at the deadline, predictions have their turns by how long ago they were polled', () => {
    const limiter = { ...createRateLimiter({ clock: new VirtualClock() }), interval: 0.5 }
    const { step } = open(() => ({ limiter }))
    const [late, never, early] = [waiting('a', 20), waiting('b', Number.NEGATIVE_INFINITY), waiting('c', 10)]
    for (const each of [late, never, early]) step.open.add(each)
    const turns = [never, early, late].map((each) => step.lastTurn(each))
    assert.deepEqual(turns, [0, 0.5, 1])
    // The first turn decides all of them: a poll that is made meanwhile moves none.
    const polled = waiting('d', 0)
    step.open.add(polled)
    assert.equal(step.lastTurn(polled), 0)
    assert.equal(step.lastTurn(late), 1)
  })

  test('lists are read if the API has one and the options do not forbid it', () => {
    const withoutList = ({ client: { list: _, ...client } }: WaitOptions): Partial<WaitOptions> => ({
      client: client as Client,
    })
    for (const [change, expected] of [
      [() => ({}), true],
      [() => ({ readsList: false }), false],
      [withoutList, false],
    ] as const) {
      const { step } = open(change)
      for (const each of many) step.open.add(each)
      assert.equal(step.lists.isOn, expected)
    }
  })

  for (const [name, end] of [
    ['the caller gives up', ({ stop }) => stop.abort(new Error('enough'))],
    ['no request can succeed', ({ step }) => step.doubt.believe({ message: 'enough' } as never)],
    ['all waits have ended', ({ step }) => step[Symbol.dispose]()],
  ] as [string, (opened: ReturnType<typeof open>) => void][]) {
    test(`a list that is under way ends when ${name}`, async () => {
      const opened = open()
      const { step, clock, requests } = opened
      for (const each of many) step.open.add(each)
      const list = step.lists.refresh()
      clock.sleep(1).then(() => end(opened))
      await assert.rejects(clock.run(list), /enough|all waits have ended/)
      assert.deepEqual([requests.length, step.now()], [1, 1])
    })
  }

  test('the pause that a refused list asks for ends at the deadline', async () => {
    const clock = new VirtualClock()
    const { dispatcher } = scriptedDispatcher(clock, () => ({
      status: 503,
      body: '',
      headers: { 'retry-after': '60' },
    }))
    const step = new WaitStep(waitOptions(clock, dispatcher, { timeout: 10 }))
    for (const each of many) step.open.add(each)
    await clock.run(step.lists.refresh())
    assert.equal(step.now(), 10)
  })
})
