import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Alarm, type Sleeper } from '../../src/predictions/alarm.ts'

/** A clock that is moved by hand, and its timers. */
function manualClock() {
  const timers: { due: number; signal: AbortSignal | undefined; ring(): void }[] = []
  const clock = {
    time: 0,
    now: () => clock.time,
    sleep(seconds: number, signal?: AbortSignal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      timers.push({ due: clock.time + seconds, signal, ring: resolve })
      return promise
    },
    /** Moves the clock and lets the timers go off that are due. */
    async move(time: number) {
      clock.time = time
      for (const timer of running().filter(({ due }) => due <= time)) {
        timers.splice(timers.indexOf(timer), 1)
        timer.ring()
      }
      await turn()
    },
  }
  const running = () => timers.filter(({ signal }) => signal?.aborted !== true)
  return { clock, due: () => running().map(({ due }) => due) }
}

function sleeperUntil(due: number, woken: number[]): Sleeper {
  return { due, wake: () => void woken.push(due), fail: (error) => assert.fail(String(error)) }
}

test('an alarm wakes each sleeper when it is due, with one timer at a time, and none when nobody sleeps', async () => {
  const { clock, due } = manualClock()
  const alarm = new Alarm(clock)
  const woken: number[] = []
  for (const time of [10, 5, 20]) alarm.set(sleeperUntil(time, woken))
  assert.deepEqual(due(), [5])
  await clock.move(5)
  assert.deepEqual([woken, due()], [[5], [10]])
  await clock.move(15)
  assert.deepEqual([woken, due()], [[5, 10], [20]])
  await clock.move(20)
  assert.deepEqual([woken, due()], [[5, 10, 20], []])
})

test('an alarm keeps no timer for a sleeper that was removed', () => {
  const { clock, due } = manualClock()
  const alarm = new Alarm(clock)
  const [first, second] = [sleeperUntil(5, []), sleeperUntil(10, [])]
  alarm.set(first)
  alarm.set(second)
  alarm.remove(second)
  assert.deepEqual(due(), [5])
  alarm.remove(first)
  assert.deepEqual(due(), [])
  alarm.set(second)
  assert.deepEqual(due(), [10])
})

test('an alarm does not wake a sleeper whose time was postponed', async () => {
  const { clock, due } = manualClock()
  const alarm = new Alarm(clock)
  const woken: number[] = []
  const sleeper = sleeperUntil(5, woken)
  alarm.set(sleeper)
  sleeper.due = 8
  await clock.move(5)
  assert.deepEqual([woken, due()], [[], [8]])
  await clock.move(8)
  assert.equal(woken.length, 1)
})

test('an alarm keeps no timer for a sleeper that is held indefinitely', async () => {
  const { clock, due } = manualClock()
  const alarm = new Alarm(clock)
  const sleeper = sleeperUntil(5, [])
  alarm.set(sleeper)
  sleeper.due = Number.POSITIVE_INFINITY
  await clock.move(5)
  assert.deepEqual(due(), [])
})

test('an error of the clock is passed to every sleeper', async () => {
  const alarm = new Alarm({ now: () => 0, sleep: () => Promise.reject(new Error('no clock')) })
  const failed: unknown[] = []
  const sleeper = {
    due: 5,
    wake: () => assert.fail('woken'),
    fail: (error: unknown) => void failed.push(String(error)),
  }
  alarm.set(sleeper)
  alarm.set({ ...sleeper, due: 9 })
  await turn()
  assert.deepEqual(failed, ['Error: no clock', 'Error: no clock'])
})
