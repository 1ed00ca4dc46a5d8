import type { Dispatcher } from 'undici'
import { isRecord } from './text.ts'

/** Sent with every request but those of `@actions/*`, which have their own. */
export const USER_AGENT = 'await-prediction/1'

/** The longest headers of an answer that are read, in bytes. */
export const MAX_HEADER_SIZE = 256 * 2 ** 10

/** 501 says that the server does not know the call; every other 5xx can be of an intermediary or of a moment. */
const NOT_IMPLEMENTED = 501
const SERVER_ERRORS = Array.from({ length: 100 }, (_, i) => 500 + i).filter((status) => status !== NOT_IMPLEMENTED)

/**
 * Statuses after which a request is retried, whatever the host. From artifacts and releases, a 409 is permanent: the
 * name is taken. Other 4xx statuses and 501 are permanent.
 */
export const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([
  408, // Request Timeout
  409, // Conflict: a model server that is busy
  423, // Locked
  425, // Too Early
  429, // Too Many Requests
  460, // AWS load balancers: the client is said to have closed the connection
  499, // nginx: the same
  ...SERVER_ERRORS,
])

/** Statuses of a redirect that names its target. */
export const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Header names in lower case; several values of one name are joined or listed. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The media type of `Content-Type` in lower case, without parameters; `""` if there is none. */
export const contentTypeOf = (headers: Headers): string =>
  /^[\w.+-]+\/[\w.+-]+/.exec(headerOf(headers, 'content-type') ?? '')?.[0].toLowerCase() ?? ''

/**
 * Seconds that an answer asks to wait: `Retry-After` (seconds, also fractional, or a date), a body key `retry_after`,
 * a phrase such as "resets in ~30s", then `ratelimit-reset`. What lies in the past or makes no sense is no hint.
 */
export function retryAfter(headers: Headers, body: unknown, text: string): number | undefined {
  const date = Date.parse(headerOf(headers, 'date') ?? '')
  const nowMs = Number.isNaN(date) ? Date.now() : date
  const header = headerOf(headers, 'retry-after') ?? ''
  const fromHeader = Number(header)
  const fromDate = (Date.parse(header) - nowMs) / 1000
  const inBody = isRecord(body)
    ? (body.retry_after ?? (isRecord(body.error) ? body.error.retry_after : undefined))
    : undefined
  const reset = Number(headerOf(headers, 'ratelimit-reset') ?? Number.NaN)
  const hints = [
    Number.isFinite(fromHeader) ? fromHeader : fromDate,
    typeof inBody === 'number' || typeof inBody === 'string' ? Number(inBody) : Number.NaN,
    secondsInPhrase(text.slice(0, PHRASE_START)),
    reset >= LEAST_MOMENT ? reset - nowMs / 1000 : reset,
  ]
  return hints.find((seconds) => Number.isFinite(seconds) && seconds > 0)
}

/** Characters of a body in which a phrase is looked for. */
const PHRASE_START = 4096
/** Some services send the moment itself, in seconds since the epoch, instead of the seconds until then. */
const LEAST_MOMENT = 1_000_000_000

const PHRASE_UNITS = {
  ms: { words: 'ms|milliseconds?', seconds: 0.001 },
  s: { words: 's|secs?|seconds?', seconds: 1 },
  m: { words: 'm|mins?|minutes?', seconds: 60 },
} as const
/** What may stand between "retry" and the seconds. Any other word can be about the past: "timed out after 300 s". */
const CONNECTIVES =
  'about|after|again|another|approximately|around|at|at least|for|in|is|of|on|the|this|time|your|requests?'
const PHRASE = new RegExp(
  String.raw`\b(?:resets?|available|retry|again|wait)\b(?:[ :~≈=("-]|\b(?:${CONNECTIVES})\b){0,20}?` +
    String.raw`\b(?<count>\d{1,6}(?:\.\d{1,3})?) ?` +
    String.raw`(?:${Object.entries(PHRASE_UNITS)
      .map(([unit, { words }]) => `(?<${unit}>${words})`)
      .join('|')})\b`,
  'i',
)

/** The seconds in a phrase such as "resets in ~30s"; NaN if there is none. */
function secondsInPhrase(text: string): number {
  const { count, ms, m } = PHRASE.exec(text)?.groups ?? {}
  if (ms !== undefined) return Number(count) * PHRASE_UNITS.ms.seconds
  return Number(count) * (m === undefined ? PHRASE_UNITS.s : PHRASE_UNITS.m).seconds
}

/** The value of a header; the first one if there are several. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : value?.[0]
}

/** Seconds that the headers of an answer ask to wait; undefined if they ask for nothing. */
export const retryAfterOf = (headers: Headers): number | undefined => retryAfter(headers, undefined, '')

/** Where a request goes, as undici wants it. */
export const requestTarget = (url: URL): { origin: string; path: string } => ({
  origin: url.origin,
  path: url.pathname + url.search,
})

/** Gives up a body that is not read, so that its connection is free; what goes wrong with it does not matter any more. */
export function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => {}).destroy()
}
