import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type ApiRequest,
  BrokenAnswerError,
  ConnectionError,
  LimitError,
  NotAPredictionError,
  RefusalError,
  RefusedInBodyError,
  TooDeepError,
  TooLargeError,
  TooManyPartsError,
  UnknownIdError,
} from '../../src/predictions/errors.ts'
import type { Headers } from '../../src/predictions/http.ts'
import { ConnectFailure, ProxyRefusal } from '../../src/predictions/network/connect-errors.ts'

const url = 'https://api.example/v1/predictions/abc'
const get: ApiRequest = { method: 'GET', url, call: 'get' }
const create: ApiRequest = { method: 'POST', url: 'https://api.example/v1/predictions', call: 'create' }

function refusal(
  status: number,
  body: unknown = '',
  more: { headers?: Headers; unknownId?: boolean; request?: ApiRequest } = {},
) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const { headers = {}, request = get, ...rest } = more
  return new RefusalError(request, { status, headers, text, ...rest })
}

describe('a refusal', () => {
  test('a refusal names the request, the status, the message of the API and what to do', () => {
    const error = refusal(401, { detail: 'Unauthenticated' })
    assert.equal(
      error.message,
      `GET ${url} returned 401 Unauthorized: Unauthenticated. The key is invalid, has expired or, with some gateways, has used up its quota: check the secret passed as api-key.`,
    )
    assert.deepEqual([error.status, error.said, error.isPage], [401, 'Unauthenticated', false])
    assert.equal(error.request, get)
    assert.equal(refusal(599).message, `GET ${url} returned 599 with no message.`)
  })
  test('a refusal names its code unless its message does', () => {
    assert.equal(refusal(400, { message: 'bad', code: 'invalid_request' }).said, 'bad (code: invalid_request)')
    assert.equal(refusal(400, { message: 'bad invalid_request', code: 'invalid_request' }).said, 'bad invalid_request')
    assert.equal(refusal(400, { message: 'bad' }).said, 'bad')
  })
  test('a refusal is transient, not found or permanent by its status', () => {
    const kinds = Object.fromEntries(
      [400, 401, 402, 403, 404, 405, 408, 409, 410, 422, 425, 429, 500, 501, 503].map((status) => [
        status,
        refusal(status).retryability,
      ]),
    )
    assert.deepEqual(kinds, {
      400: 'permanent',
      401: 'permanent',
      402: 'permanent',
      403: 'permanent',
      404: 'not-found',
      405: 'permanent',
      408: 'transient',
      409: 'transient',
      410: 'permanent',
      422: 'permanent',
      425: 'transient',
      429: 'transient',
      500: 'transient',
      501: 'permanent',
      503: 'transient',
    })
  })
  test('a refusal is transient if its body says so, and permanent if a 500 reports an invalid request', () => {
    assert.equal(refusal(403, { retryable: true }).retryability, 'transient')
    assert.equal(refusal(500, { error: { code: 'invalid_request' } }).retryability, 'permanent')
    assert.equal(refusal(502, { error: { code: 'invalid_request' } }).retryability, 'transient')
    assert.equal(refusal(500, { error: { code: 'other' } }).retryability, 'transient')
  })
  test('a refusal of an unknown ID counts as not found, whatever its status', () => {
    const error = refusal(400, { code: 'task_not_exist' }, { unknownId: true })
    assert.equal(error.retryability, 'not-found')
    assert.match(error.message, /Either the ID is wrong, or/)
  })
  test('a refusal concerns the account if it is about the key, redirects or is a web page', () => {
    const account = [401, 402, 403, 407, 301, 302, 399].map((status) => refusal(status).scope)
    assert.deepEqual(new Set(account), new Set(['account']))
    const prediction = [400, 404, 405, 422, 429, 500].map((status) => refusal(status).scope)
    assert.deepEqual(new Set(prediction), new Set(['prediction']))
    assert.equal(refusal(404, '<html><title>Home</title>').scope, 'account')
    assert.equal(refusal(404, '<html>').isPage, true)
  })
  test('a refusal has a pause only if it is transient, and none from a web page', () => {
    const headers = { 'retry-after': '7' }
    assert.equal(refusal(503, '', { headers }).retryAfter, 7)
    assert.equal(refusal(404, '', { headers }).retryAfter, undefined)
    assert.equal(refusal(429, { detail: 'resets in 5s' }).retryAfter, 5)
    assert.equal(refusal(429, { retry_after: 6 }).retryAfter, 6)
    assert.equal(refusal(503, '<html>retry in 5 s').retryAfter, undefined)
  })
  test('a refusal lists the invalid fields', () => {
    const body = { detail: 'invalid', invalid_fields: [{ field: 'input.steps', description: 'too many' }] }
    assert.deepEqual(refusal(422, body).fields, [{ field: 'input.steps', description: 'too many' }])
  })

  test('a refusal gives advice by its status, and other advice for a create request', () => {
    const advice: [number, RegExp][] = [
      [401, /check the secret passed as api-key\.$/],
      [402, /top it up, then run the job again\.$/],
      [403, /The account or this key is not allowed to do that/],
      [404, /check api-key and api-url/],
      [405, /does not support the call: check api-url\.$/],
      [501, /does not support the call: check api-url\.$/],
    ]
    for (const [status, words] of advice) assert.match(refusal(status).message, words)
    const ofCreation: [number, RegExp][] = [
      [401, /check the secret passed as api-key\.$/],
      [404, /There is no such model, version or deployment/],
      [405, /whether it expects a model or a version\.$/],
      [413, /pass files as URLs/],
    ]
    for (const [status, words] of ofCreation) assert.match(refusal(status, '', { request: create }).message, words)
    assert.doesNotMatch(refusal(413).message, /pass files as URLs/)
    assert.match(refusal(500).message, /with no message\.$/)
  })
  test('a 404 for a path that the server does not have gives advice about api-url', () => {
    for (const said of ['Invalid URL (GET /v2)', '404 page not found', 'Cannot GET /v1', 'cannot post /v1'])
      assert.match(refusal(404, said).message, /The path of api-url is probably wrong/, said)
    assert.match(refusal(404, 'task of an invalid url').message, /Either the ID is wrong/)
    assert.match(refusal(400, 'Invalid URL (GET /v2)').message, /\(GET \/v2\)\.$/)
  })
  test('a refusal that redirects names its target without the query', () => {
    const to = (location: string | undefined, status = 302) =>
      refusal(status, '', { headers: location === undefined ? {} : { location } }).message
    const rule = 'Redirects are not followed with the key: if the API has moved, set api-url to its new base.'
    assert.ok(to('https://new.example/v1?token=1').endsWith(`It redirects to https://new.example/v1. ${rule}`))
    assert.ok(to('/login').endsWith(`It redirects to https://api.example/login. ${rule}`))
    for (const message of [to(undefined), to('http://[')])
      assert.ok(message.endsWith(`It has no target. ${rule}`), message)
    for (const status of [300, 304]) assert.match(to('https://new.example/', status), /with no message\.$/)
  })
  test('a refusal that redirects to the same path on another base names the new base', () => {
    const request = { method: 'GET', url: 'http://api.example/v1/predictions/abc', path: '/predictions/abc' } as const
    const to = (location: string) => refusal(308, '', { request, headers: { location } }).message
    const rule = 'Redirects are not followed with the key: if you trust the target, set api-url to'
    assert.ok(to('https://api.example/v1/predictions/abc').endsWith(`${rule} https://api.example/v1.`))
    assert.ok(to('https://new.example/predictions/abc?x=1').endsWith(`${rule} https://new.example.`))
    for (const other of ['https://sso.example/login', '/v1/predictions/abc/'])
      assert.match(to(other), /its new base\.$/)
  })
  test('the challenge page of a service in front of the API is named instead of other advice', () => {
    const { message } = refusal(403, '<html><title>Just a moment...</title>')
    assert.match(message, /challenge page from a service/)
    assert.doesNotMatch(message, /is not allowed to do that/)
    assert.match(
      refusal(403, '', { headers: { 'cf-mitigated': 'challenge' } }).message,
      /challenge page from a service/,
    )
  })
})

