import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { progressLog, readAnswer } from '../../src/predictions/answer.ts'
import { APIS } from '../../src/predictions/apis/index.ts'
import {
  type ApiError,
  BrokenAnswerError,
  NotAPredictionError,
  RefusedInBodyError,
  TooDeepError,
  TooManyPartsError,
  UnknownIdError,
} from '../../src/predictions/errors.ts'
import { MOST_PARTS } from '../../src/predictions/json.ts'

const request = { method: 'GET', url: 'https://api.example/v1/predictions/abc' } as const
const task = { id: 'task-1', apiUrl: 'https://api.example' }
const apiOf = (name: string) => APIS.find((api) => api.name === name)
const read = (text: string, api?: string) => readAnswer(request, text, api === undefined ? undefined : apiOf(api), task)

function errorOf<T extends ApiError>(type: new (...args: never) => T, text: string, api?: string): T {
  try {
    read(text, api)
  } catch (error) {
    assert.ok(error instanceof type, `${error}`)
    return error
  }
  assert.fail(`${text.slice(0, 80)} is read as a prediction`)
}

describe('an answer that is a prediction', () => {
  test('has what we read of it, and the whole body', () => {
    const answer = read(' {"id": "abc", "status": "starting", "more": [1]}\n')
    assert.deepEqual(answer.prediction, { id: 'abc', status: 'starting' })
    assert.deepEqual(answer.body, { id: 'abc', status: 'starting', more: [1] })
    assert.deepEqual(
      [answer.hadNonFinite, answer.progress, answer.refresh, answer.lookup, answer.linkLife],
      [false, undefined, undefined, undefined, 'an hour'],
    )
  })
  test('has what the API of a task tells beside it', () => {
    const { progress, refresh, linkLife } = read(
      '{"code": "success", "data": {"status": "IN_PROGRESS", "progress": "30%", "data": {}}}',
      'runway',
    )
    assert.deepEqual({ progress, refresh, linkLife }, { progress: 0.3, refresh: 15, linkLife: 'unknown' })
  })
  test('may hold numbers that JSON does not have', () => {
    assert.equal(read('{"id": "abc", "status": "starting", "output": NaN}').hadNonFinite, true)
  })
})

test('progress is looked for in the log, unless the API tells it as a number', () => {
  const prediction = { id: 'abc', status: 'processing', logs: '45%' }
  assert.equal(progressLog({ prediction, body: {} }), '45%')
  assert.equal(progressLog({ prediction: { id: 'abc', status: 'processing' }, body: {} }), '')
  assert.equal(progressLog({ prediction, body: {}, progress: 0.123456 }), '12.35 %')
})

describe('an answer that is no prediction', () => {
  test('is an unknown ID in the form of the API', () => {
    errorOf(UnknownIdError, '{"code": "task_not_exist", "data": null}', 'suno')
    errorOf(UnknownIdError, ' \n', 'midjourney')
  })
  test('is a refusal in the body', () => {
    const error = errorOf(
      RefusedInBodyError,
      '{"base_resp": {"status_code": 1008, "status_msg": "no balance"}}',
      'minimax',
    )
    assert.match(error.message, /was refused: no balance \(code: 1008\)\.$/)
    assert.equal(error.retryability, 'permanent')
  })
  test('is a list of all predictions, if the ID was lost on the way', () => {
    const error = errorOf(NotAPredictionError, '{"results": [], "next": null}')
    assert.match(error.message, /returned the list of all predictions, .* Check prediction-id/)
  })
  test('is other JSON, named by its first keys', () => {
    const keys = Array.from({ length: 12 }, (_, i) => `k${i}`)
    const error = errorOf(NotAPredictionError, JSON.stringify(Object.fromEntries(keys.map((key) => [key, 1]))))
    assert.match(
      error.message,
      /JSON without the strings id and status \(its keys: k0, k1, k2, k3, k4, k5, k6, k7\), not/,
    )
    assert.match(errorOf(NotAPredictionError, '{}').message, /\(its keys: none\)/)
    const long = errorOf(NotAPredictionError, JSON.stringify({ ['x'.repeat(500)]: 1 })).message
    assert.match(long, /\(its keys: x{200}\)/)
  })
  test('is a list, or a single value', () => {
    assert.match(errorOf(NotAPredictionError, '[1]').message, /returned a JSON array, /)
    assert.match(errorOf(NotAPredictionError, '"text"').message, /returned the JSON value "text", /)
    assert.match(
      errorOf(NotAPredictionError, '12345678901234567890').message,
      /returned the JSON value 12345678901234567890, /,
    )
    assert.match(errorOf(NotAPredictionError, `"${'x'.repeat(200)}"`).message, /the JSON value "x{79}, not/)
  })
  test('is a broken one if it is empty, or JSON that breaks off', () => {
    assert.match(errorOf(BrokenAnswerError, '').message, /it is empty/)
    assert.match(errorOf(BrokenAnswerError, '{"id": "abc"').message, /is incomplete or damaged \(12 characters\)/)
    assert.match(errorOf(BrokenAnswerError, '[1,').message, /is incomplete or damaged \(3 characters\)/)
  })
  test('is text, quoted by its start, also if braces stand in it', () => {
    assert.match(errorOf(NotAPredictionError, 'no { json').message, /text that is not JSON \("no \{ json"\)/)
    assert.match(errorOf(NotAPredictionError, 'x'.repeat(200)).message, /\("x{80}"\)/)
  })
  test('is a page, whose advice is about the address or about the edge', () => {
    const page = errorOf(NotAPredictionError, '<html><title>Home</title>')
    assert.match(page.message, /a web page titled "Home", .*path of api-url is probably wrong/)
    assert.equal(page.scope, 'account')
    assert.match(
      errorOf(NotAPredictionError, '<title>Just a moment...</title>').message,
      /mistakes the runner for a bot/,
    )
  })
  test('is beyond a limit if it is too deep or has too many parts', () => {
    assert.match(errorOf(TooDeepError, `${'['.repeat(300)}${']'.repeat(300)}`).message, /nested deeper than \d+ levels/)
    errorOf(TooManyPartsError, `[${'[],'.repeat(MOST_PARTS)}[]]`)
  })
})
