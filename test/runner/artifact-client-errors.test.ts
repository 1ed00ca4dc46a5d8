import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errorOfClient } from '../../src/runner/artifact-client-errors.ts'
import { ArtifactServiceError } from '../../src/runner/artifact-error.ts'

const networkAdvice = 'If you are using self-hosted runners, please make sure your runner has access'

describe('an error of the artifact client', () => {
  const facts = (error: Error) => {
    const fault = errorOfClient(error)
    assert.ok(fault instanceof ArtifactServiceError, String(fault))
    return [fault.call, fault.status, fault.transient, fault.message]
  }

  test('an error of the artifact client keeps the status that its message names', () => {
    const refused = (rest: string) => new Error(`Failed to CreateArtifact: Received non-retryable error: ${rest}`)
    assert.deepEqual(facts(refused('Failed request: (409) Conflict: an artifact with this name already exists')), [
      'CreateArtifact',
      409,
      false,
      'CreateArtifact returned 409 Conflict: an artifact with this name already exists.',
    ])
    const intermediary = 'Error from intermediary with HTTP status code 403 "Forbidden"'
    assert.deepEqual(facts(refused(`Failed request: (403) Forbidden: ${intermediary}`)).slice(1, 3), [403, true])
    assert.deepEqual(facts(refused('Failed request: (401) Unauthorized')).slice(1), [
      401,
      false,
      'CreateArtifact returned 401 Unauthorized.',
    ])
  })

  test('an error that the artifact client has retried is not retried again', () => {
    const spent = (rest: string) =>
      new Error(`Failed to FinalizeArtifact: Failed to make request after 5 attempts: ${rest}`)
    assert.deepEqual(facts(spent('Failed request: (503) Service Unavailable: busy')).slice(0, 3), [
      'FinalizeArtifact',
      503,
      false,
    ])
    assert.deepEqual(facts(spent(`Unexpected token '<', "<html>" is not valid JSON`)).slice(1), [
      undefined,
      false,
      `FinalizeArtifact failed: Unexpected token '<', "<html>" is not valid JSON.`,
    ])
  })

  test('an error is not retried if the artifact client could not use the response', () => {
    assert.deepEqual(facts(new Error('CreateArtifact: response from backend was not ok')), [
      'CreateArtifact',
      undefined,
      false,
      'CreateArtifact failed: CreateArtifact: response from backend was not ok.',
    ])
  })

  test('an error of several lines is reported in one, without the number of attempts', () => {
    const error = new Error('Failed to ListArtifacts: Failed to make request after 12 attempts: no\n \n  such \n host')
    assert.equal(facts(error)[3], 'ListArtifacts failed: no such host.')
  })

  test('a network error of the artifact client is transient, whatever the call', () => {
    const call = new Error(`Failed to CreateArtifact: Unable to make request: ENOTFOUND\n${networkAdvice}`)
    assert.deepEqual(facts(call).slice(0, 3), ['CreateArtifact', undefined, true])
    assert.match(String(facts(call)[3]), /^CreateArtifact failed: .*ENOTFOUND/)
    const error = new Error(`Unable to make request: ECONNRESET\n${networkAdvice}`)
    const blob = Object.assign(error, { name: 'NetworkError', code: 'ECONNRESET' })
    assert.deepEqual(facts(blob).slice(0, 3), ['The upload to the blob store', undefined, true])
    assert.deepEqual(facts(new Error('Upload progress stalled.')).slice(1), [
      undefined,
      true,
      'The upload to the blob store failed: Upload progress stalled.',
    ])
  })

  test('an error of the blob store keeps its status and its code', () => {
    const rest = (more: object) => Object.assign(new Error('<?xml …'), { name: 'RestError', ...more })
    assert.deepEqual(facts(rest({ statusCode: 403, code: 'AuthenticationFailed' })), [
      'The upload to the blob store',
      403,
      false,
      'The upload to the blob store returned 403 Forbidden: AuthenticationFailed.',
    ])
    assert.deepEqual(facts(rest({ statusCode: 503 })).slice(1, 3), [503, true])
    assert.deepEqual(facts(rest({ code: 'REQUEST_SEND_ERROR' })).slice(1, 3), [undefined, true])
    assert.deepEqual(facts(rest({ statusCode: 409, code: 1 })).slice(1, 3), [409, false])
    assert.match(String(facts(rest({ statusCode: 409, code: 1 }))[3]), / returned 409 Conflict\.$/)
  })

  test('an error that is not about the artifact service stays unchanged', () => {
    const error = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' })
    assert.equal(errorOfClient(error), error)
    const others = [
      Object.assign(new Error('down'), { name: 'NetworkError' }),
      Object.assign(new Error('down'), { name: 'NetworkError', code: 1 }),
      new Error('It Failed to CreateArtifact: no'),
      new Error('the CreateArtifact: response from backend was not ok'),
      new Error('CreateArtifact: response from backend was not ok, nor the next'),
      'a text',
    ]
    for (const other of others) assert.equal(errorOfClient(other), other)
  })
})