describe('a connection that brought nothing', () => {
  const failed = (cause: unknown) => new ConnectionError(get, cause)
  const coded = (code: string, message = 'it failed') => Object.assign(new Error(message), { code })

  test('a failed connection is a transient error that says what happened, with the code', () => {
    const error = failed(coded('ECONNRESET'))
    assert.equal(error.message, `GET ${url} failed: the connection was reset (ECONNRESET).`)
    assert.deepEqual([error.retryability, error.settingError, error.neverSent], ['transient', undefined, false])
    assert.equal((error.cause as Error).message, 'it failed')
  })
  test('a failed connection is a permanent error if a setting is wrong, and says which', () => {
    const error = failed(new ConnectFailure(coded('CERT_HAS_EXPIRED'), 'Its certificate is old.'))
    assert.deepEqual([error.retryability, error.settingError], ['permanent', 'expired'])
    assert.match(error.message, /has expired \(CERT_HAS_EXPIRED\)\. Its certificate is old\. Renew it on the server/)
  })
  test('a request was never sent if no connection was established', () => {
    assert.equal(failed(coded('ECONNREFUSED')).neverSent, true)
    assert.equal(failed(new ProxyRefusal({ variable: 'https_proxy', hasUserName: false }, 502)).neverSent, true)
  })
  test('a connection error leaves out the file names and numbers of OpenSSL', () => {
    const cause = Object.assign(new Error('40ADC1A9F27F0000:error:0A00010B:SSL routines:tlsany_meth.c:77:'), {
      code: 'ERR_SSL_WRONG_VERSION_NUMBER',
      reason: 'wrong version number',
    })
    const error = failed(cause)
    assert.equal((error.cause as Error).message, 'wrong version number')
    assert.doesNotMatch(error.message, /:error:/)
  })
})

