import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Threads } from '../../../src/predictions/key-search/threads.ts'

const listed = ({ count, places, from, lengths }: Threads) =>
  Array.from({ length: count }, (_, i) => [places[i], from[i], lengths[i]])

test('threads at different places are kept, each with where it began and how long it is', () => {
  const threads = new Threads(10)
  assert.deepEqual(listed(threads), [])
  threads.add(5, 2, 3)
  threads.add(0, 7, 1)
  threads.add(9, 0, 8)
  assert.deepEqual(listed(threads), [
    [5, 2, 3],
    [0, 7, 1],
    [9, 0, 8],
  ])
})

test('the longer of two threads at a place is kept, or the first one if they are of the same length', () => {
  const threads = new Threads(10)
  threads.add(5, 2, 3)
  threads.add(6, 2, 4)
  threads.add(5, 1, 2)
  threads.add(6, 1, 5)
  threads.add(5, 4, 3)
  assert.deepEqual(listed(threads), [
    [5, 2, 3],
    [6, 1, 5],
  ])
})

test('threads are empty again once their count is 0, whatever they held', () => {
  const threads = new Threads(10)
  threads.add(5, 2, 9)
  threads.add(6, 3, 9)
  threads.count = 0
  threads.add(6, 1, 1)
  threads.add(5, 1, 2)
  assert.deepEqual(listed(threads), [
    [6, 1, 1],
    [5, 1, 2],
  ])
})

test('threads take over those of others by the same rule', () => {
  const [some, others] = [new Threads(10), new Threads(10)]
  some.add(1, 10, 5)
  some.add(2, 20, 5)
  others.add(2, 21, 6)
  others.add(3, 30, 1)
  others.add(1, 11, 4)
  some.addAll(others)
  assert.deepEqual(listed(some), [
    [1, 10, 5],
    [2, 21, 6],
    [3, 30, 1],
  ])
  assert.equal(others.count, 3)
})
