import { errorBodyMessage, parseErrorBody } from '../predictions/error-body.ts'
import { type Headers, headerOf, retryAfterOf, TRANSIENT_STATUSES } from '../predictions/http.ts'
import { backOff } from '../predictions/retry.ts'
import { isRecord, sentence } from '../predictions/text.ts'
import { counted } from './format.ts'

/** A release could not be read or changed. The message is whole sentences. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError'
  /** What a 422 is about, such as `already_exists` or `file_count`; empty for an error that has no name. */
  readonly codes: readonly string[]
  /** Whether every other file would be refused too. */
  readonly concernsAll: boolean

  constructor(
    message: string,
    {
      codes = [],
      concernsAll = false,
      ...options
    }: ErrorOptions & Partial<Pick<ReleaseError, 'codes' | 'concernsAll'>> = {},
  ) {
    super(message, options)
    this.codes = codes
    this.concernsAll = concernsAll
  }
}

/** The code of a 422 for a name that another asset has. */
export const ALREADY_EXISTS = 'already_exists'
/** Permanent reasons of a 422: a taken name, 1,000 assets. Others, such as "Error saving asset", are transient. */
const PERMANENT_CODES: ReadonlySet<string> = new Set([ALREADY_EXISTS, 'file_count'])

/** What a call may answer for a while besides what is transient everywhere. */
export interface AlsoTransient {
  /** 404: made a moment ago. */
  lag?: boolean
  /** 422 that is no collision of names, such as "Error saving asset". */
  unprocessable?: boolean
}

/** Seconds after which a failed call may be repeated; undefined if that would not help. */
export function pauseAfter(
  error: unknown,
  attempt: number,
  { random, lag, unprocessable }: AlsoTransient & { random: () => number },
): number | undefined {
  const { status, headers, codes } = refusalOf(error)
  const pause = backOff(attempt, { random })
  if (status === 403 || status === 429) return rateLimitOf(headers) ?? (status === 429 ? pause : undefined)
  if (status === undefined || isTransient(status)) return Math.max(pause, retryAfterOf(headers) ?? 0)
  if (status === 404 && lag) return pause
  return status === 422 && unprocessable && !codes.some((code) => PERMANENT_CODES.has(code)) ? pause : undefined
}

/** Here, a conflict is permanent. */
const isTransient = (status: number) => status !== 409 && TRANSIENT_STATUSES.has(status)

/** Seconds until a rate limit ends that the answer names. */
function rateLimitOf(headers: Headers): number | undefined {
  const after = retryAfterOf(headers)
  if (after !== undefined || headerOf(headers, 'x-ratelimit-remaining') !== '0') return after
  const now = Date.parse(headerOf(headers, 'date') ?? '') || Date.now()
  const left = Number(headerOf(headers, 'x-ratelimit-reset') ?? Number.NaN) - now / 1000
  return left >= 0 ? left + 1 : undefined
}

/** What an answer says about why it refuses. */
export interface Refusal {
  /** Undefined without an answer, for which octokit says 500. */
  status: number | undefined
  headers: Headers
  codes: readonly string[]
  /** What the body says, pages cut to their title. */
  said: string
  /** Whether the body is JSON, as those of the API are. */
  isOfApi: boolean
}

/** What is known of an error that octokit threw. */
export function refusalOf(error: unknown): Refusal {
  const response: unknown = isRecord(error) ? error.response : undefined
  if (!isRecord(response)) return { status: undefined, headers: {}, codes: [], said: '', isOfApi: false }
  const { status, data } = response
  const body = typeof data === 'string' ? parseErrorBody(data) : data
  const errors = isRecord(body) && Array.isArray(body.errors) ? body.errors.filter(isRecord) : []
  const details = errors.map(({ field, code, message }) => message ?? [field, code].filter(Boolean).join(' '))
  const said = errorBodyMessage(isRecord(body) ? { message: body.message } : body, typeof data === 'string' ? data : '')
  return {
    status: Number(status),
    headers: isRecord(response.headers) ? (response.headers as Headers) : {},
    codes: errors.map(({ code, field }) => String((code === 'custom' ? field : code) ?? '')),
    said: [said, details.join('; ')].filter(Boolean).join(': '),
    isOfApi: isRecord(body),
  }
}

/** Why an answer with that status refuses, and what to do about it, in sentences. */
export function reasonOf(status: number, { headers, codes, said }: Refusal): string {
  if (status === 401) return 'github-token is not valid (401).'
  const limit = rateLimitOf(headers)
  if (limit !== undefined) {
    const minutes = counted(Math.ceil(limit / 60), 'minute')
    return `the rate limit of github-token is exceeded for another ${minutes} (${status}).`
  }
  const answered = sentence(said === '' ? String(status) : `${status}, ${said}`)
  if (status === 403 || status === 404) return `${answered} The job needs the permission contents: write.`
  if (codes.includes(ALREADY_EXISTS)) {
    return `an asset of that name was added in the meantime (${status}). Set overwrite: true to replace it.`
  }
  if (status === 413) return `${answered} The file is larger than the server or the quota of the owner allows.`
  return answered
}

/** What octokit wraps; the error itself if it wraps nothing. */
export const unwrapped = (error: unknown): unknown => (error instanceof Error && error.cause ? error.cause : error)

/** @throws the error, unless it is a 404 */
export function notFoundAsUndefined(error: unknown): undefined {
  if (refusalOf(error).status === 404) return undefined
  throw error
}
