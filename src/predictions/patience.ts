import { type ApiError, ConnectionError, LimitError, RefusalError } from './errors.ts'
import { backOff, jittered } from './retry.ts'
import { SHARERS_FREE } from './schedule.ts'

/** Seconds without any connection after which a wait that never got a good answer gives up. */
const CONNECT_PATIENCE = 60
/** Seconds by which an attempt that takes its time may be later than that. */
const CONNECT_OVERTIME = 5
/** Seconds of other transient failures, and nothing else, after which such a wait gives up. */
const TRANSIENT_PATIENCE = 300
/** More jobs than this poll so slowly that the patience must grow for them to have as many attempts. */
const JOBS_WITHIN_PATIENCE = 20 * SHARERS_FREE
/** Seconds in which a 404 may be of a replica that has not heard of a new prediction yet. */
const NOT_FOUND_GRACE = 10
/** Answers in a row that are beyond our limits before that is final. */
const MOST_BEYOND_LIMITS = 3

/** Seconds between two polls while a wait that had good answers doubts the bad ones that it gets now. */
export const DOUBT_INTERVAL = 12
/** Seconds of nothing but bad answers, and how many of them at least, before they are believed. */
const DOUBT_LASTS = 60
const DOUBT_POLLS = 5

/** Seconds of the first pause of a back-off. A refusal of the rate says that even that was too soon. */
const FIRST_PAUSE = 0.5
const FIRST_PAUSE_AFTER_429 = 1
const LONGEST_PAUSE = 30
/** No rate limit lasts for more than an hour; an API that requests more is polled every two minutes. */
const LONGEST_CREDIBLE_HINT = 3600
const PAUSE_FOR_ABSURD_HINTS = 120

/** What a failed request leads to. */
export type Judgment =
  | { readonly kind: 'retry' /** Seconds. */; readonly pause: number }
  /** As `retry`, but the answer is believed if it persists. */
  | { readonly kind: 'doubt'; readonly pause: number }
  | { readonly kind: 'give up' }

/** When a request failed; times in seconds. */
export interface FailedAt {
  now: number
  /** When the request was made. */
  sent: number
  /** The pause before the next poll, as requested by the schedule. */
  planned: number
  /** Whether a good answer came before: of this prediction or, if the failure concerns them all, of any. */
  answered: boolean
}

/** How long bad answers have come, and nothing else. */
export class Streak {
  #since: number | undefined
  #polls = 0

  /** @returns whether it has lasted long enough to be believed */
  add(now: number): boolean {
    this.#since ??= now
    this.#polls++
    return this.#polls >= DOUBT_POLLS && now - this.#since >= DOUBT_LASTS
  }

  end(): void {
    this.#since = undefined
    this.#polls = 0
  }

  get since(): number | undefined {
    return this.#since
  }
}

/** The failures in a row of one prediction's requests, and what they lead to. */
export class Patience {
  readonly #random: () => number
  readonly #transientPatience: number
  #failures = 0
  #beyondLimits = 0
  #unconnectedSince: number | undefined
  #graceEnds: number | undefined
  #patienceEnds: number | undefined
  readonly #doubt = new Streak()

  constructor(parallelJobs: number, random: () => number) {
    this.#random = random
    this.#transientPatience = TRANSIENT_PATIENCE * Math.max(1, parallelJobs / JOBS_WITHIN_PATIENCE)
  }

  /** Since when nothing but bad answers have come that are not transient. */
  get doubtSince(): number | undefined {
    return this.#doubt.since
  }

  judge(error: ApiError, at: FailedAt): Judgment {
    const failures = this.#failures++
    if (error instanceof LimitError) return this.#beyondLimit(failures, at)
    this.#beyondLimits = 0
    if (isTransient(error, at.answered)) return this.#transient(error, failures, at)
    if (at.answered) {
      return this.#doubt.add(at.now) ? { kind: 'give up' } : { kind: 'doubt', pause: DOUBT_INTERVAL }
    }
    return error.retryability === 'not-found' ? this.#notFoundYet(failures, at) : { kind: 'give up' }
  }

  #beyondLimit(failures: number, at: FailedAt): Judgment {
    if (++this.#beyondLimits >= MOST_BEYOND_LIMITS) return { kind: 'give up' }
    return { kind: 'retry', pause: this.#backOff(failures, at.planned, FIRST_PAUSE) }
  }

  #notFoundYet(failures: number, { now }: FailedAt): Judgment {
    this.#graceEnds ??= now + NOT_FOUND_GRACE
    if (now >= this.#graceEnds) return { kind: 'give up' }
    return { kind: 'retry', pause: Math.min(jittered(1 + failures, this.#random), this.#graceEnds - now) }
  }

  #transient(error: ApiError, failures: number, at: FailedAt): Judgment {
    this.#doubt.end()
    this.#graceEnds = undefined
    const hint = this.#hint(error)
    const isRateLimit = error instanceof RefusalError && error.status === 429
    const own = this.#backOff(failures, at.planned, isRateLimit ? FIRST_PAUSE_AFTER_429 : FIRST_PAUSE)
    const pause = Math.max(own, hint)
    if (at.answered) return { kind: 'retry', pause }
    if (error instanceof ConnectionError && error.neverSent) return this.#unconnected(pause, at)
    this.#unconnectedSince = undefined
    this.#patienceEnds ??= at.sent + this.#transientPatience
    if (at.now >= this.#patienceEnds) return { kind: 'give up' }
    // Time that the server requested does not count as failing.
    this.#patienceEnds += hint
    return { kind: 'retry', pause: Math.max(hint, Math.min(pause, this.#patienceEnds - at.now)) }
  }

  /** The last attempt ends when the patience does, judged by how long the attempt before took. */
  #unconnected(pause: number, { now, sent }: FailedAt): Judgment {
    this.#unconnectedSince ??= sent
    const end = this.#unconnectedSince + CONNECT_PATIENCE
    const takes = now - sent
    if (now + takes < end) return { kind: 'retry', pause: Math.min(pause, end - takes - now) }
    const fitsStill = takes >= CONNECT_OVERTIME && now < end && now + takes <= end + CONNECT_OVERTIME
    return fitsStill ? { kind: 'retry', pause: 0 } : { kind: 'give up' }
  }

  #hint({ retryAfter = 0 }: ApiError): number {
    const seconds = retryAfter > LONGEST_CREDIBLE_HINT ? PAUSE_FOR_ABSURD_HINTS : retryAfter
    return seconds * (1 + 0.25 * this.#random())
  }

  #backOff(failures: number, planned: number, first: number): number {
    const most = Math.max(LONGEST_PAUSE, planned)
    return backOff(failures + 1, { first: Math.max(first, planned), most, random: this.#random })
  }
}

/** If a certificate or a proxy has worked before, its error is transient; at the start, it is a wrong setting. */
const isTransient = (error: ApiError, answered: boolean) =>
  error.retryability === 'transient' || (answered && error instanceof ConnectionError)