describe('an answer that is a success and no prediction', () => {
  test('an UnknownIdError counts as not found and concerns one prediction', () => {
    const error = new UnknownIdError(get)
    assert.deepEqual([error.retryability, error.scope], ['not-found', 'prediction'])
    assert.match(error.message, /reported that there is no such task\. Either the ID is wrong/)
  })
  test('a refusal in the body is transient or permanent, and quotes its message and its code', () => {
    const refused = (transient: boolean, message = 'busy') =>
      new RefusedInBodyError(get, { message, code: '1302', transient })
    assert.equal(refused(true).retryability, 'transient')
    assert.equal(refused(false).retryability, 'permanent')
    assert.match(refused(true).message, /was refused: busy \(code: 1302\)\.$/)
    assert.match(refused(true, '').message, /was refused: no message \(code: 1302\)\.$/)
  })
  test('a NotAPredictionError gives advice, and keeps the body only of a create request', () => {
    const error = new NotAPredictionError(get, 'a list')
    assert.deepEqual([error.retryability, error.scope, error.body], ['permanent', 'prediction', undefined])
    assert.match(error.message, /returned a list, not a prediction\. Check that api-url/)
    const known = new NotAPredictionError(get, 'a list', { advice: 'Do this.', scope: 'account', body: { a: 1 } })
    assert.deepEqual([known.scope, known.body], ['account', undefined])
    assert.match(known.message, /not a prediction\. Do this\.$/)
    const created = new NotAPredictionError(create, 'a list', { body: { a: 1 } })
    assert.deepEqual(created.body, { a: 1 })
  })
  test('a broken response is a transient error', () => {
    const error = new BrokenAnswerError(get, 'it is empty')
    assert.equal(error.retryability, 'transient')
    assert.match(error.message, /got a broken response: it is empty\.$/)
  })
  test('a response beyond a limit is a permanent error that names the limit', () => {
    const errors = [
      new TooLargeError(get, 64 * 2 ** 20),
      new TooManyPartsError(get, 'JSON of more than 1,000,000 arrays and objects'),
      new TooDeepError(get, 200),
    ]
    for (const error of errors) assert.deepEqual([error instanceof LimitError, error.retryability], [true, 'permanent'])
    assert.match(errors.map(({ message }) => message).join('\n'), /64 MiB[\s\S]*1,000,000 arrays[\s\S]*200 levels/)
  })
  test('errors of the API are named after their classes', () => {
    for (const type of [UnknownIdError, TooLargeError, BrokenAnswerError])
      assert.equal(new type(get, 1 as never).name, type.name)
  })
})
