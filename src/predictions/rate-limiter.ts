import type { Clock } from './clock.ts'

/** Requests a second that a step makes at most, and that all who share an account make on average. */
export const REQUESTS_PER_SECOND = 40

/** Hands out the moments at which requests may be made. */
export interface RateLimiter {
  /** Resolves when a request may be made; rejects with the reason of the signal. First come, first served. */
  take(signal: AbortSignal): Promise<void>
}

/** A rate limiter that spaces requests evenly, so that no second sees more than so many. */
export function createRateLimiter({
  clock,
  perSecond = REQUESTS_PER_SECOND,
}: {
  clock: Clock
  perSecond?: number
}): RateLimiter {
  let free = Number.NEGATIVE_INFINITY
  return {
    async take(signal) {
      const now = clock.now()
      const turn = Math.max(now, free)
      free = turn + 1 / perSecond
      if (turn > now) await clock.sleep(turn - now, signal)
    },
  }
}
