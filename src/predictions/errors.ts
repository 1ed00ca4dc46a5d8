import { STATUS_CODES } from 'node:http'
import {
  errorBodyCode,
  errorBodyMessage,
  invalidFields,
  isChallenge,
  isPage,
  parseErrorBody,
  saysRetryable,
} from './error-body.ts'
import { type Headers, headerOf, REDIRECT_STATUSES, retryAfter, TRANSIENT_STATUSES } from './http.ts'
import { withoutOpenSslLines } from './network/connect-errors.ts'
import { adviceForNetworkError, describeNetworkError, settingErrorOf, wasNeverSent } from './network/network-errors.ts'
import type { SettingError } from './network/setting-errors.ts'
import { sentence, sentences } from './text.ts'

/**
 * What a failed request means for a wait: `transient` may heal by itself, `not-found` may be a replica that lags behind
 * the creation, `permanent` stays as it is however often the request is repeated.
 */
export type Retryability = 'transient' | 'not-found' | 'permanent'

/**
 * Whom a failure concerns: `prediction`, the one that was requested; `account`, every request alike, because the key,
 * the address or an intermediary is the cause.
 */
export type Scope = 'prediction' | 'account'

/** The request that an error is about. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  /** The end of the URL, after the base of the API. */
  readonly path?: string
  /** What it was for. */
  readonly call?: 'get' | 'create' | 'cancel'
}

const nameOf = ({ method, url }: ApiRequest) => `${method} ${url}`

/** A failed request to the predictions API. The message consists of complete sentences; it may contain the key. */
export abstract class ApiError extends Error {
  abstract readonly retryability: Retryability
  readonly scope: Scope = 'prediction'
  readonly request: ApiRequest
  /** Seconds to wait before the next request, as requested by the server; undefined if it requested none. */
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
  /** The setting that must be changed, such as that of a proxy which wants a password; undefined if the error may heal. */
  readonly settingError: SettingError | undefined

  constructor(request: ApiRequest, cause: unknown) {
    super(
      request,
      sentences(`${nameOf(request)} failed: ${describeNetworkError(cause)}.`, adviceForNetworkError(cause)),
      {
        cause: withoutOpenSslLines(cause),
      },
    )
    this.settingError = settingErrorOf(cause)
    this.retryability = this.settingError === undefined ? 'transient' : 'permanent'
    this.neverSent = wasNeverSent(cause)
  }
}

/** The answer has a status other than 2xx. */
export class RefusalError extends ApiError {
  override readonly name = 'RefusalError'
  readonly retryability: Retryability
  override readonly scope: Scope
  override readonly retryAfter: number | undefined
  readonly status: number
  /** What the body said, in the API's own words; `""` if it said nothing. */
  readonly said: string
  /** True if the body is a web page: an intermediary may have written it. */
  readonly isPage: boolean
  /** The errors of single input fields that a 422 lists. */
  readonly fields: readonly { field: string; description: string }[]

  /** @param answer `body`: the text as JSON, if it was parsed before; `unknownId`: it says that the ID is not known, in a form of its own */
  constructor(
    request: ApiRequest,
    answer: { status: number; headers: Headers; text: string; body?: unknown; unknownId?: boolean },
  ) {
    const { status, headers, text, unknownId = false } = answer
    const body = 'body' in answer ? answer.body : parseErrorBody(text)
    const said = errorBodyMessage(body, text)
    const code = errorBodyCode(body)
    const answered = [nameOf(request), 'returned', status, STATUS_CODES[status]].filter(Boolean).join(' ')
    const words = sentences(said, code !== undefined && !said.includes(code) && `(code: ${code})`)
    super(
      request,
      sentences(
        words ? `${answered}: ${sentence(words)}` : `${answered} with no message.`,
        isChallenge(headers, text)
          ? CHALLENGE
          : adviceFor(request, unknownId ? 404 : status, { said, location: headerOf(headers, 'location') }),
      ),
    )
    this.status = status
    this.said = words
    this.isPage = isPage(text)
    this.fields = invalidFields(body)
    this.retryability = unknownId ? 'not-found' : retryabilityOf(status, code, body)
    this.scope = ACCOUNT_STATUSES.has(status) || isRedirect(status) || this.isPage ? 'account' : 'prediction'
    this.retryAfter = this.retryability === 'transient' ? retryAfter(headers, body, this.isPage ? '' : text) : undefined
  }
}

/** The answer is a success, and its body says that the ID is not known, or nothing at all. */
export class UnknownIdError extends ApiError {
  override readonly name = 'UnknownIdError'
  readonly retryability: Retryability = 'not-found'

