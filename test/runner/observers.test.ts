import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionError } from '../../src/predictions/errors.ts'
import { guarded } from '../../src/runner/observers.ts'
import { printed } from '../support/printed.ts'
import { carryOut } from '../support/run-action.ts'

const request = { method: 'GET', url: 'https://api.test/v1/predictions/abc' } as const
const refused = new ConnectionError(request, Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))

test('a bug in an observer is one warning, and never reaches the wait', async () => {
  const broken = () => {
    throw new Error('a bug')
  }
  const observer = guarded({ answered: broken, failed: broken, settled: broken })
  const text = await printed(() => {
    observer.failed({ id: 'abc', now: 1, error: refused, pause: 1 })
    observer.failed({ id: 'abc', now: 1, error: refused, pause: 1 })
    observer.settled({ id: 'abc', end: 'timeout', status: '', answer: undefined, error: undefined, waited: 1 })
  })
  assert.deepEqual(
    carryOut(text).annotations.map(({ message }) => message),
    ['A bug in this action affects the log, but not the predictions: a bug'],
  )
})
