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
import { JSON_LIMITS } from '../../src/predictions/json/limits.ts'

const request = { method: 'GET', url: 'https://api.example/v1/predictions/abc' } as const
const task = { id: 'task-1', apiUrl: 'https://api.example' }
const apiOf = (name: string) => APIS.find((api) => api.name === name)
const read = (text: string, api?: string) => readAnswer(request, text, api === undefined ? undefined : apiOf(api), task)

async function errorOf<T extends ApiError>(type: new (...args: never) => T, text: string, api?: string): Promise<T> {
  try {
    await read(text, api)
  } catch (error) {
    assert.ok(error instanceof type, `${error}`)
    return error
  }
  assert.fail(`${text.slice(0, 80)} is read as a prediction`)
}

describe('an answer that is a prediction', () => {
  test('reading a prediction returns its known fields and the whole body', async () => {
    const answer = await read(' {"id": "abc", "status": "starting", "more": [1]}\n')
    assert.deepEqual(answer.prediction, { id: 'abc', status: 'starting' })
    assert.deepEqual(answer.body, { id: 'abc', status: 'starting', more: [1] })
    assert.deepEqual(
      [answer.hadNonFinite, answer.progress, answer.refresh, answer.lookup, answer.linkLife],
      [false, undefined, undefined, undefined, 'documented'],
    )
  })
  test('reading a response of a task API also returns the progress, the refresh interval and the life of links', async () => {
    const { progress, refresh, linkLife } = await read(
      '{"code": "success", "data": {"status": "IN_PROGRESS", "progress": "30%", "data": {}}}',
      'runway',
    )
    assert.deepEqual({ progress, refresh, linkLife }, { progress: 0.3, refresh: 15, linkLife: 'unknown' })
  })
  test('a response with a non-finite number is read and marked', async () => {
    assert.equal((await read('{"id": "abc", "status": "starting", "output": NaN}')).hadNonFinite, true)
  })
})

test('progress is read from the log, unless the API reports it as a number', () => {
  const prediction = { id: 'abc', status: 'processing', logs: '45%' }
  assert.equal(progressLog({ prediction, body: {} }), '45%')
  assert.equal(progressLog({ prediction: { id: 'abc', status: 'processing' }, body: {} }), '')
  assert.equal(progressLog({ prediction, body: {}, progress: 0.123456 }), '12.35 %')
})

describe('an answer that is no prediction', () => {
  test('a response that reports an unknown ID is recognized, in the form of each API', async () => {
    await errorOf(UnknownIdError, '{"code": "task_not_exist", "data": null}', 'suno')
    await errorOf(UnknownIdError, ' \n', 'midjourney')
  })
  test('a refusal in the body is an error with the message and the code of the API', async () => {
    const error = await errorOf(
      RefusedInBodyError,
      '{"base_resp": {"status_code": 1008, "status_msg": "no balance"}}',
      'minimax',
    )
    assert.match(error.message, /was refused: no balance \(code: 1008\)\.$/)
    assert.equal(error.retryability, 'permanent')
  })
  test('a list of all predictions in place of one gives the advice to check prediction-id', async () => {
    const error = await errorOf(NotAPredictionError, '{"results": [], "next": null}')
    assert.match(error.message, /returned the list of all predictions, .* Check prediction-id/)
  })
  test('an error about other JSON names its first eight keys', async () => {
    const keys = Array.from({ length: 12 }, (_, i) => `k${i}`)
    const error = await errorOf(NotAPredictionError, JSON.stringify(Object.fromEntries(keys.map((key) => [key, 1]))))
    assert.match(
      error.message,
      /JSON without the strings id and status \(its keys: k0, k1, k2, k3, k4, k5, k6, k7\), not/,
    )
    assert.match((await errorOf(NotAPredictionError, '{}')).message, /\(its keys: none\)/)
    const long = (await errorOf(NotAPredictionError, JSON.stringify({ ['x'.repeat(500)]: 1 }))).message
    assert.match(long, /\(its keys: x{200}…\)/)
  })
  test('an error about other JSON quotes the message that the gateway put into it', async () => {
    const bodies = [
      { code: 'upstream_error', message: 'channel is not available', data: null },
      { success: false, error: { message: 'channel is not available' } },
      { status: 1, msg: 'channel is not available' },
    ]
    for (const body of bodies)
      assert.match(
        (await errorOf(NotAPredictionError, JSON.stringify(body))).message,
        /, not a prediction\. It says: channel is not available\. Check that api-url/,
      )
  })
  test('an error about the response of a task API says to check api and api-url', async () => {
    for (const body of ['{"id": "a"}', '[]', '5', 'not found'])
      assert.match(
        (await errorOf(NotAPredictionError, body, 'luma')).message,
        /, not a prediction\. Check that the task is one of api: luma, and that api-url is the root URL of the gateway\.$/,
      )
  })
  test('an error about a JSON array or a single JSON value says which it is', async () => {
    assert.match((await errorOf(NotAPredictionError, '[1]')).message, /returned a JSON array, /)
    assert.match((await errorOf(NotAPredictionError, '"text"')).message, /returned the JSON value "text", /)
    assert.match(
      (await errorOf(NotAPredictionError, '12345678901234567890')).message,
      /returned the JSON value 12345678901234567890, /,
    )
    assert.match((await errorOf(NotAPredictionError, `"${'x'.repeat(200)}"`)).message, /the JSON value "x{79}…, not/)
  })
  test('a response that is empty or whose JSON breaks off is reported as broken', async () => {
    assert.match((await errorOf(BrokenAnswerError, '')).message, /it is empty/)
    assert.match(
      (await errorOf(BrokenAnswerError, '{"id": "abc"')).message,
      /is incomplete or damaged \(12 characters\)/,
    )
    assert.match((await errorOf(BrokenAnswerError, '[1,')).message, /is incomplete or damaged \(3 characters\)/)
  })
  test('an error about text that is not JSON quotes its start', async () => {
    assert.match((await errorOf(NotAPredictionError, 'no { json')).message, /text that is not JSON \("no \{ json"\)/)
    assert.match((await errorOf(NotAPredictionError, 'x'.repeat(200))).message, /\("x{80}…"\)/)
  })
  test('an error about a web page blames the path of api-url, or the bot check if the page is one', async () => {
    const page = await errorOf(NotAPredictionError, '<html><title>Home</title>')
    assert.match(page.message, /a web page titled "Home", .*path of api-url is probably wrong/)
    assert.equal(page.scope, 'account')
    assert.match(
      (await errorOf(NotAPredictionError, '<title>Just a moment...</title>')).message,
      /mistakes the runner for a bot/,
    )
  })
  test('a response that is nested too deeply or has too many parts is refused', async () => {
    assert.match(
      (await errorOf(TooDeepError, `${'['.repeat(300)}${']'.repeat(300)}`)).message,
      /nested deeper than \d+ levels/,
    )
    await errorOf(TooManyPartsError, `[${'[],'.repeat(JSON_LIMITS.parts)}[]]`)
  })
})
