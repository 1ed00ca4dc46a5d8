import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import type { Entry } from '../../src/runner/entry.ts'
import { tallyOf } from '../../src/runner/tally.ts'

function outcomeOf(status: string, time?: number): Outcome {
  const metrics = time === undefined ? {} : { metrics: { predict_time: time } }
  const prediction = Prediction.parse({ id: 'a', status, ...metrics })
  return { id: 'a', end: 'ended', status, answer: { prediction, body: {} }, error: undefined, waited: 1 }
}

const judged = (outcome: Outcome, more: { name?: string; earlier?: Outcome[] } = {}): Entry => ({
  outcome,
  verdict: verdictOf(outcome, '30m'),
  ...more,
})
const refused: Entry = { name: 'refused', status: 'refused', error: 'No.' }
const skipped: Entry = { name: 'skipped', status: 'skipped', error: undefined }
const unseen: Outcome = { id: 'b', end: 'timeout', status: '', answer: undefined, error: undefined, waited: 1 }

test('predictions that were waited for have their time in total only', () => {
  assert.deepEqual(tallyOf([judged(outcomeOf('succeeded', 1.25)), judged(outcomeOf('failed', 2))]), [
    'predict time 3.3 s in total',
  ])
  assert.deepEqual(tallyOf([judged(outcomeOf('succeeded')), judged(unseen)]), [])
})

test('predictions that were started are counted, and those that ran', () => {
  const entries = [
    judged(outcomeOf('succeeded', 1), { name: 'a', earlier: [outcomeOf('failed', 2), outcomeOf('canceled', 0)] }),
    judged(outcomeOf('succeeded'), { name: 'b' }),
    judged(outcomeOf('failed'), { name: 'c' }),
    judged(unseen, { name: 'd' }),
  ]
  assert.deepEqual(tallyOf(entries), ['6 started', '3 ran', 'predict time 3 s in total'])
})

test('inputs that were not started are counted apart from those that were skipped', () => {
  const entries = [judged(outcomeOf('failed', 0), { name: 'a' }), refused, skipped, skipped]
  assert.deepEqual(tallyOf(entries), [
    '1 started',
    '0 ran',
    '1 not started',
    '2 skipped, because their files exist',
    'predict time 0 s in total',
  ])
})

test('nothing ran if nothing was started', () => {
  assert.deepEqual(tallyOf([skipped]), ['0 started', '1 skipped, because their files exist'])
  assert.deepEqual(tallyOf([]), [])
})
