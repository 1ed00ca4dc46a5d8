import { type Prediction, predictTime, statusOf } from './prediction.ts'
import { RunTimes } from './run-times.ts'
import type { Siblings } from './schedule.ts'

const NO_RUN_TIMES = new RunTimes([])

/** What a prediction is of; undefined if the API does not say. */
export const kindOf = ({ model, version }: Prediction): string | undefined =>
  model === undefined && version === undefined ? undefined : `${model ?? ''} ${version ?? ''}`

/** What the predictions of one step that are of the same model reveal about each other. */
export class Kinds {
  /**
   * How many are open, by kind: counting them at each answer would take a thousand steps for each of a thousand. Those
   * of no kind are counted together, and are nobody's siblings.
   */
  readonly #open = new Map<string | undefined, number>()
  /** Of predictions that have succeeded, by kind. */
  readonly #runs = new Map<string | undefined, RunTimes>()

  /** What is known of the other predictions of the same model; undefined if there are none. */
  siblingsOf(prediction: Prediction): Siblings | undefined {
    const kind = kindOf(prediction)
    if (kind === undefined) return undefined
    const open = this.#open.get(kind) ?? 0
    const runs = this.#runs.get(kind) ?? NO_RUN_TIMES
    return open + runs.count > 1 ? { runs, open } : undefined
  }

  /** Notes that an open prediction is no longer of one kind but of another; undefined for none. */
  changed(from: string | undefined, to: string | undefined): void {
    this.#count(from, -1)
    this.#count(to, 1)
  }

  #count(kind: string | undefined, more: number): void {
    this.#open.set(kind, (this.#open.get(kind) ?? 0) + more)
  }

  /** Notes how long a prediction ran that has succeeded. */
  ran(prediction: Prediction): void {
    const kind = kindOf(prediction)
    const seconds = predictTime(prediction)
    if (seconds === undefined || statusOf(prediction) !== 'succeeded') return
    this.#runs.set(kind, (this.#runs.get(kind) ?? NO_RUN_TIMES).with(seconds))
  }
}
