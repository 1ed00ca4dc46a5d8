import { hasCompletedAt, type Prediction, readStatus } from './prediction.ts'
import { errorText } from './prediction-error.ts'

/** Polls in a row, and seconds, in which nothing changes before an unknown status counts as an end. */
const STUCK_POLLS = 3
const STUCK_SECONDS = 10
/** Characters at the end of a log that show whether it still changes. */
const COMPARED = 200

/**
 * Decides when an undocumented status is a bad end: if an error or the time of the end is beside it, and none of
 * it changes any more. Some gateways move `completed_at` while a task runs. A good end is never guessed.
 */
export class StuckStatus {
  #seen = ''
  #since = 0
  #polls = 0

  /** Takes the next answer, `now` in seconds. @returns whether the prediction counts as failed */
  isStuck(prediction: Prediction, now: number): boolean {
    const { status, completed_at, logs } = prediction
    const error = errorText(prediction.error)
    if (readStatus(status).spelling !== 'unknown' || (error === '' && !hasCompletedAt(prediction))) {
      this.#seen = ''
      return false
    }
    // Of a large log only the end is known.
    const seen = JSON.stringify([status, error, completed_at, logs?.length, logs?.slice(-COMPARED)])
    if (seen !== this.#seen) {
      this.#seen = seen
      this.#since = now
      this.#polls = 0
    }
    return ++this.#polls >= STUCK_POLLS && now - this.#since >= STUCK_SECONDS
  }
}
