import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../src/predictions/answer.ts'
import { ConnectionError, RefusalError, TooLargeError } from '../../src/predictions/errors.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { COLLECT_BY_ID, reasonOf, type Verdict, verdictOf } from '../../src/predictions/verdict.ts'

const answer = (prediction: object): Answer => {
  const body = { id: 'abc', status: 'processing', ...prediction }
  return { prediction: body, body }
}
const outcome = (more: Partial<Outcome>): Outcome => ({
  id: 'abc',
  end: 'ended',
  status: 'failed',
  answer: undefined,
  error: undefined,
  waited: 61.4,
  ...more,
})
const ended = (status: string, prediction: object = {}) =>
  verdictOf(outcome({ status, answer: answer({ status, ...prediction }) }), '30m')
const message = (verdict: Verdict) =>
  verdict.ok ? `ok ${verdict.warning ?? ''}` : `${verdict.title}: ${verdict.message}`

const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions/abc', call: 'get' } as const
const refusal = (status: number, text = '') => new RefusalError(REQUEST, { status, headers: {}, text })
const reset = new ConnectionError(REQUEST, Object.assign(new Error('reset'), { code: 'ECONNRESET' }))

describe('the verdict on a prediction that has ended', () => {
  const NEW = 'A prediction that has ended does not change: start a new one.'
  const cases: [string, Verdict, string][] = [
    ['that succeeded passes', ended('succeeded', { output: 'x' }), 'ok '],
    ['that succeeded with an empty list passes', ended('succeeded', { output: [] }), 'ok '],
    [
      'that succeeded without an output passes with a warning',
      ended('succeeded', { output: null }),
      'ok Prediction abc succeeded, but the API returned no output.',
    ],
    [
      'that succeeded with an error passes with a warning',
      ended('succeeded', { output: 'x', error: '2 of 4 images were flagged' }),
      'ok Prediction abc succeeded. The API also reports an error: 2 of 4 images were flagged.',
    ],
    [
      'that succeeded with an error in place of an output passes with a warning of both',
      ended('succeeded', { error: 'flagged' }),
      'ok Prediction abc succeeded, but the API returned no output. The API also reports an error: flagged.',
    ],
    [
      'that failed is reported with the error of the API and what to do',
      ended('failed', { error: 'CUDA broke', model: 'o/m' }),
      `Prediction failed: Prediction abc of o/m failed: CUDA broke. ${NEW}`,
    ],
    [
      'with a known error code is reported with the meaning of the code',
      ended('failed', { error: 'CUDA broke (E1001)' }),
      `Prediction failed: Prediction abc failed: CUDA broke (E1001). This code means that the model ran out of memory. Request less, such as a smaller size or fewer outputs. ${NEW}`,
    ],
    [
      'with an error code of the platform is reported as one whose input may succeed later',
      ended('failed', { error: 'Try later (E003)' }),
      `Prediction failed: Prediction abc failed: Try later (E003). This code means that demand for the model is high. The same input may succeed later. ${NEW}`,
    ],
    [
      'with an unknown error code is reported with the code only',
      ended('failed', { error: 'odd (code: constructor)' }),
      `Prediction failed: Prediction abc failed: odd (code: constructor). ${NEW}`,
    ],
    [
      'that failed without a reason is reported with the last line of its log',
      ended('failed', { error: '', logs: 'loading\nMemoryError: 8 GB\n' }),
      `Prediction failed: Prediction abc failed, and the API gives no reason. The last line of its log: MemoryError: 8 GB. ${NEW}`,
    ],
    [
      'that failed without a reason and without a log is reported as such',
      ended('failed', { error: {} }),
      `Prediction failed: Prediction abc failed, and the API gives no reason. ${NEW}`,
    ],
    [
      'that was canceled is reported with who may have canceled it',
      ended('canceled'),
      `Prediction canceled: Prediction abc was canceled, by someone else or by its own deadline. ${NEW}`,
    ],
    [
      'that was canceled with a reason is reported with that reason',
      ended('canceled', { error: 'by a user' }),
      `Prediction canceled: Prediction abc was canceled: by a user. ${NEW}`,
    ],
    [
      'that was aborted is reported as not charged',
      ended('aborted'),
      `Prediction aborted: Prediction abc was aborted before it started; it is not charged. ${NEW}`,
    ],
    [
      'with an unknown status is reported with why it counts as failed',
      verdictOf(outcome({ status: 'failed', answer: answer({ status: 'paused', error: 'no credit' }) }), '30m'),
      `Prediction failed: Prediction abc failed: no credit. Its status "paused" is unknown. The prediction counts as failed, because it has stopped changing. ${NEW}`,
    ],
  ]
  for (const [name, verdict, text] of cases) test(`a prediction ${name}`, () => assert.equal(message(verdict), text))

  test('a prediction whose data was removed passes with a warning', () => {
    assert.match(
      message(ended('succeeded', { data_removed: true })),
      /^ok Prediction abc succeeded, but its output has expired/,
    )
  })
})

test('a prediction without a response has a verdict, whatever ended its wait', () => {
  const NEW = 'A prediction that has ended does not change: start a new one.'
  for (const [more, text] of [
    [{ status: 'succeeded' }, 'ok '],
    [{ status: 'failed' }, `Prediction failed: Prediction abc failed, and the API gives no reason. ${NEW}`],
    [{ end: 'refused' }, 'The API returned no prediction: Prediction abc could not be fetched: the API refused.'],
    [{ end: 'interrupted' }, 'Interrupted: The wait was interrupted while prediction abc was not yet seen.'],
  ] as const) {
    assert.equal(message(verdictOf(outcome(more), '5s')), text)
  }
  const failed = outcome({})
  assert.equal(
    reasonOf({ outcome: failed, verdict: verdictOf(failed, '5s') }),
    `Prediction abc failed, and the API gives no reason. ${NEW}`,
  )
})

