import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { counted, duration, fileSize, linesWithin, seconds } from '../../src/runner/format.ts'

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

test('a duration takes the next larger unit once it would be rounded up to it', () => {
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

test('a count has its noun in the singular only for one', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'file')),
    ['0 files', '1 file', '2 files'],
  )
})

test('measured seconds have one decimal at most, and unknown ones no text', () => {
  assert.deepEqual([4.249, 4, 0.04, undefined].map(seconds), ['4.2 s', '4 s', '0 s', ''])
})

test('sizes have two digits or more, in the largest unit that leaves a whole number', () => {
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
  test('are all of them if the last line end fits too', () => {
    assert.deepEqual(within(8), ['ab', 'é', 'c'])
    assert.deepEqual(linesWithin([], 0), [])
  })
  test('are whole lines, counted in UTF-8', () => {
    assert.deepEqual([7, 6, 5, 3, 2].map(within), [['ab', 'é'], ['ab', 'é'], ['ab'], ['ab'], []])
  })
})
