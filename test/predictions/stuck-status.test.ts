import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Prediction } from '../../src/predictions/prediction.ts'
import { StuckStatus } from '../../src/predictions/stuck-status.ts'

const strange = (more: Partial<Prediction> = {}): Prediction => ({
  id: 'abc',
  status: 'pondering',
  error: 'out of memory',
  ...more,
})
/** Whether each of several answers ends the wait. */
const judged = (...answers: [now: number, prediction: Prediction][]) => {
  const stuck = new StuckStatus()
  return answers.map(([now, prediction]) => stuck.isStuck(prediction, now))
}

describe('a status that nobody documents', () => {
  test('an unknown status beside an error is an end after three polls and ten seconds without a change', () => {
    assert.deepEqual(judged([0, strange()], [5, strange()], [10, strange()]), [false, false, true])
    assert.deepEqual(judged([0, strange()], [5, strange()], [9, strange()], [10, strange()]), [
      false,
      false,
      false,
      true,
    ])
    assert.deepEqual(judged([0, strange()], [60, strange()], [61, strange()]), [false, false, true])
  })
  test('an unknown status beside an end time is an end, even without an error', () => {
    for (const completed_at of ['2026-03-01T12:00:00Z', '1772366400']) {
      const ended = strange({ error: null, completed_at })
      assert.deepEqual(judged([0, ended], [5, ended], [10, ended]), [false, false, true], completed_at)
    }
  })
  test('an unknown status with neither an error nor an end time never ends a wait', () => {
    const plain = strange({ error: {} })
    assert.deepEqual(judged([0, plain], [50, plain], [100, plain], [150, plain]), [false, false, false, false])
  })
  test('an unknown status beside an empty end time, a zero time or an error with empty fields is no end', () => {
    for (const empty of [
      { error: null, completed_at: '' },
      { error: null, completed_at: '0' },
      { error: null, completed_at: '0001-01-01T00:00:00Z' },
      { error: null, completed_at: '1970-01-01T00:00:00Z' },
      { error: { code: '', message: '' } },
    ]) {
      const answers = judged([0, strange(empty)], [50, strange(empty)], [100, strange(empty)])
      assert.deepEqual(answers, [false, false, false], JSON.stringify(empty))
    }
  })
  test('an unknown status is no end while anything about the prediction changes', () => {
    for (const change of [
      { status: 'musing' },
      { error: 'another' },
      { completed_at: '2026-03-01T12:00:01Z' },
      { logs: 'a line' },
    ]) {
      const answers = judged([0, strange()], [50, strange()], [51, strange(change)], [52, strange(change)])
      assert.deepEqual(answers, [false, false, false, false], JSON.stringify(change))
    }
  })
  test('the polls of an unknown status are counted anew after a known status', () => {
    const known = strange({ status: 'processing' })
    assert.deepEqual(judged([0, strange()], [50, strange()], [51, known], [52, strange()], [53, strange()]), [
      false,
      false,
      false,
      false,
      false,
    ])
    assert.deepEqual(judged([0, known], [50, known], [100, known]), [false, false, false])
  })
})
