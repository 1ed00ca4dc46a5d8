import { contentTypeOf, type Headers, headerOf, retryAfterOf, TRANSIENT_STATUSES } from '../http.ts'
import { RETENTION } from '../prediction.ts'
import { WEB_PAGE_TYPES } from './extensions.ts'
import { PermanentError, WebPageError } from './file-error.ts'
import { believedFrom, type Ending, mayHaveExpired } from './patience.ts'

/** A transfer that is cut off, stalls or is postponed can be resumed where it stopped. */
export class InterruptedTransfer extends Error {
  override readonly name = 'InterruptedTransfer'
  /** Seconds to wait, as requested by the server. */
  readonly retryAfter: number | undefined
  /** Whether the server said that there are too many requests. */
  readonly overloaded: boolean
  /** The last moment for another attempt, on the clock. */
  readonly until: number
  /** Whether a web page came in place of a file, for a link that may be none. */
  readonly page: boolean

  constructor(
    reason: string,
    more: { retryAfter?: number | undefined; overloaded?: boolean; until?: number; page?: boolean } = {},
  ) {
    super(reason)
    this.retryAfter = more.retryAfter
    this.overloaded = more.overloaded ?? false
    this.until = more.until ?? Number.POSITIVE_INFINITY
    this.page = more.page ?? false
  }
}

/** What is known about the file for which a server refuses to give anything. */
export interface Refused {
  ending: Ending
  now: number
  /** Whether the address is of the API. */
  ofApi: boolean
  /** Whether it was requested with the key. */
  keyed: boolean
  /** Whether the link has an extension, so that it cannot be meant as a web page. */
  hasExtension: boolean
}

export const isWebPage = (headers: Headers): boolean => WEB_PAGE_TYPES.has(contentTypeOf(headers))

const EXPIRED = `it has probably expired: the API deletes files ${RETENTION}. To get it, start a new prediction`

/** What an answer without a file means: whether it is transient, or why it is permanent. */
export function refusalOf(status: number, headers: Headers, refused: Refused): InterruptedTransfer | PermanentError {
  const { ending, now } = refused
  const answered = `the server returned ${status}`
  const page = !refused.hasExtension && isWebPage(headers)
  if (TRANSIENT_STATUSES.has(status)) {
    const overloaded = status === 429 || status === 503
    return new InterruptedTransfer(answered, { retryAfter: retryAfterOf(headers), overloaded, page })
  }
  const until = believedFrom(ending)
  if ((status === 403 || status === 404) && now < until) {
    return new InterruptedTransfer(answered, { retryAfter: retryAfterOf(headers), until, page })
  }
  const reason = reasonOf(status, refused)
  const message = reason === '' ? answered : `${answered}: ${reason}`
  return page ? new WebPageError(message) : new PermanentError(message)
}

function reasonOf(status: number, { ending, now, ofApi, keyed }: Refused): string {
  if (status === 401 && keyed) return 'it does not accept the key'
  if (status === 401 && ofApi) {
    return 'it requires the API key, but files are downloaded without the key. Download it in a step of your own'
  }
  if (status === 401) return 'it requires credentials, but files are downloaded without any'
  const gone = status === 403 || status === 404 || status === 410
  if (gone && mayHaveExpired(ending, now)) return EXPIRED
  if (status === 403) return 'the link is not valid, or no longer valid'
  if (status === 404) return 'there is no such file'
  return status === 410 ? 'the file no longer exists' : ''
}

/**
 * The length of a file, from an answer that has a part of it.
 * @param from the place from which on it was requested
 * @returns undefined if it is a different part, or has no length
 */
export function lengthOfPart(headers: Headers, from: number): number | undefined {
  const range = /^bytes (?<first>\d{1,15})-(?<last>\d{1,15})\/(?<total>\d{1,15})$/.exec(
    headerOf(headers, 'content-range')?.trim() ?? '',
  )?.groups
  const [first, last, total] = [Number(range?.first), Number(range?.last), Number(range?.total)]
  return first === from && last >= first && total > last ? total : undefined
}
