import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createRateLimiter } from '../../src/predictions/rate-limiter.ts'
import { adaptiveSchedule, fixedSchedule, type Look } from '../../src/predictions/schedule.ts'
import { seeded } from '../support/faults.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const middle = () => 0.5
const look = (now: number, more: Partial<Look> = {}): Look => ({
  now,
  started: true,
  logs: '',
  sharers: 1,
  streaming: false,
  woken: false,
  ...more,
})
const bar = (n: number, left: string) => `${n * 10}%|██| ${n}/10 [00:0${n}<${left}, 1.00it/s]\n`

describe('the adaptive schedule', () => {
  test('looks at once', () => assert.equal(adaptiveSchedule(middle).first(1), 0))
  test('asks every 0.45 seconds at first where nothing is known, and more seldom later', () => {
    assert.equal(adaptiveSchedule(middle).next(look(1)), 0.45)
    const old = adaptiveSchedule(middle)
    old.next(look(0))
    assert.equal(old.next(look(900)).toFixed(2), '1.50')
  })
  test('asks by an eighth of the time in the queue, from 0.45 to 5 seconds', () => {
    const waits = [1, 10, 100].map((now) => adaptiveSchedule(middle).next(look(now, { started: false })))
    assert.deepEqual(waits, [0.45, 1.2, 5])
  })
  test('sleeps 60 % of what a bar promises, but not longer than the calm law', () => {
    assert.equal(adaptiveSchedule(middle).next(look(1, { logs: bar(8, '00:02') })), 1.2)
    assert.equal(adaptiveSchedule(middle).next(look(1, { logs: '1%|█| 1/100 [00:01<01:39, 1.00it/s]' })), 2)
  })
  test('asks densely where the end was promised, and thins out', () => {
    const schedule = adaptiveSchedule(middle)
    assert.equal(schedule.next(look(1, { logs: bar(10, '00:00') })), 0.2)
    assert.equal(schedule.next(look(9, { logs: bar(10, '00:00') })), 0.32)
    assert.equal(schedule.next(look(60, { logs: bar(10, '00:00') })).toFixed(2), '0.45')
  })
  test('measures the speed of percentages from two marks', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(1, { logs: 'Progress: 10%\n' }))
    schedule.next(look(2, { logs: 'Progress: 10%\nProgress: 40%\n' }))
    assert.equal(schedule.left(2)?.toFixed(6), '2.000000')
  })
  test('is not moved by a mark that it has seen', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(1, { logs: bar(1, '00:09') }))
    schedule.next(look(5, { logs: bar(1, '00:09') }))
    assert.equal(schedule.left(5), 5)
  })
  test('is calm with a stream that has spoken, and dense when it rings', () => {
    const schedule = adaptiveSchedule(middle)
    assert.equal(schedule.next(look(1, { streaming: true })), 2)
    assert.equal(schedule.next(look(2, { streaming: true, woken: true })), 0.2)
  })
  test('shares the limit of the account with more than forty others', () => {
    assert.equal(adaptiveSchedule(middle).first(256), 3.2)
    assert.equal(adaptiveSchedule(middle).next(look(1, { sharers: 256 })), 6.4)
    assert.equal(adaptiveSchedule(middle).next(look(1, { sharers: 40 })), 0.45)
  })
  test('never asks more often than every 0.75 seconds and ten times more, whatever the log says', () => {
    const logs = fc.array(
      fc.constantFrom(bar(1, '00:09'), bar(9, '00:01'), bar(10, '00:00'), 'Progress: 99%\n', 'text\n'),
      { maxLength: 30 },
    )
    fc.assert(
      fc.property(logs, fc.integer(), (pieces, seed) => {
        const schedule = adaptiveSchedule(seeded(seed))
        let now = 0
        let log = ''
        for (let count = 1; now < 60; count++) {
          assert.ok(count <= 12 + now / 0.67, `${count} requests in ${now} s`)
          log += pieces[count % Math.max(1, pieces.length)] ?? ''
          const wait = schedule.next(look(now, { logs: log }))
          assert.ok(wait >= 0.18 && wait < 10)
          now += wait
        }
      }),
    )
  })
})

test('the fixed schedule does what it says', () => {
  const schedule = fixedSchedule(5)
  assert.deepEqual([schedule.first(1), schedule.next(look(1)), schedule.left(1)], [0, 5, undefined])
})

describe('a rate limiter', () => {
  test('spaces requests in the order in which they ask', async () => {
    const clock = new VirtualClock()
    const limiter = createRateLimiter({ clock, perSecond: 4 })
    const start = clock.now()
    const moments: number[] = []
    const take = async () => {
      await limiter.take(new AbortController().signal)
      moments.push(clock.now() - start)
    }
    await clock.run(Promise.all([take(), take(), take()]))
    assert.deepEqual(moments, [0, 0.25, 0.5])
  })
})
