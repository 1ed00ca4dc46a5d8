import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { describe, test } from 'node:test'
import {
  contentTypeOf,
  discard,
  type Headers,
  headerOf,
  REDIRECT_STATUSES,
  requestTarget,
  retryAfter,
  retryAfterOf,
  TRANSIENT_STATUSES,
} from '../../src/predictions/http.ts'

test('transient statuses are those of a busy or broken server, and no others', () => {
  const transient = Array.from({ length: 600 }, (_, status) => status).filter((status) =>
    TRANSIENT_STATUSES.has(status),
  )
  const server = Array.from({ length: 100 }, (_, i) => 500 + i).filter((status) => status !== 501)
  assert.deepEqual(transient, [408, 409, 423, 425, 429, 460, 499, ...server])
})

test('redirect statuses are those that name a target', () => {
  assert.deepEqual([...REDIRECT_STATUSES], [301, 302, 303, 307, 308])
})

test('the first of several values of a header is used', () => {
  assert.equal(headerOf({ etag: 'a' }, 'etag'), 'a')
  assert.equal(headerOf({ etag: ['a', 'b'] }, 'etag'), 'a')
  assert.equal(headerOf({}, 'etag'), undefined)
})

test('the media type of a response has no parameters and no capital letters', () => {
  assert.equal(contentTypeOf({ 'content-type': 'Image/SVG+xml; charset=utf-8' }), 'image/svg+xml')
  assert.equal(contentTypeOf({ 'content-type': ['application/vnd.api-1.x', 'text/html'] }), 'application/vnd.api-1.x')
  for (const none of ['', 'nonsense', '; text/html']) assert.equal(contentTypeOf({ 'content-type': none }), '', none)
  assert.equal(contentTypeOf({}), '')
})

test('the target of a request is its origin and its path with the query', () => {
  assert.deepEqual(requestTarget(new URL('https://u:p@a.example:8443/b/c?d=e#f')), {
    origin: 'https://a.example:8443',
    path: '/b/c?d=e',
  })
})

test('an error of a discarded body is ignored', async () => {
  const body = new PassThrough()
  discard(body as never)
  body.emit('error', new Error('reset'))
  assert.equal(body.destroyed, true)
})

describe('the pause that an answer asks for', () => {
  const now = 'Sun, 01 Mar 2026 12:00:00 GMT'
  const hint = (headers: Headers, body?: unknown, text = '') => retryAfter({ date: now, ...headers }, body, text)

  test('the pause is read from Retry-After, in seconds or as a date by the clock of the server', () => {
    assert.equal(hint({ 'retry-after': '30' }), 30)
    assert.equal(hint({ 'retry-after': ' 0.5 ' }), 0.5)
    assert.equal(hint({ 'retry-after': 'Sun, 01 Mar 2026 12:01:30 GMT' }), 90)
    assert.equal(retryAfterOf({ 'retry-after': '7' }), 7)
  })
  test('a date in Retry-After is compared with the local clock if the server sends no date', () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString()
    const seconds = retryAfterOf({ 'retry-after': inAMinute }) ?? 0
    assert.ok(seconds > 50 && seconds <= 60, String(seconds))
  })
  test('a Retry-After that is invalid or in the past is ignored', () => {
    for (const value of ['', ' ', '0', '-5', 'soon', 'Sun, 01 Mar 2026 11:59:00 GMT'])
      assert.equal(hint({ 'retry-after': value }), undefined, value)
    assert.equal(hint({}), undefined)
  })
  test('the pause is read from the body, as a number or as text', () => {
    assert.equal(hint({}, { retry_after: 12 }), 12)
    assert.equal(hint({}, { retry_after: '12' }), 12)
    assert.equal(hint({}, { error: { retry_after: 13 } }), 13)
    assert.equal(hint({}, { retry_after: 12, error: { retry_after: 13 } }), 12)
    for (const body of [{ retry_after: {} }, { retry_after: true }, { error: 'busy' }, ['12'], 'retry_after'])
      assert.equal(hint({}, body), undefined)
  })
  test('the pause is read from a phrase in the text, in any unit', () => {
    const phrases: [string, number][] = [
      ['Your rate limit resets in ~30s.', 30],
      ['Request was throttled. Expected available in 12 seconds.', 12],
      ['Please try again in 250ms', 0.25],
      ['retry in 500 milliseconds', 0.5],
      ['retry after 1.5 s', 1.5],
      ['Wait 2 minutes', 120],
      ['wait 2m', 120],
      ['wait 3 mins', 180],
      ['again in 4 sec', 4],
      ['Please retry your request after approximately 20 seconds (request 7)', 20],
      ['Estimated wait time: 45s', 45],
      ['Retry-After: 5s', 5],
      ['{"retry-after":"5 seconds"}', 5],
    ]
    for (const [text, seconds] of phrases) assert.equal(hint({}, undefined, text), seconds, text)
    for (const text of ['it took 30 s', 'retry in a while', 'retry. In 30 s it is over', 'wait 5 sheep', 'await 5 s'])
      assert.equal(hint({}, undefined, text), undefined, text)
    const past = [
      'upstream wait timed out after 300 seconds',
      'no available server within 120s',
      'retry limit reached after 60 s',
      'wait time exceeded 600s',
      'gateway wait timeout 60s',
      'failed again: it took 45 s',
    ]
    for (const text of past) assert.equal(hint({}, undefined, text), undefined, text)
    assert.equal(hint({}, undefined, `${' '.repeat(5000)}retry in 5 s`), undefined)
  })
  test('the pause is read from ratelimit-reset, in seconds or as a timestamp', () => {
    assert.equal(hint({ 'ratelimit-reset': '45' }), 45)
    assert.equal(hint({ 'ratelimit-reset': String(Date.parse(now) / 1000 + 20) }), 20)
  })
  test('the first valid pause is used, from the header, the body, the text or the rate limit', () => {
    const text = 'retry in 3 s'
    const all = { 'retry-after': '1', 'ratelimit-reset': '4' }
    assert.equal(hint(all, { retry_after: 2 }, text), 1)
    assert.equal(hint({ ...all, 'retry-after': '0' }, { retry_after: 2 }, text), 2)
    assert.equal(hint({ 'ratelimit-reset': '4' }, {}, text), 3)
    assert.equal(hint({ 'ratelimit-reset': '4' }, {}, ''), 4)
  })
})
