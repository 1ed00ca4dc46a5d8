import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ArtifactServiceError } from '../../src/runner/artifact-error.ts'

const answered = (status: number, text = '', headers: Record<string, string> = {}) =>
  new ArtifactServiceError('CreateArtifact', { answer: { status, headers, text } })

describe('an error of the artifact service', () => {
  test('the error of a response has its status, its body and the code of Twirp', () => {
    const text = '{"code":"already_exists","msg":"an artifact with this name already exists"}'
    const error = answered(409, text)
    assert.deepEqual(
      [error.call, error.status, error.code, error.text, error.transient, error.retryAfter, error.cause],
      ['CreateArtifact', 409, 'already_exists', text, false, undefined, undefined],
    )
    assert.equal(error.message, 'CreateArtifact returned 409 Conflict: an artifact with this name already exists.')
    assert.equal(answered(400, '{"code":4}').code, undefined)
  })

  test('a body that is no JSON object has no code', () => {
    for (const text of ['', 'null', '[]', '"text"', '<html>']) {
      const error = answered(400, text)
      assert.deepEqual([error.code, error.text, error.transient], [undefined, text, false])
    }
  })

  test('the message for a response without a reason is its status', () => {
    assert.equal(answered(503).message, 'CreateArtifact returned 503 Service Unavailable.')
    assert.equal(answered(599).message, 'CreateArtifact returned 599.')
  })

  test('the reason of the blob store is in a header, and is preferred to its body', () => {
    const error = answered(403, '{"msg":"no"}', { 'x-ms-error-code': 'AuthenticationFailed' })
    assert.equal(error.message, 'CreateArtifact returned 403 Forbidden: AuthenticationFailed.')
  })

  test('transient statuses are retried, but not a conflict, which is one of names', () => {
    const transient = [408, 409, 425, 429, 500, 502, 503, 504].filter((status) => answered(status).transient)
    assert.deepEqual(transient, [408, 425, 429, 500, 502, 503, 504])
    assert.deepEqual(
      [400, 401, 403, 404].filter((status) => answered(status).transient),
      [],
    )
  })

  test('a refusal by something in between is transient, whatever its status', () => {
    assert.equal(answered(403, '{"meta":{"http_error_from_intermediary":"true"}}').transient, true)
    assert.equal(answered(403, '{"msg":"Error from intermediary with HTTP status code 403"}').transient, true)
    for (const text of [
      '{"meta":{"http_error_from_intermediary":"false"}}',
      '{"meta":["http_error_from_intermediary"]}',
      '{"meta":null}',
      '{"msg":"An Error from intermediary"}',
      '"Error from intermediary"',
    ]) {
      assert.equal(answered(403, text).transient, false, text)
    }
  })

  test('a call whose retries are used up is not transient', () => {
    const failure = { answer: { status: 503, headers: {}, text: '' } }
    assert.equal(new ArtifactServiceError('CreateArtifact', failure, { spent: true }).transient, false)
    const cause = new Error('reset')
    assert.equal(new ArtifactServiceError('CreateArtifact', { cause }, { spent: true }).transient, false)
  })

  test('the pause that a response asks for is kept', () => {
    assert.equal(answered(429, '', { 'retry-after': '7' }).retryAfter, 7)
  })

  test('a failure without a response is transient, and its cause is kept', () => {
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    const error = new ArtifactServiceError('FinalizeArtifact', { cause })
    assert.deepEqual(
      [error.status, error.code, error.text, error.transient, error.retryAfter],
      [undefined, undefined, '', true, undefined],
    )
    assert.equal(error.cause, cause)
    assert.match(error.message, /^FinalizeArtifact failed: .*ECONNRESET.*\.$/)
  })

  test('a reason that a library reports as text is the message, as a sentence', () => {
    const cause = new Error('Upload progress stalled')
    const error = new ArtifactServiceError('The upload', { reason: 'it stalled', cause })
    assert.equal(error.message, 'The upload failed: it stalled.')
    assert.deepEqual([error.cause, error.transient, error.status], [cause, true, undefined])
  })
})
