import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clip, duration, jsonStart } from '../../src/runner/format.ts'

test('durations read as people say them', () => {
  assert.deepEqual([0.04, 8.73, 42, 59.7, 725, 7380].map(duration), [
    '0.0 s',
    '8.7 s',
    '42 s',
    '1m 0s',
    '12m 5s',
    '2h 3m',
  ])
})

test('a text that is clipped ends with an ellipsis and never with half a character', () => {
  assert.equal(clip('abc', 3), 'abc')
  assert.equal(clip('abcd', 3), 'abc…')
  assert.equal(clip('ab🎂', 3), 'ab\ufffd…')
})

/** Characters of the longest number that JSON.stringify writes, and some. */
const LONGEST_NUMBER = 40

test('the start of JSON is all of it if it is short, and costs no more if it is long', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.nat(40), (value, most) => {
      const whole = JSON.stringify(value)
      assert.equal(jsonStart(value, whole.length), whole)
      const start = jsonStart(value, most)
      if (whole.length <= most) assert.equal(start, whole)
      else assert.ok(start.length > most && start.length <= 6 * most + LONGEST_NUMBER)
    }),
  )
  let reads = 0
  const items: unknown[] = Array(1000).fill({})
  const list = new Proxy(items, {
    get(target, name) {
      reads++
      return Reflect.get(target, name)
    },
  })
  assert.equal(jsonStart(list, 10), '[{},{},{},{}')
  assert.ok(reads < 20, `${reads} reads`)
})
