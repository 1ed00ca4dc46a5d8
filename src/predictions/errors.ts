import { STATUS_CODES } from 'node:http'

/**
 * What a failed request means for a wait: `again` may heal by itself, `missing` may be a replica that lags behind
 * the creation, `final` stays as it is however often one asks.
 */
export type Consequence = 'again' | 'missing' | 'final'

/** A request to the predictions API that did not bring what it asked for. The message is whole sentences, free of the key. */
export abstract class ApiError extends Error {
  abstract readonly consequence: Consequence
  /** Seconds that the server asked to wait before the next request; undefined where it asked for nothing. */
  readonly retryAfter: number | undefined = undefined
}

/** Nothing came back, or only a part: refused, reset, timed out, no such host, a certificate that is not trusted. */
export class ConnectionError extends ApiError {
  override readonly name = 'ConnectionError'
  readonly consequence: Consequence
  /** True where the request cannot have reached the server, so that repeating even a POST is safe. */
  readonly neverSent: boolean

  /** @param certificate what is known about a certificate that is not trusted, as a sentence */
  constructor(request: string, cause: unknown, certificate = '') {
    const code = errorCode(cause)
    const tls = isCertificateFault(cause)
    super(
      [`${request} got no answer: ${describe(cause, code)}.`, ...(tls ? [certificate, TRUST] : [])]
        .filter(Boolean)
        .join(' '),
      { cause },
    )
    this.consequence = tls ? 'final' : 'again'
    this.neverSent = code !== undefined && NEVER_SENT.has(code)
  }
}

const NEVER_SENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

const TRUST =
  'If a proxy or a private gateway signs its own certificates, put the path of its CA certificate (PEM) into NODE_EXTRA_CA_CERTS in the environment of the runner.'

/** The answer has a status other than 2xx. */
export class RefusalError extends ApiError {
  override readonly name = 'RefusalError'
  readonly consequence: Consequence
  override readonly retryAfter: number | undefined
  readonly status: number
  /** What the body said, in the API's own words; `""` where it said nothing. */
  readonly said: string
  /** The faults of single input fields that a 422 lists. */
  readonly fields: readonly { field: string; description: string }[]

  constructor(request: string, answer: { status: number; headers: Headers; text: string }) {
    const { status } = answer
    const body = parse(answer.text)
    const said = messageOf(body, answer.text)
    const code = codeOf(body)
    const reason = STATUS_CODES[status] ? ` ${STATUS_CODES[status]}` : ''
    const words = [said, code !== undefined && !said.includes(code) ? `(code: ${code})` : ''].filter(Boolean).join(' ')
    const advice = adviceFor(status)
    super(
      `${request} answered ${status}${reason}${words ? `: ${sentence(words)}` : ' with no message.'}${advice ? ` ${advice}` : ''}`,
    )
    this.status = status
    this.said = words
    this.fields = invalidFields(body)
    this.consequence = consequenceOf(status, code)
    this.retryAfter = status === 429 || status === 503 ? retryAfter(answer.headers, body, answer.text) : undefined
  }
}

/** The answer is a success, but no prediction: another endpoint, a web page, a list. */
export class NotAPredictionError extends ApiError {
  override readonly name = 'NotAPredictionError'
  readonly consequence: Consequence = 'final'

  constructor(request: string, what: string, cause?: string) {
    super(
      `${request} answered with ${what}, not with a prediction. ${cause ?? 'Check that api-url is the base of a predictions API, up to but without /predictions.'}`,
    )
  }
}

/** The body ended before it was whole, or is not the JSON that it began to be. */
export class BrokenAnswerError extends ApiError {
  override readonly name = 'BrokenAnswerError'
  readonly consequence: Consequence = 'again'

  constructor(request: string, what: string) {
    super(`${request} got a broken answer: ${what}.`)
  }
}

/** The body is larger than what we are ready to hold in memory. */
export class TooLargeError extends ApiError {
  override readonly name = 'TooLargeError'
  readonly consequence: Consequence = 'final'

  constructor(request: string, limit: number) {
    super(`${request} answered with more than ${limit / 2 ** 20} MiB, which no prediction needs. It was not read on.`)
  }
}

/** Header names in lower case; several values of one name are joined or listed. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Statuses that pass by themselves. Other 4xx and 5xx stay. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])

function consequenceOf(status: number, code: string | undefined): Consequence {
  if (status === 404) return 'missing'
  return PASSING.has(status) && code !== 'invalid_request' ? 'again' : 'final'
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

/**
 * The message inside an error body, tried in the order in which the gateways seen so far put it.
 * Text of a page is shortened to its title; everything is bounded, because it goes into an annotation.
 */
function messageOf(body: unknown, text: string): string {
  const found = firstText(body)
  if (found !== undefined) return shorten(found)
  const plain = text.trim()
  if (/^<(?:!doctype|html|\?xml|head|body)/i.test(plain)) {
    const title = /<title[^>]{0,200}>([^<]{1,200})/i.exec(plain.slice(0, 20_000))?.[1]?.trim()
    return title ? `a web page titled "${title}"` : 'a web page'
  }
  return body === undefined || typeof body === 'string' ? shorten(plain) : shorten(JSON.stringify(body))
}

