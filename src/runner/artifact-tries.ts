import type { Clock } from '../predictions/clock.ts'
import { backOff, retry } from '../predictions/retry.ts'
import { ArtifactServiceError, isUnknownRequest } from './artifact-error.ts'
import type { ListedArtifact, Retry } from './artifact-store.ts'
import { messageOf } from './failure.ts'
import { info } from './print.ts'

const ATTEMPTS = 5
/** Seconds between two attempts at most: if the service asks for more, the upload is given up. */
const LONGEST_UPLOAD_PAUSE = 60

/** What decides when to try again. */
export interface TriesContext {
  clock: Clock
  signal: AbortSignal
  /** From 0 to 1, for the jitter of back-off. */
  random: () => number
}

/** Milliseconds by which the service's clock may be behind. */
const CLOCK_SKEW = 60_000

/** The tries of one upload: when to try again, and what those that failed may have left behind. */
export class Tries {
  readonly #context: TriesContext
  readonly #began = Date.now()
  /** Times that the name was taken from an upload that was not completed. */
  #rounds = 0
  /** Whether the first round is not over, or there was a pause in this one. */
  #paused = true
  /** The last failure after which the name may have been ours. */
  #failure: ArtifactServiceError | undefined

  constructor(context: TriesContext) {
    this.#context = context
  }

  /** Pauses if no retry has done so: a service may go on to refuse a name that it said it deleted. */
  async nextRound(): Promise<void> {
    const { clock, signal, random } = this.#context
    if (!this.#paused) await clock.sleep(backOff(this.#rounds, { first: 2, random }), signal)
    this.#paused = false
    this.#rounds++
  }

  readonly retry: Retry = (call) => {
    const { clock, signal, random } = this.#context
    return retry(call, {
      clock,
      signal,
      pauseAfter: (error, attempt) => {
        const tries = attempt + this.#rounds
        if (!(error instanceof ArtifactServiceError) || tries >= ATTEMPTS) return undefined
        if (isUnknownRequest(error) || !(error.transient || isNotYetThere(error))) return undefined
        const pause = Math.max(error.retryAfter ?? 0, backOff(tries, { first: 2, random }))
        return pause > LONGEST_UPLOAD_PAUSE ? undefined : pause
      },
      onRetry: (error, pause) => {
        this.#paused = true
        if (error instanceof ArtifactServiceError && mayHoldName(error)) this.#failure = error
        info(`${messageOf(error)} Retrying in ${pause.toFixed(1)} s.`)
      },
    })
  }

  /** Whether a failed attempt of ours took the name and did not complete; uploads of others are never removed. */
  leftUnfinished({ digest, size, created }: ListedArtifact): boolean {
    const isNew = digest === '' && size === 0 && created.getTime() >= this.#began - CLOCK_SKEW
    return isNew && this.#failure !== undefined && this.#rounds < ATTEMPTS
  }

  /** Why a name is taken that no artifact has: the service knows of our own try, and does not show it. */
  reasonFor(newest: ListedArtifact | undefined): ArtifactServiceError | undefined {
    return newest === undefined ? this.#failure : undefined
  }
}

/** A call after the first was made under the name; the first may have been carried out without an answer. */
const mayHoldName = ({ call, status }: ArtifactServiceError) => call !== 'CreateArtifact' || status === undefined

/** An artifact that was just created may not be there for another server of the service. */
const isNotYetThere = ({ call, status }: ArtifactServiceError) => call === 'FinalizeArtifact' && status === 404
