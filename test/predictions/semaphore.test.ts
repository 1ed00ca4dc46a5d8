import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Semaphore } from '../../src/predictions/semaphore.ts'

const never = new AbortController().signal

/** Takes places, and notes by name who has one. */
function start(places: number) {
  const semaphore = new Semaphore(places)
  const entered: string[] = []
  const acquire = async (name: string, signal = never) => {
    const place = await semaphore.acquire(signal)
    entered.push(name)
    return place
  }
  return { entered, acquire }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a semaphore', () => {
  test('a semaphore gives as many places as it has', async () => {
    const { entered, acquire } = start(2)
    for (const name of ['a', 'b', 'c']) acquire(name)
    await turn()
    assert.deepEqual(entered, ['a', 'b'])
  })

  test('a place that becomes free goes to who has waited for longest', async () => {
    const { entered, acquire } = start(1)
    const first = await acquire('a')
    for (const name of ['b', 'c']) acquire(name)
    first[Symbol.dispose]()
    await turn()
    assert.deepEqual(entered, ['a', 'b'])
  })

  test('a place that nobody waits for is kept for the next one', async () => {
    const { entered, acquire } = start(1)
    const first = await acquire('a')
    first[Symbol.dispose]()
    await acquire('b')
    acquire('c')
    await turn()
    assert.deepEqual(entered, ['a', 'b'])
  })

  test('who stops waiting gets no place, and the next one does', async () => {
    const { entered, acquire } = start(1)
    const first = await acquire('a')
    const canceled = new AbortController()
    const second = acquire('b', canceled.signal)
    acquire('c')
    const reason = new Error('canceled')
    canceled.abort(reason)
    await assert.rejects(second, reason)
    first[Symbol.dispose]()
    await turn()
    assert.deepEqual(entered, ['a', 'c'])
  })

  test('who has a place keeps it if the signal is aborted later', async () => {
    const { entered, acquire } = start(1)
    const first = await acquire('a')
    const canceled = new AbortController()
    const second = acquire('b', canceled.signal)
    first[Symbol.dispose]()
    canceled.abort()
    await second
    assert.deepEqual(entered, ['a', 'b'])
  })

  test('a place is not given to who is canceled before', async () => {
    const { acquire } = start(1)
    const reason = new Error('canceled')
    await assert.rejects(acquire('a', AbortSignal.abort(reason)), reason)
  })
})
