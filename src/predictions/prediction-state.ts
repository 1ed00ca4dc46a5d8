import type { Answer } from './answer.ts'
import type { ApiError } from './errors.ts'
import type { Outcome } from './outcome.ts'
import { isTerminal, readStatus, statusOf } from './prediction.ts'
import { isOutputLate } from './second-look.ts'
import { kindOf } from './siblings.ts'
import { StuckStatus } from './stuck-status.ts'
import type { WaitStep } from './wait-step.ts'

/** What is known of one prediction: its last good answer, and what has failed since. */
export class PredictionState {
  readonly #id: string
  readonly #step: WaitStep
  readonly #stuck = new StuckStatus()
  #answer: Answer | undefined
  /** What it is of, as far as it is known. */
  #kind: string | undefined
  /** When it was last seen running. */
  #ranAt: number | undefined
  #countsAsFailed = false
  /** What has failed since the last good answer. */
  error: ApiError | undefined

  constructor(id: string, step: WaitStep) {
    this.#id = id
    this.#step = step
  }

  /** Whether there was a good answer. */
  get hasAnswer(): boolean {
    return this.#answer !== undefined
  }

  /** Takes a good answer, and lets the other waits of the step know. @returns whether the prediction has ended */
  accept(answer: Answer): boolean {
    const step = this.#step
    const now = step.now()
    const { prediction } = answer
    this.#changeKind(kindOf(prediction))
    this.keep(answer)
    this.error = undefined
    step.lastGood = now
    step.doubt.resolve()
    this.#countsAsFailed = step.options.failOnStuckStatus !== false && this.#stuck.isStuck(prediction, now)
    const hasEnded = isTerminal(statusOf(prediction)) || this.#countsAsFailed
    if (hasEnded) step.kinds.ran(prediction)
    else this.#ranAt = now
    return hasEnded
  }

  /** Replaces the last answer, and changes nothing else. */
  keep(answer: Answer): void {
    this.#answer?.stored?.close().catch(() => {})
    this.#answer = answer
  }

  /** The wait is over: the prediction is no longer one of those that run. */
  leave(): void {
    this.#changeKind(undefined)
  }

  #changeKind(kind: string | undefined): void {
    this.#step.kinds.changed(this.#kind, kind)
    this.#kind = kind
  }

  /** Whether it has succeeded a moment ago, but has no output yet. */
  get isOutputLate(): boolean {
    const prediction = this.#answer?.prediction
    const { date = Date.now } = this.#step.options
    const ranAgo = this.#ranAt === undefined ? undefined : this.#step.now() - this.#ranAt
    return prediction !== undefined && isOutputLate(prediction, ranAgo, date())
  }

  outcome(end: Outcome['end']): Outcome {
    const word = this.#answer?.prediction.status ?? ''
    const { status } = readStatus(word)
    const known = status === 'unknown' ? word : status
    return {
      id: this.#id,
      end,
      status: end === 'ended' && this.#countsAsFailed ? 'failed' : known,
      answer: this.#answer,
      error: this.error,
      waited: this.#step.now(),
    }
  }
}
