import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import { nothingDelivered } from '../../src/runner/delivery.ts'
import { outputsOf } from '../../src/runner/outputs.ts'

function ended(id: string, body: Record<string, unknown>) {
  const whole = { id, status: 'succeeded', ...body }
  const prediction = Prediction.parse(whole)
  const answer = { prediction, body: whole }
  const outcome: Outcome = { id, end: 'ended', status: prediction.status, answer, error: undefined, waited: 9 }
  return { outcome, verdict: verdictOf(outcome, '30m') }
}

describe('the outputs', () => {
  test('of hundreds of large predictions, which no string can hold, are cut where they are too long to be set', () => {
    const text = 'x'.repeat(3_000_000)
    const url = `https://files.example.com/${text}`
    for (const output of [text, [url], `data:image/png;base64,${text}`]) {
      const outputs = outputsOf(
        Array.from({ length: 250 }, (_, i) => ended(`id${i}`, { output })),
        nothingDelivered,
      )
      assert.equal(outputs.status, 'succeeded')
      assert.ok(Buffer.byteLength(outputs.output ?? '') > 32_000)
    }
  })

  test('say what went wrong however much it is, and count what there is no room for', () => {
    const failed = (error: string) =>
      Array.from({ length: 3000 }, (_, i) => ended(`id${i}`, { status: 'failed', error }))
    const { error = '' } = outputsOf(failed('broken'), nothingDelivered)
    assert.match(error, /^id0: broken\nid1: broken\n/)
    const lines = error.split('\n')
    assert.equal(lines.at(-1), `… and ${3000 - lines.length + 1} more`)
    for (const text of ['显存不足'.repeat(100_000), '🎂'.repeat(100_000), 'x'.repeat(31_980)])
      for (const count of [1, 2, 1000]) {
        const { error: long = '' } = outputsOf(failed(text).slice(0, count), nothingDelivered)
        assert.ok(
          Buffer.byteLength(long) <= 32_000 && long.includes(text.slice(0, 4000)),
          `${Buffer.byteLength(long)} bytes`,
        )
      }
  })

  test('have the worst status of all', () => {
    const WORST_FIRST = ['failed', 'aborted', 'canceled', 'processing', 'succeeded']
    for (const [i, status] of WORST_FIRST.entries()) {
      for (const other of WORST_FIRST.slice(i)) {
        const both = [status, other].map((each) => ended(each, { status: each }))
        for (const judged of [both, both.toReversed()]) {
          assert.equal(outputsOf(judged, nothingDelivered).status, status, `${status} and ${other}`)
        }
      }
    }
  })

  test('the output predict_time is a sum without artificial digits', () => {
    const judged = [0.1, 0.2].map((predict_time, i) => ended(`id${i}`, { metrics: { predict_time } }))
    assert.equal(outputsOf(judged, nothingDelivered).predict_time, '0.3')
    assert.equal(
      outputsOf([ended('a', { metrics: { predict_time: 8.733386377 } })], nothingDelivered).predict_time,
      '8.733386377',
    )
  })

  test('the output named output is empty for a single prediction without a response, and for a single input without a prediction', () => {
    const outcome: Outcome = { id: 'a', end: 'timeout', status: '', answer: undefined, error: undefined, waited: 9 }
    const unseen = { outcome, verdict: verdictOf(outcome, '30m') }
    const refused = { name: 'hero', status: 'refused' as const, error: 'No credit.' }
    assert.equal(outputsOf([unseen], nothingDelivered).output, '')
    assert.equal(outputsOf([refused], nothingDelivered).output, '')
    assert.equal(outputsOf([ended('a', { output: null })], nothingDelivered).output, 'null')
    assert.equal(outputsOf([unseen, ended('b', { output: 'text' })], nothingDelivered).output, '[null,"text"]')
  })

  test('a total time of zero seconds is set', () => {
    const at = '2026-01-01T00:00:00Z'
    assert.equal(outputsOf([ended('a', { created_at: at, completed_at: at })], nothingDelivered).total_time, '0')
    assert.equal(outputsOf([ended('a', {})], nothingDelivered).total_time, '')
  })
})
