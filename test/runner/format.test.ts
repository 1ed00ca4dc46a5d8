import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duration } from '../../src/runner/format.ts'

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
