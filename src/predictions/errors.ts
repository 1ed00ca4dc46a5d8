import { STATUS_CODES } from 'node:http'
import { errorBodyCode, errorBodyMessage, invalidFields, parseErrorBody } from './error-body.ts'
import { type Headers, retryAfter, TRANSIENT_STATUSES } from './http.ts'
import {
  adviceForFault,
  describeFault,
  type SettingFault,
  settingFaultOf,
  wasNeverSent,
} from './network/network-errors.ts'
import { sentence, sentences } from './text.ts'

/**
 * What a failed request means for a wait: `transient` may heal by itself, `not-found` may be a replica that lags behind
 * the creation, `permanent` stays as it is however often the request is repeated.
 */
export type Retryability = 'transient' | 'not-found' | 'permanent'

/** The request that an error is about. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
}

const nameOf = ({ method, url }: ApiRequest) => `${method} ${url}`

/** A request to the predictions API that did not bring what it asked for. The message is whole sentences, free of the key. */
export abstract class ApiError extends Error {
  abstract readonly retryability: Retryability
  readonly request: ApiRequest
  /** Seconds that the server asked to wait before the next request; undefined if it asked for nothing. */
  readonly retryAfter: number | undefined = undefined

  constructor(request: ApiRequest, message: string, options?: ErrorOptions) {
    super(message, options)
    this.request = request
  }
}

/** Nothing came back, or only a part: refused, reset, timed out, no such host, a certificate that is not trusted. */
export class ConnectionError extends ApiError {
  override readonly name = 'ConnectionError'
  readonly retryability: Retryability
  /** True if the request cannot have reached the server, so that repeating even a POST is safe. */
  readonly neverSent: boolean
  /** The setting that must be changed, such as that of a proxy which wants a password; undefined if the fault may heal. */
  readonly settingFault: SettingFault | undefined

  constructor(request: ApiRequest, cause: unknown) {
    super(request, sentences(`${nameOf(request)} got no answer: ${describeFault(cause)}.`, adviceForFault(cause)), {
      cause,
    })
    this.settingFault = settingFaultOf(cause)
    this.retryability = this.settingFault === undefined ? 'transient' : 'permanent'
    this.neverSent = wasNeverSent(cause)
  }
}

/** The answer has a status other than 2xx. */
export class RefusalError extends ApiError {
  override readonly name = 'RefusalError'
  readonly retryability: Retryability
  override readonly retryAfter: number | undefined
  readonly status: number
  /** What the body said, in the API's own words; `""` where it said nothing. */
  readonly said: string
  /** The faults of single input fields that a 422 lists. */
  readonly fields: readonly { field: string; description: string }[]

  /** @param answer `unknownId`: it says that the ID is not known, in a form of its own */
  constructor(request: ApiRequest, answer: { status: number; headers: Headers; text: string; unknownId?: boolean }) {
    const { status, unknownId = false } = answer
    const body = parseErrorBody(answer.text)
    const said = errorBodyMessage(body, answer.text)
    const code = errorBodyCode(body)
    const answered = [nameOf(request), 'answered', status, STATUS_CODES[status]].filter(Boolean).join(' ')
    const words = sentences(said, code !== undefined && !said.includes(code) && `(code: ${code})`)
    super(
      request,
      sentences(
        words ? `${answered}: ${sentence(words)}` : `${answered} with no message.`,
        unknownId ? adviceFor(404) : adviceFor(status),
      ),
    )
    this.status = status
    this.said = words
    this.fields = invalidFields(body)
    this.retryability = unknownId ? 'not-found' : retryabilityOf(status, code)
    this.retryAfter = status === 429 || status === 503 ? retryAfter(answer.headers, body, answer.text) : undefined
  }
}

/** The answer is a success, and its body says that the ID is not known, or nothing at all. */
export class UnknownIdError extends ApiError {
  override readonly name = 'UnknownIdError'
  readonly retryability: Retryability = 'not-found'

  constructor(request: ApiRequest) {
    super(request, sentences(`${nameOf(request)} answered that it knows no such task.`, adviceFor(404)))
  }
}

/** The answer is a success, and its body refuses the request. */
export class RefusedInBodyError extends ApiError {
  override readonly name = 'RefusedInBodyError'
  readonly retryability: Retryability

  constructor(
    request: ApiRequest,
    { message, code, transient }: { message: string; code: string; transient: boolean },
  ) {
    super(request, sentence(`${nameOf(request)} was refused: ${message || 'no message'} (code: ${code})`))
    this.retryability = transient ? 'transient' : 'permanent'
  }
}

/** The answer is a success, but no prediction: another endpoint, a web page, a list. */
export class NotAPredictionError extends ApiError {
  override readonly name = 'NotAPredictionError'
  readonly retryability: Retryability = 'permanent'

  constructor(request: ApiRequest, what: string, cause?: string) {
    super(
      request,
      `${nameOf(request)} answered with ${what}, not with a prediction. ${cause ?? 'Check that api-url is the base of a predictions API, up to but without /predictions.'}`,
    )
  }
}

/** The body ended before it was whole, or is not the JSON that it began to be. */
export class BrokenAnswerError extends ApiError {
  override readonly name = 'BrokenAnswerError'
  readonly retryability: Retryability = 'transient'

  constructor(request: ApiRequest, what: string) {
    super(request, `${nameOf(request)} got a broken answer: ${what}.`)
  }
}

/** The body is larger than what we are ready to hold in memory. */
export class TooLargeError extends ApiError {
  override readonly name = 'TooLargeError'
  readonly retryability: Retryability = 'permanent'

  constructor(request: ApiRequest, limit: number) {
    super(
      request,
      `${nameOf(request)} answered with more than ${limit / 2 ** 20} MiB, more than any prediction needs. Reading was stopped.`,
    )
  }
}

function retryabilityOf(status: number, code: string | undefined): Retryability {
  if (status === 404) return 'not-found'
  return TRANSIENT_STATUSES.has(status) && code !== 'invalid_request' ? 'transient' : 'permanent'
}

function adviceFor(status: number): string | undefined {
  if (status === 401)
    return 'The key is wrong, has expired or, with some gateways, has used up its quota: check the secret given as api-key.'
  if (status === 402) return 'The account needs money: top it up, then run the step again.'
  if (status === 403)
    return 'The account or this key may not do that (no balance, another group, a blocked address): see what the API says.'
  if (status === 404)
    return 'Either the id is wrong, or the prediction belongs to another account or another gateway than the one asked (check api-key and api-url), or the API has dropped it from its queue.'
  if (status >= 300 && status < 400)
    return 'No redirect is followed with the key: give the address it leads to as api-url, if you trust it.'
  if (status === 405 || status === 501) return 'This API does not know the call: check api-url.'
  return undefined
}
