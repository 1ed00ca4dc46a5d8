import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { beforeAbort, settled, unlessAborted } from '../../src/predictions/promises.ts'

const NEVER = new Promise<never>(() => {})
const REASON = new Error('stopped')

/** A signal that can be aborted, and how many listen to it. */
function stopper() {
  const stop = new AbortController()
  const { signal } = stop
  return { signal, abort: () => stop.abort(REASON), listeners: () => getEventListeners(signal, 'abort').length }
}

test('settled turns a result and an error into values', async () => {
  const error = new Error('x')
  assert.deepEqual(await settled(Promise.resolve(1)), { value: 1 })
  assert.deepEqual(await settled(Promise.reject(error)), { error })
})

for (const [name, wait] of Object.entries({ beforeAbort, unlessAborted })) {
  describe(name, () => {
    test(`${name} returns the result of a promise that resolves first, and listens no longer`, async () => {
      const { signal, abort, listeners } = stopper()
      const result = wait(Promise.resolve('x'), signal)
      assert.equal(listeners(), 1)
      assert.equal(await result, 'x')
      assert.equal(listeners(), 0)
      abort()
      assert.equal(await result, 'x')
    })

    test(`${name} throws the error of a promise that rejects first, and listens no longer`, async () => {
      const { signal, listeners } = stopper()
      await assert.rejects(wait(Promise.reject(new TypeError('x')), signal), { name: 'TypeError', message: 'x' })
      assert.equal(listeners(), 0)
    })
  })
}

describe('beforeAbort', () => {
  test('beforeAbort returns undefined as soon as the signal is aborted, and listens no longer', async () => {
    const { signal, abort, listeners } = stopper()
    const result = beforeAbort(NEVER, signal)
    abort()
    assert.equal(await result, undefined)
    assert.equal(listeners(), 0)
  })

  test('beforeAbort returns undefined if the signal was aborted before, whatever the promise has', async () => {
    const { signal, abort } = stopper()
    abort()
    assert.equal(await beforeAbort(Promise.resolve('x'), signal), undefined)
  })

  test('beforeAbort ignores an error that comes after the signal', async () => {
    const { signal, abort } = stopper()
    const late = Promise.withResolvers<string>()
    const result = beforeAbort(late.promise, signal)
    abort()
    assert.equal(await result, undefined)
    late.reject(new Error('late'))
    assert.equal(await beforeAbort(Promise.reject(new Error('later')), signal), undefined)
    await turn()
  })
})

describe('unlessAborted', () => {
  test('unlessAborted throws the reason of the signal as soon as it is aborted, and listens no longer', async () => {
    const { signal, abort, listeners } = stopper()
    const result = unlessAborted(NEVER, signal)
    abort()
    await assert.rejects(result, REASON)
    assert.equal(listeners(), 0)
  })

  test('unlessAborted discards a result that comes after the signal, and only such a one', async () => {
    const { signal, abort } = stopper()
    const discarded: string[] = []
    const late = Promise.withResolvers<string>()
    const discard = (each: string) => discarded.push(each)
    assert.equal(await unlessAborted(Promise.resolve('in time'), signal, discard), 'in time')
    const result = unlessAborted(late.promise, signal, discard)
    abort()
    await assert.rejects(result, REASON)
    late.resolve('late')
    await turn()
    assert.deepEqual(discarded, ['late'])
    await assert.rejects(unlessAborted(Promise.resolve('later'), signal, discard), REASON)
    await turn()
    assert.deepEqual(discarded, ['late', 'later'])
  })

  test('unlessAborted ignores an error that comes after the signal', async () => {
    const { signal, abort } = stopper()
    const late = Promise.withResolvers<string>()
    const result = unlessAborted(late.promise, signal)
    abort()
    await assert.rejects(result, REASON)
    late.reject(new Error('late'))
    await turn()
  })
})
