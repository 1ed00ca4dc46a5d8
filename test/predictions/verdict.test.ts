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
    ['that succeeded is green', ended('succeeded', { output: 'x' }), 'ok '],
    ['that succeeded with an empty list or text is green', ended('succeeded', { output: [] }), 'ok '],
    [
      'that succeeded without an output warns',
      ended('succeeded', { output: null }),
      'ok Prediction abc succeeded, but the API returned no output.',
    ],
    [
      'that succeeded with an error warns',
      ended('succeeded', { output: 'x', error: '2 of 4 images were flagged' }),
      'ok Prediction abc succeeded. The API also reports an error: 2 of 4 images were flagged.',
    ],
    [
      'that succeeded with an error in place of an output warns of both',
      ended('succeeded', { error: 'flagged' }),
      'ok Prediction abc succeeded, but the API returned no output. The API also reports an error: flagged.',
    ],
    [
      'that failed quotes the API and says what to do',
      ended('failed', { error: 'CUDA broke', model: 'o/m' }),
      `Prediction failed: Prediction abc of o/m failed: CUDA broke. ${NEW}`,
    ],
    [
      'with a code that is known says what it means',
      ended('failed', { error: 'CUDA broke (E1001)' }),
      `Prediction failed: Prediction abc failed: CUDA broke (E1001). This code means that the model ran out of memory. Request less, such as a smaller size or fewer outputs. ${NEW}`,
    ],
    [
      'with a code of the platform says that the input may be right',
      ended('failed', { error: 'Try later (E003)' }),
      `Prediction failed: Prediction abc failed: Try later (E003). This code means that demand for the model is high. The same input may succeed later. ${NEW}`,
    ],
    [
      'with a code that nobody documents only quotes it',
      ended('failed', { error: 'odd (code: constructor)' }),
      `Prediction failed: Prediction abc failed: odd (code: constructor). ${NEW}`,
    ],
    [
      'that failed without a reason quotes the last line of its log',
      ended('failed', { error: '', logs: 'loading\nMemoryError: 8 GB\n' }),
      `Prediction failed: Prediction abc failed, and the API gives no reason. The last line of its log: MemoryError: 8 GB. ${NEW}`,
    ],
    [
      'that failed without a reason and a log says so',
      ended('failed', { error: {} }),
      `Prediction failed: Prediction abc failed, and the API gives no reason. ${NEW}`,
    ],
    [
      'that was canceled says by whom',
      ended('canceled'),
      `Prediction canceled: Prediction abc was canceled, by someone else or by its own deadline. ${NEW}`,
    ],
    [
      'that was canceled with a reason quotes it',
      ended('canceled', { error: 'by a user' }),
      `Prediction canceled: Prediction abc was canceled: by a user. ${NEW}`,
    ],
    [
      'that was aborted says that it is not charged',
      ended('aborted'),
      `Prediction aborted: Prediction abc was aborted before it started; it is not charged. ${NEW}`,
    ],
    [
      'with a status that is not known says why it counts as failed',
      verdictOf(outcome({ status: 'failed', answer: answer({ status: 'paused', error: 'no credit' }) }), '30m'),
      `Prediction failed: Prediction abc failed: no credit. Its status "paused" is unknown. The prediction counts as failed, because it has stopped changing. ${NEW}`,
    ],
  ]
  for (const [name, verdict, text] of cases) test(name, () => assert.equal(message(verdict), text))

  test('whose data was removed is green with a warning', () => {
    assert.match(
      message(ended('succeeded', { data_removed: true })),
      /^ok Prediction abc succeeded, but its output has expired/,
    )
  })
})

describe('the verdict on a wait that ended before its prediction', () => {
  const AGAIN = 'It may still succeed: wait for it again with the same prediction-id'
  const NOTHING_STARTED = 'in a job that does not start predictions.'
  const running = answer({ error: 'worker 3 restarted' })
  const verdict = (more: Partial<Outcome>) => message(verdictOf(outcome({ status: 'processing', ...more }), '5s'))

  test('at the timeout says what was seen last, what the API said, and how to go on', () => {
    assert.equal(
      verdict({ end: 'timeout', answer: running, error: reset }),
      `Timed out: Prediction abc was still processing when the timeout of 5s was reached. The last request failed: GET https://api.test/v1/predictions/abc failed: the connection was reset (ECONNRESET). The API's error so far: worker 3 restarted. ${AGAIN} and a longer timeout, ${NOTHING_STARTED}`,
    )
  })
  test('at the timeout promises nothing of what was never seen', () => {
    assert.equal(
      verdict({ end: 'timeout' }),
      'Timed out: Prediction abc had not been found when the timeout of 5s was reached. No request for it had been answered by then.',
    )
  })
  test('at the timeout says that it was canceled, not that it may still succeed', () => {
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
  test('after a refusal says that the answers before were good, and how to go on', () => {
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
  test('after an answer beyond the limits says that it came three times', () => {
    const text = verdict({ end: 'refused', answer: answer({}), error: new TooLargeError(REQUEST, 2 ** 20) })
    assert.match(text, /more than 1 MiB.*The API returned such a response three times\. It may still succeed/)
  })
  test('at the start says how long it tried', () => {
    const text = verdict({ end: 'refused', status: '', error: reset })
    assert.equal(
      text,
      'The API returned no prediction: Prediction abc could not be fetched: GET https://api.test/v1/predictions/abc failed: the connection was reset (ECONNRESET). The wait ended after 61 s without a good response.',
    )
    assert.doesNotMatch(verdict({ end: 'refused', status: '', error: refusal(401) }), /wait ended|may still/)
  })
  test('by an interrupt says what was seen last', () => {
    assert.equal(
      verdict({ end: 'interrupted', answer: running }),
      `Interrupted: The wait was interrupted while prediction abc was processing. The API's error so far: worker 3 restarted. ${AGAIN}, ${NOTHING_STARTED}`,
    )
    assert.equal(
      verdict({ end: 'interrupted' }),
      'Interrupted: The wait was interrupted while prediction abc was not yet seen.',
    )
  })
  test('by an interrupt does not advise to wait again for what the post step cancels', () => {
    assert.deepEqual(verdictOf(outcome({ end: 'interrupted', answer: answer({}) }), '5s', COLLECT_BY_ID, true), {
      ok: false,
      title: 'Interrupted',
      message:
        'The wait was interrupted while prediction abc was processing. The post step cancels it, because cancel-on includes "cancelled".',
    })
  })
  test('by a bug says so', () => {
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
