import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  notFoundAsUndefined,
  pauseAfter,
  ReleaseError,
  reasonOf,
  refusalOf,
  unwrapped,
} from '../../src/runner/release-error.ts'

/** What octokit throws for an answer. */
const answered = (status: number, data: unknown = '', headers: Record<string, string> = {}) =>
  Object.assign(new Error('x'), { status, response: { status, data, headers } })
const unanswered = Object.assign(new Error('x', { cause: new Error('reset') }), { status: 500 })
const validation = (...errors: unknown[]) => answered(422, { message: 'Validation Failed', errors })

describe('the refusal of a call', () => {
  test('an answer of the API is data: its status, its codes, and what it says', () => {
    const error = validation(
      { resource: 'ReleaseAsset', code: 'already_exists', field: 'name' },
      { code: 'custom', field: 'file_count', message: 'Too many.' },
      { code: 'custom' },
      {},
      'odd',
    )
    assert.deepEqual(refusalOf(error), {
      status: 422,
      headers: {},
      codes: ['already_exists', 'file_count', '', ''],
      said: 'Validation Failed: name already_exists; Too many.; custom; ',
      isOfApi: true,
    })
  })

  test('the body of an answer may be JSON in a text', () => {
    const { codes, isOfApi, said } = refusalOf(answered(422, '{"message":"No.","errors":[{"code":"a"}]}'))
    assert.deepEqual([codes, isOfApi, said], [['a'], true, 'No.: a'])
  })

  test('a page is of something on the way, and cut to its title', () => {
    const refusal = refusalOf(answered(403, '<html><title>Blocked</title></html>', { date: 'x' }))
    assert.deepEqual(refusal, {
      status: 403,
      headers: { date: 'x' },
      codes: [],
      said: 'a web page titled "Blocked"',
      isOfApi: false,
    })
  })

  test('errors that are no list are ignored, and so are headers that are no object', () => {
    const error = Object.assign(new Error('x'), { response: { status: 400, data: { errors: 'x' }, headers: null } })
    const { codes, headers } = refusalOf(error)
    assert.deepEqual([codes, headers], [[], {}])
  })

  test('an error without an answer has no status, whatever octokit says', () => {
    const nothing = { status: undefined, headers: {}, codes: [], said: '', isOfApi: false }
    for (const error of [unanswered, new Error('x'), 'x', null]) assert.deepEqual(refusalOf(error), nothing)
  })
})

describe('the pause after a failed call', () => {
  const random = () => 0.5
  const pause = (error: unknown, more: object = {}) => pauseAfter(error, 1, { random, ...more })
  const BACK_OFF = pause(unanswered) ?? 0

  test('transient statuses and failures without an answer back off', () => {
    assert.ok(BACK_OFF > 0)
    assert.ok((pauseAfter(unanswered, 2, { random }) ?? 0) > BACK_OFF)
    for (const status of [408, 500, 502, 503, 504]) assert.equal(pause(answered(status)), BACK_OFF, `${status}`)
    assert.equal(pause(answered(503, '', { 'retry-after': '60' })), 60)
    assert.equal(pause(answered(503, '', { 'retry-after': '0' })), BACK_OFF)
  })

  test('permanent statuses are not retried', () => {
    for (const status of [400, 401, 403, 404, 409, 413, 422, 501])
      assert.equal(pause(answered(status)), undefined, `${status}`)
  })

  test('a rate limit is waited out, a 429 without a time backs off', () => {
    assert.equal(pause(answered(429)), BACK_OFF)
    for (const status of [403, 429]) assert.equal(pause(answered(status, '', { 'retry-after': '7' })), 7)
    const date = 'Thu, 01 Jan 2026 00:00:00 GMT'
    const at = (seconds: number, remaining = '0') => ({
      date,
      'x-ratelimit-remaining': remaining,
      'x-ratelimit-reset': String(Date.parse(date) / 1000 + seconds),
    })
    assert.equal(pause(answered(403, '', at(90))), 91)
    assert.equal(pause(answered(403, '', at(0))), 1)
    assert.equal(pause(answered(403, '', at(-1))), undefined)
    assert.equal(pause(answered(403, '', at(90, '12'))), undefined)
    assert.equal(pause(answered(403, '', { 'x-ratelimit-remaining': '0' })), undefined)
  })

  test('a rate limit without a date counts from now', () => {
    const reset = String(Math.floor(Date.now() / 1000) + 100)
    const found = pause(answered(403, '', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset })) ?? 0
    assert.ok(found > 90 && found <= 102, `${found} s`)
  })

  test('a 404 passes where the call says that something was made a moment ago', () => {
    assert.equal(pause(answered(404), { lag: true }), BACK_OFF)
    assert.equal(pause(answered(400), { lag: true }), undefined)
  })

  test('a 422 passes where the call says so, unless its code is permanent', () => {
    assert.equal(pause(validation({ code: 'custom' }), { unprocessable: true }), BACK_OFF)
    assert.equal(pause(validation({ code: 'already_exists' }), { unprocessable: true }), undefined)
    assert.equal(
      pause(validation({ code: 'x' }, { code: 'custom', field: 'file_count' }), { unprocessable: true }),
      undefined,
    )
    assert.equal(pause(answered(400), { unprocessable: true }), undefined)
  })
})

describe('the reason of a refusal', () => {
  const reason = (error: ReturnType<typeof answered>) => reasonOf(error.status, refusalOf(error))

  test('each reason says what to do, if there is something', () => {
    assert.equal(reason(answered(401)), 'github-token is not valid (401).')
    assert.equal(reason(answered(403)), '403. The job needs the permission contents: write.')
    assert.equal(
      reason(answered(404, { message: 'Not Found' })),
      '404, Not Found. The job needs the permission contents: write.',
    )
    assert.equal(reason(answered(413)), '413. The file is larger than the server or the quota of the owner allows.')
    assert.equal(reason(answered(400, { message: 'Bad.' })), '400, Bad.')
    assert.equal(
      reason(validation({ code: 'already_exists', field: 'name' })),
      'an asset of that name was added in the meantime (422). Set overwrite: true to replace it.',
    )
    assert.equal(reason(validation({ code: 'file_count' })), '422, Validation Failed: file_count.')
  })

  test('a rate limit is named with its minutes', () => {
    assert.equal(
      reason(answered(403, '', { 'retry-after': '61' })),
      'the rate limit of github-token is exceeded for another 2 minutes (403).',
    )
    assert.match(reason(answered(429, '', { 'retry-after': '60' })), /another 1 minute \(429\)\.$/)
  })
})

test('a cause that octokit wraps is the error; without one it is the error itself', () => {
  assert.equal(unwrapped(unanswered), unanswered.cause)
  const plain = new Error('x')
  assert.equal(unwrapped(plain), plain)
  assert.equal(unwrapped('x'), 'x')
})

test('a 404 is undefined, other errors are thrown', () => {
  assert.equal(notFoundAsUndefined(answered(404)), undefined)
  const error = answered(410)
  assert.throws(
    () => notFoundAsUndefined(error),
    (thrown) => thrown === error,
  )
})

test('a release error concerns one file and has no codes, unless it says so', () => {
  const plain = new ReleaseError('No.')
  assert.deepEqual([plain.codes, plain.concernsAll, plain.message, plain.cause], [[], false, 'No.', undefined])
  const cause = new Error('x')
  const all = new ReleaseError('No.', { codes: ['a'], concernsAll: true, cause })
  assert.deepEqual([all.codes, all.concernsAll, all.cause], [['a'], true, cause])
})
