import { STATUS_CODES } from 'node:http'
import { errorBodyMessage, parseErrorBody } from '../predictions/error-body.ts'
import { type Headers, headerOf, retryAfter, TRANSIENT_STATUSES } from '../predictions/http.ts'
import { describeNetworkError } from '../predictions/network/network-errors.ts'
import { isRecord, sentence } from '../predictions/text.ts'

export const CONFLICT = 409

/** There is no artifact service that could take the files; they are on disk all the same. */
export class ArtifactsUnavailable extends Error {
  override readonly name = 'ArtifactsUnavailable'
}

/** An upload failed for good. The message is whole sentences. */
export class UploadError extends Error {
  override readonly name = 'UploadError'
  /** Whether it is about this artifact only, so that others may still be uploaded. */
  readonly isOfArtifact: boolean

  constructor(message: string, options: ErrorOptions & { isOfArtifact?: boolean } = {}) {
    super(message, options)
    this.isOfArtifact = options.isOfArtifact ?? false
  }
}

/** What the service or its blob store answered. */
export interface Answer {
  status: number
  headers: Headers
  text: string
}

/** How a call failed: by an answer, without one, or for a reason that a library reports as text. */
export type CallFailure = { answer: Answer } | { cause: unknown } | { reason: string; cause: unknown }

/** A call of the artifact service or of its blob store failed. The message is one sentence. */
export class ArtifactServiceError extends Error {
  override readonly name = 'ArtifactServiceError'
  readonly call: string
  /** Undefined if no answer came, or if its status is not known. */
  readonly status: number | undefined
  /** Twirp's name of the error, such as `already_exists`; undefined if it is not known. */
  readonly code: string | undefined
  /** The body of the answer; empty if none came. */
  readonly text: string
  /** Whether the same call may succeed later. */
  readonly transient: boolean
  /** Seconds to wait, as requested by the answer. */
  readonly retryAfter: number | undefined

  /** @param spent whether all retries of the call are used up */
  constructor(call: string, failure: CallFailure, { spent = false } = {}) {
    super(messageFor(call, failure), 'cause' in failure ? { cause: failure.cause } : {})
    const answer = 'answer' in failure ? failure.answer : undefined
    const body = parseErrorBody(answer?.text ?? '')
    this.call = call
    this.status = answer?.status
    this.code = isRecord(body) && typeof body.code === 'string' ? body.code : undefined
    this.text = answer?.text ?? ''
    this.transient = !spent && (answer === undefined || isTransient(answer.status) || isIntermediary(body))
    this.retryAfter = answer && retryAfter(answer.headers, body, '')
  }
}

/** What Gitea before 1.26, Forgejo and act answer to a field that they do not know; they have no code for it. */
export const isUnknownRequest = ({ status, text }: ArtifactServiceError) =>
  status === 500 && text.startsWith('Error decode request body')

function messageFor(call: string, failure: CallFailure): string {
  if ('reason' in failure) return `${call} failed: ${sentence(failure.reason)}`
  if ('cause' in failure) return `${call} failed: ${sentence(describeNetworkError(failure.cause))}`
  const { status, headers, text } = failure.answer
  // The blob store says its reason in a header; its body is XML, or empty.
  const reason = headerOf(headers, 'x-ms-error-code') ?? errorBodyMessage(parseErrorBody(text), text)
  const answered = [call, 'returned', status, STATUS_CODES[status]].filter(Boolean).join(' ')
  return sentence(reason === '' ? answered : `${answered}: ${reason}`)
}

/** Here, a conflict is one of names, and permanent. */
const isTransient = (status: number) => status !== CONFLICT && TRANSIENT_STATUSES.has(status)

/** Something between the runner and the service failed, not the service: Twirp reports that in `meta`. */
function isIntermediary(body: unknown): boolean {
  if (!isRecord(body)) return false
  const meta = isRecord(body.meta) ? body.meta : {}
  return meta.http_error_from_intermediary === 'true' || String(body.msg).startsWith('Error from intermediary')
}
