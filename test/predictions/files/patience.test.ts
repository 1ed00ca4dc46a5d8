import assert from 'node:assert/strict'
import { test } from 'node:test'
import { believedFrom, givenUpAt, mayHaveExpired } from '../../../src/predictions/files/patience.ts'

const ending = { seenAt: 1000, age: 0, deadline: 2800 }

test('the retries of a file end by the timeout and by when its host and the file last gave something', () => {
  assert.equal(givenUpAt(ending, undefined, undefined), 1300)
  assert.equal(givenUpAt(ending, 1400, undefined), 1700)
  assert.equal(givenUpAt({ ...ending, deadline: 1100 }, 1000, undefined), 1100)
  assert.equal(givenUpAt({ ...ending, deadline: 1001 }, 1000, undefined), 1020)
  assert.equal(givenUpAt({ ...ending, deadline: 1001 }, 1500, 1490), 1510)
  assert.equal(givenUpAt({ ...ending, deadline: 1001 }, 1000, 1490), 1300)
})

test('a missing file is final half a minute after the end, or at once if the prediction is old', () => {
  assert.deepEqual(
    [0, 60, 61].map((age) => believedFrom({ ...ending, age })),
    [1030, 1030, 1000],
  )
})

test('a file may have expired 55 minutes after the end', () => {
  assert.equal(mayHaveExpired({ ...ending, age: 0 }, 4299), false)
  assert.equal(mayHaveExpired({ ...ending, age: 0 }, 4300), true)
})