function firstText(body: unknown): string | undefined {
  if (!isRecord(body)) return undefined
  const error = isRecord(body.error) ? body.error : {}
  const candidates = [
    body.detail,
    body.error,
    error.message,
    error.detail,
    body.message,
    body.msg,
    body.description,
    body.title,
    body.error_msg,
    body.status_message,
  ]
  for (const candidate of candidates) {
    if (typeof candidate === 'string' && candidate.trim() !== '') return candidate.trim()
    if (Array.isArray(candidate) && candidate.length > 0) return candidate.slice(0, 20).map(listedFault).join('; ')
  }
  return undefined
}

/** One entry of FastAPI's `detail` list: `{loc: ["body", "input", "steps"], msg: "…"}`. */
function listedFault(entry: unknown): string {
  if (!isRecord(entry) || typeof entry.msg !== 'string') return JSON.stringify(entry)
  return Array.isArray(entry.loc) ? `${entry.loc.slice(0, 10).join('.')}: ${entry.msg}` : entry.msg
}

function invalidFields(body: unknown): { field: string; description: string }[] {
  if (!isRecord(body) || !Array.isArray(body.invalid_fields)) return []
  return body.invalid_fields.slice(0, 50).flatMap((entry: unknown) => {
    if (!isRecord(entry) || typeof entry.field !== 'string') return []
    return [
      { field: entry.field, description: typeof entry.description === 'string' ? entry.description : 'is not valid' },
    ]
  })
}

function codeOf(body: unknown): string | undefined {
  if (!isRecord(body)) return undefined
  const code = (isRecord(body.error) ? body.error.code : undefined) ?? body.code ?? body.status_code
  return (typeof code === 'string' && code !== '') || typeof code === 'number' ? String(code).slice(0, 100) : undefined
}

/**
 * Seconds that an answer asks to wait: `Retry-After` (seconds, also fractional, or a date), a body key `retry_after`,
 * a phrase such as "resets in ~30s", then `ratelimit-reset`. What lies in the past or makes no sense is no hint.
 */
function retryAfter(headers: Headers, body: unknown, text: string): number | undefined {
  const date = Date.parse(headerOf(headers, 'date') ?? '')
  const nowMs = Number.isNaN(date) ? Date.now() : date
  const header = headerOf(headers, 'retry-after')?.trim()
  const fromHeader = header === undefined || header === '' ? Number.NaN : Number(header)
  const fromDate = header === undefined ? Number.NaN : (Date.parse(header) - nowMs) / 1000
  const inBody = isRecord(body)
    ? (body.retry_after ?? (isRecord(body.error) ? body.error.retry_after : undefined))
    : undefined
  const phrase =
    /\b(?:resets?|available|retry|again|wait)\b[^.\d\n]{0,24}?(\d{1,6}(?:\.\d{1,3})?) ?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?)\b/i.exec(
      text.slice(0, 4096),
    )
  const unit = phrase?.[2]?.toLowerCase() ?? ''
  const scale = unit.startsWith('ms') || unit.startsWith('milli') ? 0.001 : unit.startsWith('m') ? 60 : 1
  const reset = Number(headerOf(headers, 'ratelimit-reset') ?? Number.NaN)
  const hints = [
    Number.isFinite(fromHeader) ? fromHeader : fromDate,
    typeof inBody === 'number' || typeof inBody === 'string' ? Number(inBody) : Number.NaN,
    Number(phrase?.[1] ?? Number.NaN) * scale,
    // Some services send the moment itself instead of the seconds until then.
    reset > 1_000_000_000 ? reset - nowMs / 1000 : reset,
  ]
  return hints.find((seconds) => Number.isFinite(seconds) && seconds > 0)
}

function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : value?.[0]
}

/** The first code in a chain of causes, such as `ECONNRESET`. */
function errorCode(error: unknown): string | undefined {
  let current = error
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    const { code } = current as NodeJS.ErrnoException
    if (typeof code === 'string') return code
    // Node's attempts on several addresses of one host come as one error that holds all of theirs.
    current = current instanceof AggregateError ? current.errors[0] : current.cause
  }
  return undefined
}

/** A certificate is not trusted, has expired or is for another host: no other try will mend that. */
export function isCertificateFault(error: unknown): boolean {
  const code = errorCode(error) ?? ''
  return /CERT|ISSUER|LEAF_SIGNATURE|ALTNAME|SELF_SIGNED|CRL/.test(code) && !code.startsWith('UND_')
}

const CODES_IN_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the server refuses connections',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host could not be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection could not be made in time',
  UND_ERR_HEADERS_TIMEOUT: 'the server did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped half-way',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was cut off',
}

/** A fault of the network or of the file system in words, with its code. */
export const describeFault = (error: unknown): string => describe(error, errorCode(error))

/** Seconds that the headers of an answer ask to wait; undefined where they ask for nothing. */
export const retryAfterOf = (headers: Headers): number | undefined => retryAfter(headers, undefined, '')

function describe(cause: unknown, code: string | undefined): string {
  const words = code === undefined ? undefined : CODES_IN_WORDS[code]
  if (words !== undefined) return `${words} (${code})`
  const message = cause instanceof Error ? cause.message || cause.name : String(cause)
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const shorten = (text: string) => (text.length > 1000 ? `${text.slice(0, 1000)}…` : text)
const sentence = (text: string) => (/[.!?。！？…]$/.test(text) ? text : `${text}.`)
