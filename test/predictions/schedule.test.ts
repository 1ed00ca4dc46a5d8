import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createRateLimiter } from '../../src/predictions/rate-limiter.ts'
import { RunTimes } from '../../src/predictions/run-times.ts'
import { adaptiveSchedule, fixedSchedule, type Observation } from '../../src/predictions/schedule.ts'
import { seeded } from '../support/faults.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const middle = () => 0.5
const look = (now: number, more: Partial<Observation> = {}): Observation => ({
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
  test('the adaptive schedule makes the first poll at once', () => assert.equal(adaptiveSchedule(middle).first(1), 0))
  test('a run whose end is not predicted is polled every half second, soon every 0.73 s', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    assert.equal(schedule.next(look(1)), 0.5)
    assert.equal(schedule.next(look(4)), 0.6)
    assert.equal(schedule.next(look(900)), 0.73)
  })
  test('a queued prediction is polled after a fifth of the time waited, from 0.75 to 5 seconds', () => {
    const waits = [1, 10, 100].map((now) => adaptiveSchedule(middle).next(look(now, { started: false })))
    assert.deepEqual(waits, [0.75, 2, 5])
  })
  test('the pause before a predicted end is 60 % of the time left, at most 1.2 s, later 0.14 √t', () => {
    assert.equal(
      adaptiveSchedule(middle)
        .next(look(1, { logs: bar(8, '00:01') }))
        .toFixed(2),
      '1.20',
    )
    const long = '1%|█| 1/100 [00:01<01:39, 1.00it/s]'
    assert.equal(adaptiveSchedule(middle).next(look(1, { logs: long })), 1.2)
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    assert.equal(schedule.next(look(400, { logs: long })).toFixed(2), '2.80')
  })
  test('polls are dense at the predicted end and become sparse after it', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    assert.equal(schedule.next(look(1, { logs: bar(10, '00:00') })).toFixed(3), '0.120')
    assert.equal(schedule.next(look(9, { logs: bar(10, '00:00') })).toFixed(3), '0.320')
    assert.equal(schedule.next(look(60, { logs: bar(10, '00:00') })).toFixed(2), '0.73')
  })
  test('polls around the end are sparser after each predicted end that proved wrong', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    schedule.next(look(1, { logs: bar(9, '00:01') }))
    const again = `${bar(9, '00:01')}${bar(9, '00:02')}`
    schedule.next(look(4, { logs: again }))
    const once = adaptiveSchedule(middle)
    once.next(look(0))
    once.next(look(4, { logs: again }))
    assert.equal((schedule.next(look(5, { logs: again })) / once.next(look(5, { logs: again }))).toFixed(3), '1.414')
  })
  test('the time left is predicted from two percentages', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(1, { logs: 'Progress: 10%\n' }))
    schedule.next(look(4, { logs: 'Progress: 10%\nProgress: 40%\n' }))
    assert.equal(schedule.left(4)?.toFixed(6), '6.000000')
    schedule.next(look(5, { logs: 'Progress: 10%\nProgress: 40%\nProgress: 90%\n' }))
    assert.equal(schedule.left(5)?.toFixed(6), '0.500000')
  })
  test('the same percentage again does not change the speed that percentages show', () => {
    const schedule = adaptiveSchedule(middle)
    for (const [now, logs] of [
      [1, '10%\n'],
      [4, '10%\n40%\n'],
      [5, '10%\n40%\n40%\n'],
      [7, '10%\n40%\n40%\n70%\n'],
    ] as const)
      schedule.next(look(now, { logs }))
    assert.equal(schedule.left(7)?.toFixed(6), '3.000000')
  })
  test('pauses count from the moment at which a prediction left the queue', () => {
    const startedAt100 = () => {
      const schedule = adaptiveSchedule(middle)
      schedule.next(look(90, { started: false }))
      schedule.next(look(110))
      return schedule
    }
    const siblings = { runs: new RunTimes([29, 30, 31, 30, 30]), open: 8 }
    assert.equal(startedAt100().next(look(130, { siblings })), 0.25)
    assert.equal(startedAt100().next(look(101)).toFixed(2), '0.50')
    assert.equal(
      startedAt100()
        .next(look(125, { logs: bar(10, '00:00') }))
        .toFixed(3),
      '0.200',
    )
  })
  test('the pause shortly before a predicted end is shorter than without a prediction', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    assert.equal(schedule.next(look(1, { logs: '9/10 [00:09<00:01, 2.00it/s]' })).toFixed(2), '0.30')
  })
  test('the time left is predicted anew when percentages start over', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(1, { logs: 'Progress: 50%\n' }))
    schedule.next(look(2, { logs: 'Progress: 50%\nProgress: 20%\n' }))
    assert.equal(schedule.left(2), undefined)
    schedule.next(look(4, { logs: 'Progress: 50%\nProgress: 20%\nProgress: 60%\n' }))
    assert.equal(schedule.left(4)?.toFixed(6), '2.000000')
  })
  test('a mark of 100 % is taken as the end, and later marks of the same kind do not move it', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    schedule.next(look(4, { logs: 'Progress: 100%\n' }))
    assert.equal(schedule.left(4), undefined)
    const dense = schedule.next(look(5, { logs: 'Progress: 100%\n' }))
    assert.equal(schedule.next(look(5, { logs: 'Progress: 100%\nProgress: 100%\n' })), dense)
  })
  test('a mark that was seen before does not move the predicted end', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(1, { logs: bar(1, '00:09') }))
    schedule.next(look(5, { logs: bar(1, '00:09') }))
    assert.equal(schedule.left(5), 5)
  })
  test('a stream that never signals delays the notice of an end by at most its own poll interval', () => {
    const run = fc.record({ ends: fc.double({ min: 1, max: 2000, noNaN: true }), seed: fc.nat(), bars: fc.boolean() })
    fc.assert(
      fc.property(run, ({ ends, seed, bars }) => {
        const schedule = adaptiveSchedule(seeded(seed))
        let now = 0
        let polls = 0
        while (now < ends) {
          const done = Math.min(9, Math.floor((10 * now) / ends))
          const logs = bars ? bar(done, '00:05') : ''
          now += schedule.next(look(now, { logs, streaming: polls > 0 }))
          polls++
        }
        assert.ok(now - ends <= 1.1 * Math.max(2, 0.6 * Math.sqrt(ends)), `${now - ends} s after ${ends} s`)
        assert.ok(polls <= 11 + ends / 0.75, `${polls} polls in ${ends} s`)
      }),
    )
  })
  test('a prediction with a stream is polled every 2 s, later every 0.6 √t, and densely after the end signal', () => {
    const schedule = adaptiveSchedule(middle)
    assert.equal(schedule.next(look(1, { streaming: true })), 2)
    assert.equal(schedule.next(look(100, { streaming: true })), 6)
    assert.equal(schedule.next(look(101, { streaming: true, woken: true })), 0.2)
    assert.equal(schedule.next(look(111, { streaming: true })).toFixed(2), '0.40')
  })
  test('a prediction with a stream is still polled before and around an end that the log predicts', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    const at = (now: number, logs: string) => schedule.next(look(now, { streaming: true, logs })).toFixed(3)
    const logs = bar(1, '00:09')
    assert.equal(at(1, logs), '2.000')
    assert.equal(at(8, logs), '1.200')
    assert.equal(at(10, logs), (0.1 + 0.05 * Math.sqrt(10)).toFixed(3))
    assert.equal(at(14, logs), (0.1 + 0.05 * Math.sqrt(14) + 0.05 * 4).toFixed(3))
    assert.equal(at(100, logs), '5.100')
    assert.equal(at(400, logs), '12.000')
  })
  test('pauses vary by a tenth, and shares of the account limit by a quarter', () => {
    const paused = (random: number, more: Partial<Observation> = {}) =>
      adaptiveSchedule(() => random).next(look(1, more))
    assert.deepEqual(
      [0, 0.5, 1].map((random) => paused(random).toFixed(3)),
      ['0.450', '0.500', '0.550'],
    )
    const shared = [0, 0.5, 1].map((random) => paused(random, { sharers: 256 }).toFixed(2))
    assert.deepEqual(shared, ['4.80', '6.40', '8.00'])
    assert.deepEqual(
      [0, 1].map((random) => adaptiveSchedule(() => random).first(256)),
      [0, 6.4],
    )
    assert.deepEqual(
      [40, 41].map((sharers) => adaptiveSchedule(middle).first(sharers)),
      [0, 0.5125],
    )
  })
  test('ten polls may come together, and the eleventh waits three quarters of a second', () => {
    const schedule = adaptiveSchedule(middle)
    const pauses = Array.from({ length: 11 }, () => schedule.next(look(0)))
    assert.deepEqual(pauses, [...Array(10).fill(0.5), 0.75])
  })
  test('the limit of the account is shared among more than forty jobs', () => {
    assert.equal(adaptiveSchedule(middle).first(256), 3.2)
    assert.equal(adaptiveSchedule(middle).next(look(1, { sharers: 256 })), 6.4)
    assert.equal(adaptiveSchedule(middle).next(look(1, { sharers: 40 })), 0.5)
  })
  test('there are at most twelve polls plus one every 0.75 seconds, whatever the log says', () => {
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
          assert.ok(count <= 12 + now / 0.75, `${count} polls in ${now} s`)
          log += pieces[count % Math.max(1, pieces.length)] ?? ''
          const wait = schedule.next(look(now, { logs: log }))
          assert.ok(wait >= 0.09 && wait < 10)
          now += wait
        }
      }),
    )
  })
})