describe('the verdict on a wait that ended before its prediction', () => {
  const AGAIN = 'It may still succeed: wait for it again with the same prediction-id'
  const NOTHING_STARTED = 'in a job that does not start predictions.'
  const running = answer({ error: 'worker 3 restarted' })
  const verdict = (more: Partial<Outcome>) => message(verdictOf(outcome({ status: 'processing', ...more }), '5s'))

  test('a timeout is reported with the last status, the error of the API and how to go on', () => {
    assert.equal(
      verdict({ end: 'timeout', answer: running, error: reset }),
      `Timed out: Prediction abc was still processing when the timeout of 5s was reached. The last request failed: GET https://api.test/v1/predictions/abc failed: the connection was reset (ECONNRESET). The API's error so far: worker 3 restarted. ${AGAIN} and a longer timeout, ${NOTHING_STARTED}`,
    )
  })
  test('a timeout before any response does not promise that the prediction may succeed', () => {
    assert.equal(
      verdict({ end: 'timeout' }),
      'Timed out: Prediction abc had not been found when the timeout of 5s was reached. No request for it had been answered by then.',
    )
  })
  test('a timeout is reported with its cancellation, and promises a success only if that failed', () => {
    const canceled = verdict({ end: 'timeout', answer: answer({}), cancellation: { id: 'abc', end: 'canceled' } })
    assert.equal(
      canceled,
      'Timed out and canceled: Prediction abc was still processing when the timeout of 5s was reached, and was canceled. A prediction that has ended does not change: start a new one, with a longer timeout.',
    )
    const over = verdict({
      end: 'timeout',
      answer: answer({}),
      cancellation: { id: 'abc', end: 'over', status: 'succeeded' },
    })
    assert.match(
      over,
      /It had already ended \(succeeded\) before it could be canceled\. Wait for it again with the same prediction-id, in a job/,
    )
    const failed = verdict({
      end: 'timeout',
      answer: answer({}),
      cancellation: { id: 'abc', end: 'failed', error: undefined },
    })
    assert.match(failed, /It may still succeed/)
  })
  test('a refusal after good responses is reported as such, with how to go on', () => {
    const text = verdict({ end: 'refused', answer: running, error: refusal(401) })
    assert.match(
      text,
      /^The API refuses further requests: Prediction abc, last seen processing, could not be fetched: GET .* 401 Unauthorized/,
    )
    assert.match(
      text,
      /for at least the last minute, every response was like this one\. The API's error so far: worker 3 restarted\. It may still succeed/,
    )
    assert.ok(text.endsWith(`${AGAIN}, ${NOTHING_STARTED}`))
  })
  test('a response beyond the limits is reported as received three times', () => {
    const text = verdict({ end: 'refused', answer: answer({}), error: new TooLargeError(REQUEST, 2 ** 20) })
    assert.match(text, /more than 1 MiB.*The API returned such a response three times\. It may still succeed/)
  })
  test('a wait without a good response is reported with its duration', () => {
    const text = verdict({ end: 'refused', status: '', error: reset })
    assert.equal(
      text,
      'The API returned no prediction: Prediction abc could not be fetched: GET https://api.test/v1/predictions/abc failed: the connection was reset (ECONNRESET). The wait ended after 61 s without a good response.',
    )
    assert.doesNotMatch(verdict({ end: 'refused', status: '', error: refusal(401) }), /wait ended|may still/)
  })
  test('an interrupted wait is reported with the last status', () => {
    assert.equal(
      verdict({ end: 'interrupted', answer: running }),
      `Interrupted: The wait was interrupted while prediction abc was processing. The API's error so far: worker 3 restarted. ${AGAIN}, ${NOTHING_STARTED}`,
    )
    assert.equal(
      verdict({ end: 'interrupted' }),
      'Interrupted: The wait was interrupted while prediction abc was not yet seen.',
    )
  })
  test('an interrupted wait gives no advice to wait again if the post step cancels the prediction', () => {
    assert.deepEqual(verdictOf(outcome({ end: 'interrupted', answer: answer({}) }), '5s', COLLECT_BY_ID, true), {
      ok: false,
      title: 'Interrupted',
      message:
        'The wait was interrupted while prediction abc was processing. The post step cancels it, because cancel-on includes "cancelled".',
    })
  })
  test('a bug is reported as an internal error', () => {
    assert.match(
      verdict({ end: 'crashed', answer: answer({}), bug: new TypeError('x is not a function') }),
      /^Internal error: The wait for prediction abc ended because of a bug in this action: x is not a function\. Please report it/,
    )
  })
})

test('the reason is the error of the API if the prediction has ended, otherwise the message of this action', () => {
  const judge = (each: Outcome) => reasonOf({ outcome: each, verdict: verdictOf(each, '5s') })
  assert.equal(judge(outcome({ answer: answer({ status: 'failed', error: 'CUDA broke' }) })), 'CUDA broke')
  assert.match(judge(outcome({ answer: answer({ status: 'failed' }) })), /the API gives no reason/)
  assert.match(
    judge(outcome({ end: 'timeout', status: 'processing', answer: answer({ error: 'worker 3 restarted' }) })),
    /timeout of 5s was reached.*worker 3 restarted/,
  )
  assert.equal(judge(outcome({ status: 'succeeded', answer: answer({ status: 'succeeded', output: 'x' }) })), '')
})
