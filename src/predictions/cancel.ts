import type { Client } from './client.ts'
import type { Clock } from './clock.ts'
import { ApiError, RefusalError } from './errors.ts'
import { isTerminal, statusOf } from './prediction.ts'
import type { RateLimiter } from './rate-limiter.ts'

/** What became of a prediction that was to be cancelled. */
export type Cancellation =
  /** It runs no longer because of us. */
  | { id: string; end: 'canceled' }
  /** It had come to an end by itself; nothing was cancelled. */
  | { id: string; end: 'over'; status: string }
  /** The API has no such call. */
  | { id: string; end: 'impossible' }
  | { id: string; end: 'failed'; error: ApiError | undefined }

export interface CancelOptions {
  client: Client
  clock: Clock
  limiter: RateLimiter
  /** Gives up; what was not done by then counts as failed. */
  signal: AbortSignal
}

const TRIES = 4
/** Statuses with which APIs say that they do not know the call. 404 is among them only where the prediction is known. */
const UNKNOWN_CALL: ReadonlySet<number> = new Set([404, 405, 501])

/**
 * Cancels predictions that still run: looks first, so that one which has ended is reported, not cancelled.
 * Never throws because of the API.
 */
export function cancelPredictions(ids: readonly string[], options: CancelOptions): Promise<Cancellation[]> {
  return Promise.all(ids.map((id) => cancelOne(id, options)))
}

async function cancelOne(id: string, options: CancelOptions): Promise<Cancellation> {
  const { client, signal } = options
  let sent = false
  try {
    return await persist(async () => {
      // Before each attempt: there are APIs whose call deletes what has ended.
      const status = statusOf((await client.get(id, signal)).prediction)
      if (isTerminal(status)) return { id, end: 'over', status }
      sent = true
      const became = statusOf((await client.cancel(id, signal)).prediction)
      return isTerminal(became) && became !== 'canceled' ? { id, end: 'over', status: became } : { id, end: 'canceled' }
    }, options)
  } catch (error) {
    // The answer to the first attempt was lost, and the prediction has gone with it.
    if (sent && error instanceof ApiError && error.request.method === 'GET' && error.retryability === 'not-found')
      return { id, end: 'canceled' }
    if (error instanceof RefusalError && error.request.method !== 'GET' && UNKNOWN_CALL.has(error.status)) {
      return { id, end: 'impossible' }
    }
    if (error instanceof ApiError) return { id, end: 'failed', error }
    if (signal.aborted) return { id, end: 'failed', error: undefined }
    throw error
  }
}

/** Repeats a call that is safe to repeat while its failures may pass. */
async function persist<T>(call: () => Promise<T>, { clock, limiter, signal }: CancelOptions): Promise<T> {
  for (let tries = 1; ; tries++) {
    await limiter.take(signal)
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof ApiError) || error.retryability !== 'transient' || tries === TRIES) throw error
      await clock.sleep(Math.max(2 ** (tries - 2), Math.min(10, error.retryAfter ?? 0)), signal)
    }
  }
}

/** The results in one line: `2 canceled, 1 had ended (succeeded), 1 cannot be cancelled: this API has no such call`. */
export function describeCancellations(results: readonly Cancellation[]): string {
  const count = (end: Cancellation['end']) => results.filter((result) => result.end === end).length
  const over = results.flatMap((result) => (result.end === 'over' ? [result.status] : []))
  return [
    count('canceled') > 0 ? `${count('canceled')} canceled` : '',
    over.length > 0 ? `${over.length} had ended by then (${[...new Set(over)].join(', ')})` : '',
    count('impossible') > 0 ? `${count('impossible')} cannot be cancelled: this API has no such call` : '',
    count('failed') > 0 ? `${count('failed')} could not be cancelled` : '',
  ]
    .filter(Boolean)
    .join(', ')
}
