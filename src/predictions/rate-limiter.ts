import type { Clock } from './clock.ts'
import { type ApiError, ConnectionError, RefusalError } from './errors.ts'
import { unlessAborted } from './promises.ts'

/** Requests a second that a step makes at most, and that all who share an account make on average. */
export const REQUESTS_PER_SECOND = 40

/** Decides the moments at which requests may be made, and learns from what they were answered. */
export interface RateLimiter {
  /** Seconds between two requests at the present pace. */
  readonly interval: number
  /** Resolves when a request may be made; rejects with the reason of the signal. First come, first served. */
  take(signal: AbortSignal): Promise<void>
  /** A request was answered, not refused. */
  accepted(): void
  /** A request was refused with that status, and with no hint how long to wait. */
  refused(status: number): void
}

/**
 * Tells a rate limiter of a request that failed. It learns nothing from a refusal with a hint, which is obeyed instead,
 * or from what may not come from the API at all.
 */
export function tellFailure(limiter: RateLimiter, error: ApiError): void {
  if (error.retryability === 'transient') {
    if (error instanceof RefusalError && error.retryAfter === undefined) limiter.refused(error.status)
  } else if (!(error instanceof ConnectionError)) limiter.accepted()
}

/** A rate limiter that spaces requests evenly, at most `perSecond` a second, slower if it is refused. */
export function createRateLimiter({
  clock,
  perSecond = REQUESTS_PER_SECOND,
}: {
  clock: Clock
  perSecond?: number
}): RateLimiter {
  let last = Number.NEGATIVE_INFINITY
  let queue: Promise<void> = Promise.resolve()
  let queued = 0
  const pace = new Pace(clock)
  const interval = () => Math.max(1 / perSecond, pace.interval)
  /** Turns are given one after the other, so that a new pace counts for everybody who still waits. */
  async function take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const before = queue
    const { promise: done, resolve } = Promise.withResolvers<void>()
    queue = before.then(() => done)
    queued++
    try {
      if (queued > 1) await unlessAborted(before, signal)
      const now = clock.now()
      const turn = Math.max(now, last + interval())
      if (turn > now) await clock.sleep(turn - now, signal)
      last = turn
    } finally {
      queued--
      resolve()
    }
  }
  return {
    get interval() {
      return interval()
    },
    take,
    accepted: () => pace.accepted(),
    refused: (status) => pace.refused(status),
  }
}

/** The longest interval that is learned, in seconds: no API requires slower polling. */
const LONGEST_INTERVAL = 30
/**
 * Seconds of nothing but refusals after which they were an outage, not the limit of a rate. Limits that answer 429 may
 * count by the minute; those that answer 503, as nginx does, let requests through one by one.
 */
const LONGEST_REFUSAL = { 429: 90, 503: 15 } as const
/** After each accepted request the interval shrinks by this factor, down to what was too fast and some more. */
const SHRINK = 0.8
const MARGIN = 0.5
/** Every accepted request makes it a little less certain that the old pace would still be too fast. */
const FORGET = 0.99

/** Seconds after the first refusal before anybody is polled; from then on twice as long as refusals have come. */
const FIRST_PAUSE = 2

/**
 * The interval at which requests are accepted. It is measured from one run of refusals to the next: seconds for each
 * request that was accepted in between, so that it does not matter whether a limit counts by the minute or spaces
 * requests evenly.
 */
class Pace {
  readonly #clock: Clock
  /** Seconds between two requests. */
  interval = 0
  /** An interval at which requests were refused. */
  #tooFast = 0
  /** When the last run of refusals ended, or when the first request was accepted. */
  #anchor: number | undefined
  #sinceAnchor = 0
  #run: { since: number; longest: number; before: number } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  refused(status: number): void {
    if (status !== 429 && status !== 503) return
    const now = this.#clock.now()
    this.#run ??= { since: now, longest: LONGEST_REFUSAL[status], before: this.interval }
    const lasted = now - this.#run.since
    const isOutage = lasted > this.#run.longest
    this.interval = isOutage
      ? this.#run.before
      : Math.min(LONGEST_INTERVAL, Math.max(this.#run.before, FIRST_PAUSE, 2 * lasted))
    // A single request since then says little about the interval, many say it exactly.
    const count = this.#sinceAnchor + 1
    this.#tooFast = ((now - (this.#anchor ?? now)) / count) * (1 + MARGIN / count)
  }

  accepted(): void {
    const now = this.#clock.now()
    if (this.#run) this.#learn(now, this.#run)
    else if (this.#anchor === undefined) this.#anchor = now
    else {
      this.#sinceAnchor++
      this.interval = Math.min(LONGEST_INTERVAL, Math.max(this.interval * SHRINK, this.#tooFast))
    }
    this.#tooFast *= FORGET
  }

  #learn(now: number, { since, longest }: { since: number; longest: number }): void {
    if (this.#anchor !== undefined && now - since <= longest) {
      this.interval = Math.min(LONGEST_INTERVAL, (now - this.#anchor) / (this.#sinceAnchor + 1))
    } else {
      this.interval = 0
      this.#tooFast = 0
    }
    this.#run = undefined
    this.#anchor = now
    this.#sinceAnchor = 0
  }
}
