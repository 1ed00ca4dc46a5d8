import type { Answer } from './answer.ts'
import type { Client } from './client.ts'
import type { Clock } from './clock.ts'
import type { EndSignals } from './end-signal.ts'
import type { ApiError } from './errors.ts'
import type { Outcome } from './outcome.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { Schedule } from './schedule.ts'

/** What is reported during the wait; `now` is in seconds since its start. Called in order for each id. */
export interface WaitObserver {
  /** A good answer. `left`: seconds to the end as the log predicts them. */
  answered(event: { id: string; now: number; answer: Answer; left: number | undefined }): void
  /** A request that failed and will be repeated after `pause` seconds. */
  failed(event: { id: string; now: number; error: ApiError; pause: number }): void
  /** An id has come to its outcome. */
  settled(outcome: Outcome): void
}

export interface WaitOptions {
  client: Client
  clock: Clock
  /** Seconds for all predictions together; Infinity for no deadline. */
  timeout: number
  /** Makes the schedule of one prediction. */
  schedule: () => Schedule
  /** Paces the requests of all predictions together. */
  limiter: RateLimiter
  /** Opens streams that signal the end; undefined if only the schedule decides. */
  endSignals?: EndSignals | undefined
  /** How many jobs poll the same account at the same time, this one included. */
  parallelJobs: number
  observer: WaitObserver
  /** Ends the wait early, with what is known so far. */
  signal: AbortSignal
  random?: () => number
  /** Whether an unknown status beside an error that stays counts as failed; true unless given. */
  failOnStuckStatus?: boolean
  /** Whether the list of predictions may be read; true unless given. */
  readsList?: boolean
  /** Whether the observer wants the log of a prediction when it has ended, which lists do not have. */
  wantsLogs?: boolean
  /** The date in milliseconds since the epoch, to determine how old an end is. */
  date?: () => number
}
