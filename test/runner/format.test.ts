import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { counted, duration, fileSize, linesWithin, seconds } from '../../src/runner/format.ts'

test('a duration is written in seconds, minutes and seconds, or hours and minutes', () => {
  assert.deepEqual([0.04, 8.73, 42, 59.7, 725, 7380].map(duration), [
    '0.0 s',
    '8.7 s',
    '42 s',
    '1m 0s',
    '12m 5s',
    '2h 3m',
  ])
})

test('a duration that rounds up to the next larger unit is written in that unit', () => {
  assert.deepEqual([-3, 9.94, 9.95, 59.4, 60, 3599.4, 3599.6].map(duration), [
    '0.0 s',
    '9.9 s',
    '10 s',
    '59 s',
    '1m 0s',
    '59m 59s',
    '1h 0m',
  ])
})

test('a count of one has a singular noun, and any other count a plural', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'file')),
    ['0 files', '1 file', '2 files'],
  )
})

test('measured seconds have at most one decimal, and unknown ones are empty', () => {
  assert.deepEqual([4.249, 4, 0.04, undefined].map(seconds), ['4.2 s', '4 s', '0 s', ''])
})

test('a file size is written in the largest unit of which it has at least one', () => {
  assert.deepEqual([0, 512, 999, 1000, 1_234_567, 10_400_000, 999_000_000, 2e9, 3e12, 5e15].map(fileSize), [
    '0 B',
    '512 B',
    '999 B',
    '1.0 kB',
    '1.2 MB',
    '10 MB',
    '999 MB',
    '2.0 GB',
    '3.0 TB',
    '5000 TB',
  ])
})

describe('the lines that fit into a number of bytes', () => {
  const within = (bytes: number) => linesWithin(['ab', 'é', 'c'], bytes)
  test('all lines fit if there is room for the last line end', () => {
    assert.deepEqual(within(8), ['ab', 'é', 'c'])
    assert.deepEqual(linesWithin([], 0), [])
  })
  test('only whole lines are kept within a number of UTF-8 bytes', () => {
    assert.deepEqual([7, 6, 5, 3, 2].map(within), [['ab', 'é'], ['ab', 'é'], ['ab'], ['ab'], []])
  })
})