  constructor(request: ApiRequest) {
    super(request, sentences(`${nameOf(request)} reported that there is no such task.`, ADVICE[404]))
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

const CHECK_API_URL = 'Check that api-url is the base of a predictions API, without the trailing /predictions.'

/** The answer is a success, but no prediction: another endpoint, a web page, a list. */
export class NotAPredictionError extends ApiError {
  override readonly name = 'NotAPredictionError'
  readonly retryability: Retryability = 'permanent'
  override readonly scope: Scope
  /** The answer to a creation or a cancellation, if it is a JSON object. */
  readonly body: Readonly<Record<string, unknown>> | undefined

  /** @param what came instead, such as `a web page`; `said`: its own message, as gateways put errors into a success */
  constructor(
    request: ApiRequest,
    what: string,
    {
      said,
      advice = CHECK_API_URL,
      scope,
      body,
    }: { said?: string | undefined; advice?: string; scope?: Scope; body?: Readonly<Record<string, unknown>> } = {},
  ) {
    const words = said === undefined ? undefined : `It says: ${sentence(said)}`
    super(request, sentences(`${nameOf(request)} returned ${what}, not a prediction.`, words, advice))
    this.scope = scope ?? 'prediction'
    // Of a creation it may hold the ID, of a cancellation a refusal; else nobody needs it, and it can be 64 MB.
    this.body = request.method === 'GET' ? undefined : body
  }
}

/** The body ended before it was whole, or is not the JSON that it began to be. */
export class BrokenAnswerError extends ApiError {
  override readonly name = 'BrokenAnswerError'
  readonly retryability: Retryability = 'transient'

  constructor(request: ApiRequest, what: string) {
    super(request, `${nameOf(request)} got a broken response: ${what}.`)
  }
}

/** The body is beyond what we are ready to read. */
export class LimitError extends ApiError {
  override readonly name: string = 'LimitError'
  readonly retryability: Retryability = 'permanent'
}

/** The body is larger than what we are ready to hold in memory. */
export class TooLargeError extends LimitError {
  override readonly name = 'TooLargeError'

  /** @param limit in bytes */
  constructor(request: ApiRequest, limit: number) {
    super(
      request,
      `${nameOf(request)} returned more than ${limit / 2 ** 20} MiB, more than any prediction needs. The rest was not read.`,
    )
  }
}

/** The body has more parts than we are ready to hold in memory. */
export class TooManyPartsError extends LimitError {
  override readonly name = 'TooManyPartsError'

  /** @param what such as `JSON of more than 10 arrays` */
  constructor(request: ApiRequest, what: string) {
    super(request, `${nameOf(request)} returned ${what}, more than any prediction needs.`)
  }
}

/** The body is nested more deeply than what can be passed on safely. */
export class TooDeepError extends LimitError {
  override readonly name = 'TooDeepError'

  /** @param limit in levels */
  constructor(request: ApiRequest, limit: number) {
    super(
      request,
      `${nameOf(request)} returned JSON that is nested deeper than ${limit} levels, deeper than any prediction needs.`,
    )
  }
}

/** Statuses that are about the key or the account, whatever was requested. */
const ACCOUNT_STATUSES: ReadonlySet<number> = new Set([
  401, // Unauthorized
  402, // Payment Required
  403, // Forbidden
  407, // Proxy Authentication Required
])

const isRedirect = (status: number) => status >= 300 && status < 400

function retryabilityOf(status: number, code: string | undefined, body: unknown): Retryability {
  if (saysRetryable(body)) return 'transient'
  if (status === 404) return 'not-found'
  if (status === 500 && code === 'invalid_request') return 'permanent'
  return TRANSIENT_STATUSES.has(status) ? 'transient' : 'permanent'
}

const CHALLENGE =
  'This is a challenge page from a service in front of the API, such as Cloudflare: it mistakes the runner for a bot, and the request did not reach the API. If this persists, ask the operator to allow API clients, or use a self-hosted runner.'

const ADVICE: Readonly<Record<number, string>> = {
  401: 'The key is invalid, has expired or, with some gateways, has used up its quota: check the secret passed as api-key.',
  402: 'The account has no credit: top it up, then run the job again.',
  403: 'The account or this key is not allowed to do that (no credit, another group, a blocked address): see the message of the API.',
  404: 'Either the ID is wrong, or the prediction belongs to another account or another gateway (check api-key and api-url), or the API has dropped it from its queue.',
  405: 'This API does not support the call: check api-url.',
  501: 'This API does not support the call: check api-url.',
}

const CREATE_ADVICE: Readonly<Record<number, string>> = {
  404: 'There is no such model, version or deployment, or this key has no access to it. A model that is not official needs its version: set model to owner/name:version. If all of this is correct, check api-url.',
  405: 'This API does not start predictions in this way: check api-url, and whether it expects a model or a version.',
  413: 'The request is too large for this API: pass files as URLs instead of embedding them.',
}

/** A gateway's word for a path that it does not have: no ID can be the reason. */
const UNKNOWN_PATH = /^(?:invalid url|404 page not found|cannot (?:get|post))\b/i
const WRONG_PATH = 'The path of api-url is probably wrong: the server does not have this path.'

function adviceFor(
  request: ApiRequest,
  status: number,
  { said, location }: { said: string; location: string | undefined },
): string | undefined {
  if (isRedirect(status)) return redirectAdvice(request, status, location)
  if (status === 404 && UNKNOWN_PATH.test(said)) return WRONG_PATH
  return (request.call === 'create' ? CREATE_ADVICE[status] : undefined) ?? ADVICE[status]
}

/** Names the target without its query, which may hold secrets of whoever wrote it. */
function redirectAdvice(request: ApiRequest, status: number, location: string | undefined): string | undefined {
  if (!REDIRECT_STATUSES.has(status)) return undefined
  const target = location === undefined ? null : URL.parse(location, request.url)
  const where = target ? `It redirects to ${target.origin}${target.pathname}.` : 'It has no target.'
  const base = target ? baseOf(target, request) : undefined
  const wayOut =
    base === undefined
      ? 'if the API has moved, set api-url to its new base.'
      : `if you trust the target, set api-url to ${base}.`
  return `${where} Redirects are not followed with the key: ${wayOut}`
}

/** The base of an API that has the requested path at the target; undefined if the target is something else. */
function baseOf({ origin, pathname }: URL, { path }: ApiRequest): string | undefined {
  return path !== undefined && pathname.endsWith(path) ? origin + pathname.slice(0, -path.length) : undefined
}

/** Whether the API accepted a request with a 2xx, and the answer is no prediction. */
export const isSuccessWithoutPrediction = (error: unknown): boolean =>
  error instanceof NotAPredictionError || error instanceof BrokenAnswerError || error instanceof LimitError
