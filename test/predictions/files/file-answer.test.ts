import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  InterruptedTransfer,
  isWebPage,
  lengthOfPart,
  type Refused,
  refusalOf,
} from '../../../src/predictions/files/file-answer.ts'
import { PermanentError, WebPageError } from '../../../src/predictions/files/file-error.ts'
import type { Headers } from '../../../src/predictions/http.ts'

/** A prediction whose end the step saw at second 1000 of the clock. */
const fresh = { seenAt: 1000, age: 0, deadline: 2800 }
const asked: Refused = { ending: fresh, now: 1010, ofApi: false, keyed: false, hasExtension: true }
const refusal = (status: number, more: Partial<Refused> = {}, headers: Headers = {}) =>
  refusalOf(status, headers, { ...asked, ...more })
const html = { 'content-type': 'text/html; charset=utf-8' }

describe('an answer without a file', () => {
  test('a transient status for a file interrupts the transfer, with the pause that the server asks for', () => {
    for (const status of [408, 429, 500, 502, 503]) {
      const error = refusal(status, {}, { 'retry-after': '7' })
      assert.ok(error instanceof InterruptedTransfer)
      assert.equal(error.message, `the server returned ${status}`)
      assert.deepEqual(
        [error.retryAfter, error.overloaded, error.until],
        [7, status === 429 || status === 503, Number.POSITIVE_INFINITY],
      )
    }
  })
  test('a 403 or 404 for a file is transient for half a minute after the end', () => {
    for (const status of [403, 404]) {
      const early = refusal(status, { now: 1029 }, { 'retry-after': '3' })
      assert.ok(early instanceof InterruptedTransfer)
      assert.deepEqual([early.until, early.retryAfter, early.overloaded], [1030, 3, false])
      assert.ok(refusal(status, { now: 1030 }) instanceof PermanentError)
    }
    assert.ok(refusal(410, { now: 1001 }) instanceof PermanentError)
    assert.ok(refusal(404, { now: 1001, ending: { ...fresh, age: 61 } }) instanceof PermanentError)
  })
  test('any other status for a file is permanent, and the message says what it means', () => {
    const at = { now: 1100 }
    const words: [number, Partial<Refused>, string][] = [
      [400, at, 'the server returned 400'],
      [401, { ...at, keyed: true, ofApi: true }, 'the server returned 401: it does not accept the key'],
      [401, at, 'the server returned 401: it requires credentials, but files are downloaded without any'],
      [403, at, 'the server returned 403: the link is not valid, or no longer valid'],
      [404, at, 'the server returned 404: there is no such file'],
      [410, at, 'the server returned 410: the file no longer exists'],
    ]
    for (const [status, more, message] of words) {
      const error = refusal(status, more)
      assert.ok(error instanceof PermanentError && !(error instanceof WebPageError))
      assert.equal(error.message, message)
    }
    assert.match(refusal(401, { ...at, ofApi: true }).message, /401: it requires the API key, .*step of your own$/)
  })
  test('a file is said to have expired only if an hour may have passed', () => {
    const old = { ending: { ...fresh, age: undefined } }
    for (const status of [403, 404, 410])
      assert.match(refusal(status, { ...old, now: 1100 }).message, /it has probably expired/)
    assert.doesNotMatch(refusal(400, { ...old, now: 1100 }).message, /expired/)
    assert.doesNotMatch(refusal(404, { now: 4000 }).message, /expired/)
    assert.match(refusal(404, { now: 4300 }).message, /expired/)
    assert.doesNotMatch(refusal(404, { now: 9999, ending: { ...fresh, expires: false } }).message, /expired/)
  })
  test('an HTML response is a web page only for a link without an extension', () => {
    const page = { now: 1100, hasExtension: false }
    assert.ok(refusal(404, page, html) instanceof WebPageError)
    assert.ok(!(refusal(404, { ...page, hasExtension: true }, html) instanceof WebPageError))
    assert.ok(!(refusal(404, page) instanceof WebPageError))
    const pages = [refusal(503, page, html), refusal(404, { ...page, now: 1001 }, html), refusal(503, page)]
    assert.deepEqual(
      pages.map((error) => error instanceof InterruptedTransfer && error.page),
      [true, true, false],
    )
  })
})

test('a web page is recognized by its content type', () => {
  for (const type of ['text/html', 'TEXT/HTML; charset=utf-8', 'application/xhtml+xml'])
    assert.equal(isWebPage({ 'content-type': type }), true, type)
  for (const type of ['text/plain', 'text/htmlx', 'x-text/html', undefined])
    assert.equal(isWebPage({ 'content-type': type }), false, type)
})

test('a partial response counts only if it has the requested range and the total length', () => {
  const length = (range: string | undefined, from: number) => lengthOfPart({ 'content-range': range }, from)
  assert.equal(length('bytes 100-199/200', 100), 200)
  assert.equal(length(' bytes 0-0/1 ', 0), 1)
  for (const range of [
    undefined,
    '',
    'bytes 100-199/*',
    'bytes 0-199/200',
    'bytes 101-199/200',
    'bytes 100-99/200',
    'bytes 100-200/200',
    'items 100-199/200',
    'bytes 100-199/200, 1',
    'x bytes 100-199/200',
  ])
    assert.equal(length(range, 100), undefined, range)
})

test('an interrupted transfer has no pause and no overload by default', () => {
  const { message, retryAfter, overloaded, until, page } = new InterruptedTransfer('it broke off')
  assert.deepEqual(
    { message, retryAfter, overloaded, until, page },
    { message: 'it broke off', retryAfter: undefined, overloaded: false, until: Number.POSITIVE_INFINITY, page: false },
  )
})
