import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCode } from '../../../src/predictions/network/network-errors.ts'
import { TimeLimit } from '../../../src/predictions/network/time-limit.ts'

test('a time limit aborts its signal when the time is over, with an error that has its code', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { signal } = new TimeLimit(300, 'UND_ERR_HEADERS_TIMEOUT', 'response')
  t.mock.timers.tick(299)
  assert.equal(signal.aborted, false)
  t.mock.timers.tick(1)
  assert.equal(errorCode(signal.reason), 'UND_ERR_HEADERS_TIMEOUT')
  assert.equal(signal.reason.message, 'no response within 300 ms')
})

test('a time limit that is disposed of, or is 0, never aborts its signal', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const disposed = new TimeLimit(300, 'UND_ERR_HEADERS_TIMEOUT', 'response')
  disposed[Symbol.dispose]()
  const none = new TimeLimit(0, 'UND_ERR_HEADERS_TIMEOUT', 'response')
  t.mock.timers.tick(1000)
  assert.deepEqual([disposed.signal.aborted, none.signal.aborted], [false, false])
})
