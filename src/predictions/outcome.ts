import type { Answer } from './answer.ts'
import type { Cancellation } from './cancel.ts'
import type { ApiError } from './errors.ts'

/** How the wait for one prediction came out. */
export interface Outcome {
  readonly id: string
  /**
   * `ended`: the prediction reached a terminal status; `timeout`: our deadline came first; `refused`: the API gave an
   * answer that is final or, at the very start, none at all for too long; `interrupted`: the caller gave up; `crashed`:
   * a bug of ours ended this wait.
   */
  readonly end: 'ended' | 'timeout' | 'refused' | 'interrupted' | 'crashed'
  /** The terminal status, else the last word seen, else `""`. */
  readonly status: string
  /** The last good answer; undefined if there was none. */
  readonly answer: Answer | undefined
  /** Why it was refused, or what stood in the way last if the deadline came first. */
  readonly error: ApiError | undefined
  /** Seconds from the start of the wait to this outcome. */
  readonly waited: number
  /** What became of the prediction when it was canceled after the wait. */
  readonly cancellation?: Cancellation
  /** What was thrown if it crashed. */
  readonly bug?: unknown
}
