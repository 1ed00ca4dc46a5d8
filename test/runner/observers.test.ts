import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionError } from '../../src/predictions/errors.ts'
import { guarded, inTurn } from '../../src/runner/observers.ts'
import { printed } from '../support/printed.ts'
import { carryOut } from '../support/run-action.ts'

const request = { method: 'GET', url: 'https://api.test/v1/predictions/abc' } as const
const refused = new ConnectionError(request, Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))

test('a bug in an observer causes one warning, and never reaches the wait', async () => {
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

test('two observers are called one after the other, the second only for what it has a method for', () => {
  const calls: string[] = []
  const observer = (name: string) => ({
    answered: ({ id }: { id: string }) => void calls.push(`${name} answered ${id}`),
    failed: ({ id }: { id: string }) => void calls.push(`${name} failed ${id}`),
    settled: ({ id }: { id: string }) => void calls.push(`${name} settled ${id}`),
  })
  const { answered } = observer('third')
  for (const then of [observer('second'), { answered }, undefined]) {
    const both = inTurn(observer('first'), then)
    both.answered({ id: 'a' } as never)
    both.failed({ id: 'a' } as never)
    both.settled({ id: 'a' } as never)
    calls.push('')
  }
  assert.deepEqual(calls, [
    ...['first answered a', 'second answered a', 'first failed a', 'first settled a', 'second settled a', ''],
    ...['first answered a', 'third answered a', 'first failed a', 'first settled a', ''],
    ...['first answered a', 'first failed a', 'first settled a', ''],
  ])
})

test('an observer is not guarded by the one before it', () => {
  const nothing = { answered() {}, failed() {}, settled() {} }
  const broken = {
    settled() {
      throw new Error('a bug')
    },
  }
  assert.throws(() => inTurn(guarded(nothing), broken).settled({ id: 'a' } as never), /a bug/)
})
