import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../src/predictions/answer.ts'
import { ConnectionError } from '../../src/predictions/errors.ts'
import type { Prediction } from '../../src/predictions/prediction.ts'
import { PredictionState } from '../../src/predictions/prediction-state.ts'
import type { WaitOptions } from '../../src/predictions/wait-options.ts'
import { WaitStep } from '../../src/predictions/wait-step.ts'
import { scriptedDispatcher, VirtualClock, waitOptions } from '../support/virtual-time.ts'

const error = new ConnectionError({ method: 'GET', url: 'https://a.test' }, new Error('reset'))

const answerOf = (status: string, more: Partial<Prediction> = {}): Answer => ({
  prediction: { id: 'abc', status, ...more },
  body: {},
})

function world(change: Partial<WaitOptions> = {}) {
  const clock = new VirtualClock()
  const { dispatcher } = scriptedDispatcher(clock, () => 'hang')
  const step = new WaitStep({ ...waitOptions(clock, dispatcher), ...change })
  const pass = (seconds: number) => clock.run(clock.sleep(seconds))
  return { step, state: new PredictionState('abc', step), pass }
}

describe('what is known of a prediction', () => {
  test('nothing is known at first', () => {
    const { state } = world()
    assert.equal(state.hasAnswer, false)
    assert.equal(state.isOutputLate, false)
    assert.deepEqual(state.outcome('refused'), {
      id: 'abc',
      end: 'refused',
      status: '',
      answer: undefined,
      error: undefined,
      waited: 0,
    })
  })

  test('a good answer puts an end to the error before it and to the doubt of the step', async () => {
    const { state, step, pass } = world()
    await pass(3)
    step.doubt.add('other', error)
    state.error = error
    const answer = answerOf('processing')
    assert.equal(state.accept(answer), false)
    assert.equal(state.error, undefined)
    assert.equal(state.hasAnswer, true)
    assert.equal(step.lastGood, 3)
    await step.doubt.turn('other', AbortSignal.abort(new Error('there is a doubt')))
    state.error = error
    const { answer: last, error: known, waited } = state.outcome('timeout')
    assert.deepEqual([last, known, waited], [answer, error, 3])
  })

  test('a terminal status is the end, and its synonyms are reported by the known word', () => {
    for (const [word, hasEnded, status] of [
      ['succeeded', true, 'succeeded'],
      ['SUCCESS', true, 'succeeded'],
      ['failed', true, 'failed'],
      ['starting', false, 'starting'],
      ['paused', false, 'paused'],
    ] as const) {
      const { state } = world()
      assert.equal(state.accept(answerOf(word)), hasEnded)
      assert.equal(state.outcome('ended').status, status)
    }
  })

  test('an unknown status that stays beside an error counts as failed, if that is wanted', async () => {
    for (const failOnStuckStatus of [true, false]) {
      const { state, pass } = world({ failOnStuckStatus })
      let hasEnded = false
      for (let i = 0; i < 4; i++) {
        hasEnded = state.accept(answerOf('paused', { error: 'x' }))
        await pass(10)
      }
      assert.equal(hasEnded, failOnStuckStatus)
      assert.equal(state.outcome('ended').status, failOnStuckStatus ? 'failed' : 'paused')
      assert.equal(state.outcome('timeout').status, 'paused')
    }
  })

  test('an answer that is replaced is closed, and one that cannot be closed harms nothing', async () => {
    const { state } = world()
    const closed: string[] = []
    const stored = (name: string): Answer => ({
      ...answerOf('processing'),
      stored: {
        close: async () => {
          closed.push(name)
          throw new Error('not closed')
        },
      } as unknown as NonNullable<Answer['stored']>,
    })
    state.accept(stored('first'))
    assert.deepEqual(closed, [])
    state.keep(stored('second'))
    assert.deepEqual(closed, ['first'])
    state.keep(answerOf('succeeded'))
    assert.deepEqual(closed, ['first', 'second'])
  })
})

describe('the siblings of a prediction', () => {
  const model = { model: 'octo/model' }

  test('a prediction is a sibling to others from its first answer until its wait is over', () => {
    const { step, state } = world()
    const other = new PredictionState('other', step)
    other.accept(answerOf('processing', model))
    const siblings = () => step.kinds.siblingsOf({ id: 'other', status: 'processing', ...model })
    assert.equal(siblings(), undefined)
    state.accept(answerOf('processing', model))
    state.accept(answerOf('processing', model))
    assert.equal(siblings()?.open, 2)
    state.leave()
    assert.equal(siblings(), undefined)
  })

  test('the run time of a prediction is known to its siblings when it has succeeded', () => {
    const { step, state } = world()
    const metrics = { predict_time: 7 }
    state.accept(answerOf('processing', { ...model, metrics }))
    const count = () => step.kinds.siblingsOf({ id: 'other', status: 'processing', ...model })?.runs.count
    assert.equal(count(), undefined)
    state.accept(answerOf('succeeded', { ...model, metrics }))
    assert.equal(count(), 1)
  })
})

describe('an output that may be late', () => {
  const date = () => Date.parse('2026-01-01T00:10:00Z')
  const old = answerOf('succeeded', { output: null, completed_at: '2026-01-01T00:00:00Z' })

  test('an output may be late for a minute after the prediction was seen running, whatever its date', async () => {
    const { state, pass } = world({ date })
    state.accept(answerOf('processing'))
    await pass(60)
    state.accept(old)
    assert.equal(state.isOutputLate, true)
    await pass(1)
    assert.equal(state.isOutputLate, false)
  })

  test('an output is late by the date of the end if the prediction was never seen running', () => {
    const { state } = world({ date })
    state.accept(old)
    assert.equal(state.isOutputLate, false)
    const { state: recent } = world({ date })
    recent.accept(answerOf('succeeded', { output: null, completed_at: '2026-01-01T00:09:30Z' }))
    assert.equal(recent.isOutputLate, true)
  })
})
