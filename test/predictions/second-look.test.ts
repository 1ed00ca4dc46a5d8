import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../src/predictions/answer.ts'
import type { Client } from '../../src/predictions/client.ts'
import { ConnectionError } from '../../src/predictions/errors.ts'
import type { Prediction } from '../../src/predictions/prediction.ts'
import { createRateLimiter } from '../../src/predictions/rate-limiter.ts'
import { isOutputLate, lookAgain } from '../../src/predictions/second-look.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const NOW = Date.parse('2026-01-01T00:02:00Z')
const empty = (more: Partial<Prediction> = {}): Prediction => ({
  id: 'abc',
  status: 'succeeded',
  output: null,
  ...more,
})

describe('an output', () => {
  test('an output is late only if the prediction succeeded without one, and not if its data was removed', () => {
    assert.equal(isOutputLate(empty(), undefined, NOW), true)
    assert.equal(isOutputLate(empty({ status: 'failed' }), 1, NOW), false)
    assert.equal(isOutputLate(empty({ output: 'x' }), 1, NOW), false)
    assert.equal(isOutputLate(empty({ data_removed: true }), 1, NOW), false)
    assert.equal(isOutputLate(empty({ data_removed: false }), 1, NOW), true)
  })

  test('an output may be late for a minute after the end, by the date of the API or by when it was seen running', () => {
    const completed = (time: string) => empty({ completed_at: `2026-01-01T${time}Z` })
    assert.equal(isOutputLate(completed('00:01:00'), undefined, NOW), true)
    assert.equal(isOutputLate(completed('00:00:59'), undefined, NOW), false)
    assert.equal(isOutputLate(completed('00:00:59'), 60, NOW), true)
    assert.equal(isOutputLate(completed('00:00:59'), 61, NOW), false)
    assert.equal(isOutputLate(empty(), 61, NOW), true)
  })
})

describe('a second look', () => {
  const FOUND = empty({ output: 'x' })
  const broken = new ConnectionError({ method: 'GET', url: 'https://a.test' }, new Error('ECONNRESET'))

  /** Looks again at a prediction that is answered with these, one after the other. */
  async function look(answers: readonly (Prediction | Error)[], stopAfter = Number.POSITIVE_INFINITY) {
    const clock = new VirtualClock()
    const start = clock.now()
    const stop = new AbortController()
    const looks: number[] = []
    const get = async (id: string): Promise<Answer> => {
      assert.equal(id, 'abc')
      const next = answers[looks.length] ?? empty()
      looks.push(clock.now() - start)
      if (looks.length >= stopAfter) stop.abort(new Error('the deadline was reached'))
      if (next instanceof Error) throw next
      return { prediction: next, body: {} }
    }
    const limiter = createRateLimiter({ clock })
    const answer = await clock.run(
      lookAgain('abc', { client: { get } as unknown as Client, clock, limiter }, stop.signal),
    )
    return { output: answer?.prediction.output, looks }
  }

  test('a second look takes the output as soon as there is one', async () => {
    assert.deepEqual(await look([FOUND]), { output: 'x', looks: [2] })
    assert.deepEqual(await look([empty(), FOUND]), { output: 'x', looks: [2, 4.5] })
  })

  test('a second look is made twice, not more, if there is no output', async () => {
    assert.deepEqual(await look([]), { output: undefined, looks: [2, 4.5] })
  })

  test('a second look takes no output of a prediction that has not succeeded', async () => {
    const other = { ...FOUND, status: 'failed' }
    assert.deepEqual(await look([other, other]), { output: undefined, looks: [2, 4.5] })
  })

  test('a second look ignores an error of the API, but not a bug', async () => {
    assert.deepEqual(await look([broken, FOUND]), { output: 'x', looks: [2, 4.5] })
    await assert.rejects(look([new TypeError('a bug'), FOUND]), /a bug/)
  })

  test('no second look is made after the signal', async () => {
    assert.deepEqual(await look([empty(), FOUND], 1), { output: undefined, looks: [2] })
  })

  test('a second look waits for its turn', async () => {
    const clock = new VirtualClock()
    const stop = new AbortController()
    let taken = 0
    const limiter = { ...createRateLimiter({ clock }), take: async () => void taken++ }
    const get = async () => ({ prediction: empty(), body: {} })
    await clock.run(lookAgain('abc', { client: { get } as unknown as Client, clock, limiter }, stop.signal))
    assert.equal(taken, 2)
  })
})
