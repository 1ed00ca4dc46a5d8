import { type ApiError, ConnectionError, RefusalError } from './errors.ts'
import { Patience } from './patience.ts'
import type { WaitStep } from './wait-step.ts'

/** A poll that failed; times in seconds. */
export interface FailedPoll {
  error: ApiError
  /** When it was made. */
  sent: number
  /** The pause before the next poll, as the schedule wants it. */
  planned: number
  /** Whether the prediction has had a good answer. */
  hasAnswer: boolean
}

/** Judges the failures of one wait, by its own patience and by what the other waits of the step got. */
export class FailureJudge {
  readonly #id: string
  readonly #step: WaitStep
  #patience: Patience

  constructor(id: string, step: WaitStep) {
    this.#id = id
    this.#step = step
    this.#patience = this.#newPatience()
  }

  /** A good answer came: the failures before it no longer count. */
  reset(): void {
    this.#patience = this.#newPatience()
  }

  /** Judges a failure. @returns seconds until the next poll */
  judge({ error, sent, planned, hasAnswer }: FailedPoll): number | 'give up' {
    const { doubt, lastGood } = this.#step
    // Errors on the way to the API concern every prediction of the step, so a good answer to any of them counts.
    const concernsAll =
      error.scope === 'account' || error.retryability === 'transient' || error instanceof ConnectionError
    const answered = hasAnswer || (concernsAll && lastGood !== undefined)
    const judgment = this.#patience.judge(error, { now: this.#step.now(), sent, planned, answered })
    if (judgment.kind === 'give up') {
      if (!answered && isHopeless(error)) doubt.believe(error)
      return 'give up'
    }
    const isSharedDoubt = judgment.kind === 'doubt' && error.scope === 'account' && !this.#isContradicted()
    return isSharedDoubt && doubt.add(this.#id, error) ? 'give up' : judgment.pause
  }

  /** Whether others got good answers since this one began to get bad ones: then it is not about all of them. */
  #isContradicted(): boolean {
    const { lastGood } = this.#step
    const { doubtSince } = this.#patience
    return (lastGood ?? Number.NEGATIVE_INFINITY) > (doubtSince ?? Number.POSITIVE_INFINITY)
  }

  #newPatience(): Patience {
    const { parallelJobs, random = Math.random } = this.#step.options
    return new Patience(parallelJobs, random)
  }
}

/** Statuses of the account that some gateways also give for single predictions. */
const MAY_BE_ABOUT_ONE: ReadonlySet<number> = new Set([402, 403])

/** Refusals that are the same for every ID: the key is not accepted, or the address is not that of an API. */
const isHopeless = (error: ApiError) =>
  error.scope === 'account' && !(error instanceof RefusalError && MAY_BE_ABOUT_ONE.has(error.status) && !error.isPage)
