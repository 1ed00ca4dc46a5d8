import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RunTimes } from '../../src/predictions/run-times.ts'

/** The usual end by run times, in whole seconds. */
const usual = (...seconds: number[]) => {
  const found = new RunTimes(seconds).usual
  return found && [found.from, found.middle, found.to].map(Math.round)
}
const spread = (...seconds: number[]) => new RunTimes(seconds).usual?.spread.toFixed(3)

describe('the usual end', () => {
  test('the usual end is unknown with fewer than two run times', () => {
    assert.equal(usual(), undefined)
    assert.equal(usual(30), undefined)
  })
  test('the usual end is around the median of the run times, in any order', () => {
    assert.deepEqual(usual(100, 100, 100, 100, 100), [87, 100, 115])
    assert.deepEqual(usual(1000, 90, 110, 80, 100), usual(80, 90, 100, 110, 1000))
    assert.equal(usual(1000, 90, 110, 80, 100)?.[1], 100)
  })
  test('the usual end of an even number of run times is the geometric mean of the middle two', () => {
    assert.equal(usual(50, 200)?.[1], 100)
    assert.equal(usual(1, 50, 200, 5000)?.[1], 100)
  })
  test('the range of the usual end is wider if run times differ more or are fewer', () => {
    assert.equal(spread(100, 100), '0.175')
    assert.equal(spread(100, 100, 100, 100, 100), '0.070')
    // 1.5 times the median distance of the logarithms counts by all but one of the five.
    assert.equal(spread(50, 100, 100, 200, 400), ((1.5 * Math.LN2 * 4 + 0.35) / 5).toFixed(3))
    assert.equal(spread(...Array(40).fill(100)), '0.020')
  })
  test('a run time of zero counts as a tenth of a second', () => {
    assert.equal(new RunTimes([0, 0]).usual?.middle.toFixed(3), '0.100')
  })
  test('the usual end depends on the last fifty run times', () => {
    const times = new RunTimes([...Array(60).fill(10), ...Array(49).fill(100)])
    assert.equal(times.count, 50)
    const later = times.with(100)
    assert.equal(later.count, 50)
    assert.equal(later.usual?.middle.toFixed(0), '100')
    assert.equal(later.usual, later.usual)
  })
})
