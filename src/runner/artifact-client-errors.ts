import { ArtifactServiceError } from './artifact-error.ts'

/**
 * `@actions/artifact` puts what it knows of a failure into its messages only (artifact-twirp-client.ts and errors.ts of
 * 6.2): this is the one place that reads them, so that others can decide by data.
 */
const FAILED_CALL = /^Failed to (?<call>\w+): (?<reason>.*)$/s
const STATUS = /Failed request: \((?<status>\d{3})\) [^:]*(?:: (?<msg>.*))?$/s
const NETWORK_CODE = /Unable to make request: (?<code>E[A-Z_]+)/
/** It retries what it knows to be transient five times, and says so. */
const SPENT = /^Failed to make request after \d+ attempts: /
/** What it gives up on at once, as it does with {@link NETWORK_CODE}, though it passes. */
const STALLED = 'Upload progress stalled.'
const BLOB_STORE = 'The upload to the blob store'
const NOT_OK = /^(?<call>\w+): response from backend was not ok$/

/**
 * What the client threw, as an error with its data.
 * @returns the error itself if it is not about the service
 */
export function errorOfClient(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error.name === 'RestError') return errorOfBlobStore(error)
  const failed = FAILED_CALL.exec(error.message)?.groups
  if (failed) return errorOfCall(failed.call ?? '', failed.reason ?? '', error)
  const code = codeOf(error)
  if (error.name === 'NetworkError' && code) return noAnswer(BLOB_STORE, code, error)
  if (error.message === STALLED) {
    return new ArtifactServiceError(BLOB_STORE, { reason: error.message, cause: error })
  }
  const notOk = NOT_OK.exec(error.message)?.groups
  if (notOk) return new ArtifactServiceError(notOk.call ?? '', { reason: error.message, cause: error }, { spent: true })
  return error
}

function errorOfCall(call: string, reason: string, cause: Error): ArtifactServiceError {
  const spent = SPENT.test(reason)
  const answer = STATUS.exec(reason)?.groups
  if (answer) {
    const text = answer.msg === undefined ? '' : JSON.stringify({ msg: answer.msg })
    return new ArtifactServiceError(call, { answer: { status: Number(answer.status), headers: {}, text } }, { spent })
  }
  const code = NETWORK_CODE.exec(reason)?.groups?.code
  if (code) return noAnswer(call, code, cause)
  return new ArtifactServiceError(call, { reason: oneSentence(reason), cause }, { spent: true })
}

/** An error of the Azure SDK, which retried what it knows to be transient. */
function errorOfBlobStore(error: Error): ArtifactServiceError {
  const { statusCode, code } = error as Error & { statusCode?: unknown; code?: unknown }
  if (typeof statusCode !== 'number') return noAnswer(BLOB_STORE, typeof code === 'string' ? code : '', error)
  const headers = typeof code === 'string' ? { 'x-ms-error-code': code } : {}
  return new ArtifactServiceError(BLOB_STORE, { answer: { status: statusCode, headers, text: '' } })
}

const noAnswer = (call: string, code: string, cause: Error) =>
  new ArtifactServiceError(call, { cause: Object.assign(new Error('the request failed', { cause }), { code }) })

const codeOf = (error: Error & { code?: unknown }) => (typeof error.code === 'string' ? error.code : undefined)

const oneSentence = (text: string) => text.replace(/\s*\n\s*/g, ' ').replace(SPENT, '')