describe('the run times of siblings', () => {
  /** Polled every so often since the start, at `now` with these run times known. */
  const pause = (now: number, runs: readonly number[], open = 8) => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    return schedule.next(look(now, { siblings: { runs: new RunTimes(runs), open } }))
  }
  const thirties = [29, 30, 31, 30, 30]
  test('a single run time of siblings predicts nothing', () => assert.equal(pause(9, [30], 1), 0.73))
  test('long before the usual end the pause is 70 % of the time left, at most 1 s or 0.12 √t', () => {
    assert.equal(pause(4, thirties), 1)
    assert.equal(pause(100, [300, 301, 302]).toFixed(2), '1.20')
    assert.equal(pause(25.5, thirties).toFixed(2), '0.41')
  })
  test('polls are dense around the usual end, and as without siblings after it', () => {
    assert.equal(pause(30, thirties), 0.25)
    assert.equal(pause(new RunTimes(thirties).usual?.to ?? 0, thirties), 0.25)
    assert.equal(pause(100, [95, 98, 100, 102, 105]).toFixed(2), '0.38')
    assert.equal(pause(300, [280, 290, 300, 310, 320]), 0.55)
    assert.equal(pause(60, thirties), 0.73)
  })
  test('run times with a spread of more than 0.4 predict nothing', () => {
    const spreadBy = (deviation: number) => [-2, -1, 0, 1, 2].map((times) => 60 * Math.exp(times * deviation))
    assert.equal(new RunTimes(spreadBy(0.26)).usual?.spread.toFixed(2), '0.38')
    assert.equal(pause(60, spreadBy(0.26)), 0.55)
    assert.equal(new RunTimes(spreadBy(0.29)).usual?.spread.toFixed(2), '0.42')
    assert.equal(pause(60, spreadBy(0.29)), 0.73)
  })
  test('a queued sibling is polled after a fifth of the usual run, at most 8 s', () => {
    const queued = (runs: readonly number[]) =>
      adaptiveSchedule(middle).next(look(1, { started: false, siblings: { runs: new RunTimes(runs), open: 9 } }))
    assert.ok(queued(thirties) > 4.5 && queued(thirties) < 6)
    assert.equal(queued([600, 600, 600]), 8)
  })
  test('while no sibling has ended after 10 s, many are polled as if four shared one poll', () => {
    assert.equal(pause(9, [], 16), 0.73)
    assert.equal(pause(16, [], 6).toFixed(2), '0.89')
    assert.equal(pause(16, [], 4), 0.73)
    assert.equal(pause(16, [], 2), 0.73)
    assert.equal(pause(10, [], 6), 0.73)
    assert.equal(pause(16, [30], 6), 0.73)
    assert.equal(pause(16, [], 400), 1)
  })
  test('an end that the log predicts takes precedence over the run times of siblings', () => {
    const schedule = adaptiveSchedule(middle)
    schedule.next(look(0))
    const logs = bar(10, '00:00')
    assert.equal(
      schedule.next(look(4, { logs, siblings: { runs: new RunTimes(thirties), open: 3 } })).toFixed(2),
      '0.14',
    )
  })
})

test('the fixed schedule polls at its interval', () => {
  const schedule = fixedSchedule(5)
  assert.deepEqual([schedule.first(1), schedule.next(look(1)), schedule.left(1)], [0, 5, undefined])
})

describe('a rate limiter', () => {
  test('a rate limiter spaces requests in the order in which they arrive', async () => {
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
