import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConnectionError } from '../../src/predictions/errors.ts'
import { type Attempt, createHedge, type Hedge } from '../../src/predictions/hedge.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const never = new AbortController().signal
const request = { method: 'GET', url: 'https://api.test' } as const

/** A hedge on a virtual clock, and attempts that take the given seconds each, or fail after them. */
function start() {
  const clock = new VirtualClock()
  const hedge = createHedge(clock)
  const began = clock.now()
  const made: number[] = []
  const open = { now: 0, most: 0 }
  /** @param takes seconds of each attempt in turn; a negative one fails with a fault of the network after that time */
  const attempts = (...takes: number[]): Attempt<number> => {
    let count = 0
    return async (signal) => {
      const index = count++
      const seconds = takes[index] ?? Number.POSITIVE_INFINITY
      made.push(Math.round((clock.now() - began) * 1000) / 1000)
      open.now++
      open.most = Math.max(open.most, open.now)
      try {
        await clock.sleep(Math.min(Math.abs(seconds), 1e6), signal)
      } finally {
        open.now--
      }
      if (seconds < 0) throw new ConnectionError(request, new Error('broken'))
      return index
    }
  }
  const run = (hedge: Hedge, ...takes: number[]) => clock.run(hedge.run(attempts(...takes), never))
  return { clock, hedge, attempts, made, open, run, now: () => clock.now() - began }
}

describe('a request that is silent', () => {
  test('a request that is silent for ten seconds is sent a second time, and the first response counts', async () => {
    const { hedge, run, made, now } = start()
    assert.equal(await run(hedge, Number.POSITIVE_INFINITY, 1), 1)
    assert.deepEqual(made, [0, 10])
    assert.equal(now(), 11)
  })

  test('the response to a silent request counts if it arrives before that to the second one', async () => {
    const { hedge, run, made } = start()
    assert.equal(await run(hedge, 12, 5), 0)
    assert.deepEqual(made, [0, 10])
  })

  test('a request that is silent for less than ten seconds is sent once', async () => {
    const { hedge, run, made } = start()
    assert.equal(await run(hedge, 9.9), 0)
    assert.deepEqual(made, [0])
  })

  test('a request may be silent for twice as long as the slowest response so far', async () => {
    const { hedge, run, made } = start()
    await run(hedge, 8)
    await run(hedge, Number.POSITIVE_INFINITY, 1)
    assert.deepEqual(made, [0, 8, 24])
  })

  test('a silent request that fails does not end the second one', async () => {
    const { hedge, run, made } = start()
    assert.equal(await run(hedge, -11, 5), 1)
    assert.deepEqual(made, [0, 10])
  })

  test('a request that was sent twice fails when both attempts have failed', async () => {
    const { hedge, run } = start()
    await assert.rejects(run(hedge, -11, -5), ConnectionError)
  })

  test('a silent request that must not be repeated is made once, and its connection is marked as silent', async () => {
    const { clock, hedge, now } = start()
    let silent: number | undefined
    const attempt: Attempt<string> = async (signal, silence) => {
      silence.addEventListener('abort', () => {
        silent = now()
      })
      await clock.sleep(30, signal)
      return 'done'
    }
    assert.equal(await clock.run(hedge.single(attempt, never)), 'done')
    assert.equal(silent, 10)
  })

  test('the duration of a request that must not be repeated does not change how long others may be silent', async () => {
    const { clock, hedge, attempts, run, made } = start()
    await clock.run(hedge.single(attempts(40), never))
    await run(hedge, 85, 0.1)
    assert.deepEqual(made, [0, 40, 50])
  })

  test('both attempts of a request end at once with its signal', async () => {
    const { clock, hedge, attempts, open, now } = start()
    const stop = new AbortController()
    clock.sleep(15).then(() => stop.abort(new Error('enough')))
    await assert.rejects(clock.run(hedge.run(attempts(), stop.signal)), /enough/)
    assert.equal(now(), 15)
    assert.equal(open.now, 0)
  })
})

test('a step has at most four repeated requests in flight at once, and the others wait', async () => {
  const { clock, hedge, attempts, made, open } = start()
  await clock.run(
    Promise.all(Array.from({ length: 10 }, () => hedge.run(attempts(Number.POSITIVE_INFINITY, 2), never))),
  )
  assert.deepEqual(made.slice(10), [10, 10, 10, 10, 12, 12, 12, 12, 14, 14])
  assert.equal(open.most, 14)
})
