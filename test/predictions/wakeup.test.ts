import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Alarm } from '../../src/predictions/alarm.ts'
import type { Clock } from '../../src/predictions/clock.ts'
import { Wakeup } from '../../src/predictions/wakeup.ts'
import { VirtualClock } from '../support/virtual-time.ts'

describe('a sleeper', () => {
  const never = new AbortController().signal

  test('a sleeper sleeps for the whole time unless it is called', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const wakeup = new Wakeup(new Alarm(clock))
    await clock.run(wakeup.sleep(5, never))
    assert.equal(clock.now() - start, 5)
    assert.equal(wakeup.take(), false)
  })
  test('a call wakes a sleeper, and is taken once', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const wakeup = new Wakeup(new Alarm(clock))
    const sleep = wakeup.sleep(5, never)
    wakeup.call()
    await sleep
    assert.equal(clock.now(), start)
    assert.equal(wakeup.take(), true)
    assert.equal(wakeup.take(), false)
  })
  test('a sleeper does not fall asleep after a call that was not taken', async () => {
    const clock = new VirtualClock()
    const wakeup = new Wakeup(new Alarm(clock))
    wakeup.call()
    await wakeup.sleep(5, never)
    assert.equal(wakeup.take(), true)
    const start = clock.now()
    await clock.run(wakeup.sleep(5, never))
    assert.equal(clock.now() - start, 5)
  })
  test('a call between two sleeps ends the next one', async () => {
    const clock = new VirtualClock()
    const wakeup = new Wakeup(new Alarm(clock))
    await clock.run(wakeup.sleep(1, never))
    wakeup.call()
    const start = clock.now()
    await wakeup.sleep(5, never)
    assert.equal(clock.now(), start)
  })
  test('a sleeper is woken by its signal', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const stop = new AbortController()
    const sleep = new Wakeup(new Alarm(clock)).sleep(5, stop.signal)
    stop.abort(new Error('stopped'))
    await assert.rejects(clock.run(sleep), /stopped/)
    assert.equal(clock.now(), start)
    await assert.rejects(clock.run(new Wakeup(new Alarm(clock)).sleep(5, stop.signal)), /stopped/)
    assert.equal(clock.now(), start)
  })
  test('a sleeper listens to its signal only while it sleeps', async () => {
    const clock = new VirtualClock()
    const { signal } = new AbortController()
    const sleep = new Wakeup(new Alarm(clock)).sleep(5, signal)
    assert.equal(getEventListeners(signal, 'abort').length, 1)
    await clock.run(sleep)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })
  test('a sleeper rejects with the reason of its signal even after a call, and with an error of the clock', async () => {
    const clock = new VirtualClock()
    const wakeup = new Wakeup(new Alarm(clock))
    const stop = new AbortController()
    const sleep = wakeup.sleep(5, stop.signal)
    stop.abort(new Error('stopped'))
    wakeup.call()
    await assert.rejects(sleep, /stopped/)
    wakeup.take()
    const failing = { now: () => 0, sleep: () => Promise.reject(new Error('no clock')) }
    await assert.rejects(new Wakeup(new Alarm(failing)).sleep(5, never), /no clock/)
  })
  test('a sleeper sleeps until the time to which it is moved, earlier or later', async () => {
    for (const [first, then, end] of [
      [5, 9, 10],
      [5, 1, 2],
    ] as const) {
      const clock = new VirtualClock()
      const start = clock.now()
      const wakeup = new Wakeup(new Alarm(clock))
      const sleep = wakeup.sleep(first, never)
      await clock.run(clock.sleep(1))
      wakeup.move(then)
      await clock.run(sleep)
      assert.equal(clock.now() - start, end)
    }
  })
  test('a sleeper that is held sleeps until its release, then until its own time unless that has passed', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const wakeup = new Wakeup(new Alarm(clock))
    const sleep = wakeup.sleep(5, never)
    wakeup.hold()
    await clock.run(clock.sleep(2))
    assert.equal(wakeup.release(), false)
    wakeup.hold()
    await clock.run(clock.sleep(10))
    assert.equal(wakeup.isAsleep, true)
    assert.equal(wakeup.release(), true)
    wakeup.call()
    await sleep
    assert.equal(clock.now() - start, 12)
  })
  test('a sleeper that is called while it is held wakes up, and is not late', async () => {
    const clock = new VirtualClock()
    const wakeup = new Wakeup(new Alarm(clock))
    const sleep = wakeup.sleep(0, never)
    wakeup.hold()
    wakeup.call()
    assert.equal(wakeup.release(), false)
    await sleep
  })
  test('a sleeper rejects with the error that ends its sleep', async () => {
    const wakeup = new Wakeup(new Alarm(new VirtualClock()))
    const sleep = wakeup.sleep(5, never)
    wakeup.fail(new Error('a bug'))
    await assert.rejects(sleep, /a bug/)
    assert.equal(wakeup.isAsleep, false)
  })
  test('sleepers share one timer, and none is left when nobody sleeps', async () => {
    const clock = new VirtualClock()
    let timers = 0
    let most = 0
    const counted: Clock = {
      now: () => clock.now(),
      sleep(seconds, signal) {
        most = Math.max(most, ++timers)
        return clock.sleep(seconds, signal).finally(() => timers--)
      },
    }
    const alarm = new Alarm(counted)
    const start = clock.now()
    const ends: number[] = []
    const sleeps = [3, 1, 2, 1, 7].map(async (seconds) => {
      await new Wakeup(alarm).sleep(seconds, never)
      ends.push(clock.now() - start)
    })
    await clock.run(Promise.all(sleeps))
    await turn()
    assert.deepEqual(ends, [1, 1, 2, 3, 7])
    // The old one is counted until its end has been heard of.
    assert.ok(most <= 2, `${most} timers`)
    assert.equal(timers, 0)
  })
})
