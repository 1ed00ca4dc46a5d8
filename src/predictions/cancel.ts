import type { Client } from './client.ts'
import type { Clock } from './clock.ts'
import { saysRefused } from './error-body.ts'
import { ApiError, isSuccessWithoutPrediction, NotAPredictionError, RefusalError } from './errors.ts'
import { isTerminal, type Status, statusOf } from './prediction.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { backOff, retry } from './retry.ts'

/** What became of a prediction that was to be canceled. */
export type Cancellation =
  /** It no longer runs because of us. */
  | { id: string; end: 'canceled' }
  /** It had ended by itself; nothing was canceled. */
  | { id: string; end: 'over'; status: string }
  /** The API has no such call. */
  | { id: string; end: 'impossible' }
  | { id: string; end: 'failed'; error: ApiError | undefined }

export interface CancelOptions {
  client: Client
  clock: Clock
  limiter: RateLimiter
  /** Gives up; cancellations that are not done count as failed. */
  signal: AbortSignal
  random?: () => number
}

const MOST_ATTEMPTS = 4
const FIRST_PAUSE = 0.5
/** Seconds that a hint is obeyed at most: what is not canceled soon costs money, and a canceled job has little time. */
const LONGEST_CANCEL_PAUSE = 10
/** Statuses with which APIs say that they do not know the call. 404 is among them only if the prediction is known. */
const UNKNOWN_CALL: ReadonlySet<number> = new Set([404, 405, 501])
/** Statuses with which APIs say that a prediction cannot be canceled, mostly because it has ended. */
const NOT_NOW: ReadonlySet<number> = new Set([400, 422])
/** How a canceled prediction ends: `aborted` if it had not started. */
const CANCELED: ReadonlySet<Status> = new Set(['canceled', 'aborted'])

/**
 * Cancels predictions that still run: looks first, so that one which has ended is reported, not canceled.
 * Never throws because of the API.
 */
export function cancelPredictions(ids: readonly string[], options: CancelOptions): Promise<Cancellation[]> {
  return Promise.all(ids.map((id) => cancelOne(id, options)))
}

async function cancelOne(id: string, options: CancelOptions): Promise<Cancellation> {
  const { client, clock, limiter, signal } = options
  let sent = false
  const attempt = async (): Promise<Cancellation> => {
    await limiter.take(signal)
    // Before each attempt: there are APIs whose call deletes what has ended.
    const status = statusOf((await client.get(id, signal)).prediction)
    if (isTerminal(status)) return sent ? endOf(id, status) : { id, end: 'over', status }
    sent = true
    return endOf(id, await statusAfterCancel(id, options))
  }
  try {
    return await retry(attempt, { clock, signal, pauseAfter: (error, count) => pauseAfter(error, count, options) })
  } catch (error) {
    return failureOf(id, error, { sent, signal })
  }
}

/**
 * Cancels, and takes any 2xx for a success that does not say that it is none: there are servers that answer `{}`. Then
 * it looks what has become of the prediction.
 * @throws the refusal, if the prediction runs on
 */
async function statusAfterCancel(id: string, { client, signal }: CancelOptions): Promise<Status> {
  let refusal: unknown
  try {
    return statusOf((await client.cancel(id, signal)).prediction)
  } catch (error) {
    if (isRefusal(error)) refusal = error
    else if (!isSuccessWithoutPrediction(error)) throw error
  }
  try {
    const status = statusOf((await client.get(id, signal)).prediction)
    if (refusal === undefined || isTerminal(status)) return status
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (refusal === undefined) return 'canceled'
  }
  throw refusal
}

/** Whether the API refused to cancel: by its status, in the body of a success, or with the page of a path that it does not have. */
function isRefusal(error: unknown): boolean {
  if (error instanceof NotAPredictionError) return error.scope === 'account' || saysRefused(error.body)
  return error instanceof RefusalError && NOT_NOW.has(error.status)
}

/** A prediction that runs on after the API accepted the call counts as canceled: the API may take a moment. */
const endOf = (id: string, status: Status): Cancellation =>
  isTerminal(status) && !CANCELED.has(status) ? { id, end: 'over', status } : { id, end: 'canceled' }

function pauseAfter(error: unknown, count: number, { random = Math.random }: CancelOptions): number | undefined {
  if (!(error instanceof ApiError) || error.retryability !== 'transient' || count === MOST_ATTEMPTS) return undefined
  return Math.max(backOff(count, { first: FIRST_PAUSE, random }), Math.min(LONGEST_CANCEL_PAUSE, error.retryAfter ?? 0))
}

function failureOf(id: string, error: unknown, { sent, signal }: { sent: boolean; signal: AbortSignal }): Cancellation {
  if (error instanceof ApiError) {
    const isGet = error.request.method === 'GET'
    // The answer to the first attempt was lost, but it canceled the prediction.
    if (sent && isGet && error.retryability === 'not-found') return { id, end: 'canceled' }
    const isUnknownCall = error instanceof RefusalError && UNKNOWN_CALL.has(error.status)
    return !isGet && isUnknownCall ? { id, end: 'impossible' } : { id, end: 'failed', error }
  }
  if (signal.aborted) return { id, end: 'failed', error: undefined }
  throw error
}

/** The results in one line: `a, b canceled; c had already ended (succeeded)`. */
export function describeCancellations(results: readonly Cancellation[]): string {
  const named = (end: Cancellation['end']) => namesOf(results.filter((result) => result.end === end))
  const over = new Set(results.flatMap((result) => (result.end === 'over' ? [result.status] : [])))
  const groups: [string, string][] = [
    [named('canceled'), 'canceled'],
    [named('over'), `had already ended (${[...over].join(', ')})`],
    [named('impossible'), 'cannot be canceled: the API does not support it'],
    [named('failed'), 'could not be canceled'],
  ]
  return groups.flatMap(([names, became]) => (names === '' ? [] : [`${names} ${became}`])).join('; ')
}

/** IDs that are named; more would make a line that nobody reads. */
const NAMED = 10

/** The first of the IDs, and how many more there are. */
export function namesOf(predictions: readonly { id: string }[]): string {
  const names = predictions.slice(0, NAMED).map(({ id }) => id)
  const more = predictions.length - names.length
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
