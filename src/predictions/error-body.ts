import type { Headers } from './http.ts'
import { isRawNumber } from './json/numbers.ts'
import { parseJson, parseJsonInTurns } from './json/parse.ts'
import { stringifyJson } from './json/write.ts'
import { errorText } from './prediction-error.ts'
import { clip, isRecord } from './text.ts'

/** Characters of a message that are kept: it goes into an annotation. */
const LONGEST_MESSAGE = 1000
/** Entries of a list of errors that are kept. */
const MOST_FAULTS = 20
const MOST_FIELDS = 50
const LONGEST_CODE = 100
const shorten = (text: string) => clip(text, LONGEST_MESSAGE)

/**
 * The message inside an error body, tried in the order in which the gateways seen so far put it.
 * Text of a page is shortened to its title; everything is bounded, because it goes into an annotation.
 */
export function errorBodyMessage(body: unknown, text: string): string {
  const found = messageIn(body)
  if (found !== undefined) return found
  const plain = text.trim()
  if (isPage(plain)) return describePage(plain)
  return body === undefined || typeof body === 'string' ? shorten(plain) : shorten(stringifyJson(body))
}

/** The message of an error body; undefined if it has none. */
export function messageIn(body: unknown): string | undefined {
  const found = firstText(body)
  return found === undefined ? undefined : shorten(found)
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
    if (Array.isArray(candidate) && candidate.length > 0) {
      return candidate.slice(0, MOST_FAULTS).map(listedError).join('; ')
    }
  }
  return undefined
}

/** One entry of FastAPI's `detail` list: `{loc: ["body", "input", "steps"], msg: "…"}`. */
function listedError(entry: unknown): string {
  if (!isRecord(entry) || typeof entry.msg !== 'string') return stringifyJson(entry)
  return Array.isArray(entry.loc) ? `${entry.loc.slice(0, 10).join('.')}: ${entry.msg}` : entry.msg
}

/** The errors of single input fields in the body of a 422. */
export function invalidFields(body: unknown): { field: string; description: string }[] {
  if (!isRecord(body) || !Array.isArray(body.invalid_fields)) return []
  return body.invalid_fields.slice(0, MOST_FIELDS).flatMap((entry: unknown) => {
    if (!isRecord(entry) || typeof entry.field !== 'string') return []
    return [
      { field: entry.field, description: typeof entry.description === 'string' ? entry.description : 'is not valid' },
    ]
  })
}

/** The code of an error, as text; undefined if there is none. */
export function errorBodyCode(body: unknown): string | undefined {
  if (!isRecord(body)) return undefined
  const code = (isRecord(body.error) ? body.error.code : undefined) ?? body.code ?? body.status_code
  if (isRawNumber(code)) return code.rawJSON.slice(0, LONGEST_CODE)
  const isGiven = (typeof code === 'string' && code !== '') || typeof code === 'number'
  return isGiven ? String(code).slice(0, LONGEST_CODE) : undefined
}

/** Codes with which gateways say that all is well: their own, and those of HTTP. */
const SUCCESS_CODE = /^(?:0|2\d\d|success|ok)$/i

/** True if a body says that the request was refused, whatever the HTTP status. */
export function saysRefused(body: unknown): boolean {
  if (!isRecord(body)) return false
  const code = errorBodyCode(body) ?? '0'
  return body.success === false || errorText(body.error) !== '' || !SUCCESS_CODE.test(code)
}

/** True if the body itself says that the request may be repeated, as the edge in front of many APIs does. */
export const saysRetryable = (body: unknown): boolean =>
  isRecord(body) && (body.retryable === true || (isRecord(body.error) && body.error.retryable === true))

/** A body as JSON; undefined if it is not JSON. */
export function parseErrorBody(text: string): unknown {
  try {
    return parseJson(text).value
  } catch {
    return undefined
  }
}

/** {@link parseErrorBody} in turns of the event loop. */
export const parseErrorBodyInTurns = (text: string): Promise<unknown> =>
  parseJsonInTurns(text).then(
    ({ value }) => value,
    () => undefined,
  )

/** True for HTML and XML: what intermediaries say, and gateways on paths that they do not know. */
export const isPage = (text: string): boolean => text.trimStart().startsWith('<')

/** Characters of a page in which its title is looked for. */
const PAGE_HEAD = 20_000

/** `a web page titled "…"`, or `a web page`. */
export function describePage(text: string): string {
  const title = titleOf(text)
  return title === undefined ? 'a web page' : `a web page titled "${title}"`
}

const titleOf = (text: string): string | undefined =>
  /<title[^>]{0,200}>([^<]{1,200})/i.exec(text.slice(0, PAGE_HEAD))?.[1]?.trim() || undefined

/** Titles of the pages with which an edge makes sure that a person reads them. */
const CHALLENGE_TITLES = [
  'just a moment',
  'attention required',
  'checking your browser',
  'please wait',
  'verifying',
  'ddos-guard',
]

/**
 * True for the page of an edge, such as Cloudflare's, that takes the client for a robot: the API never saw the request.
 * Its header: https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
 */
export function isChallenge(headers: Headers, text: string): boolean {
  if (headers['cf-mitigated'] === 'challenge') return true
  const title = isPage(text) ? titleOf(text)?.toLowerCase() : undefined
  return CHALLENGE_TITLES.some((start) => title?.startsWith(start))
}
