import type { Clock } from './clock.ts'

export interface RetryOptions {
  clock: Clock
  /** Ends the pause; the call gets it in its own way. */
  signal?: AbortSignal | undefined
  /**
   * Decides after a failure, `attempt` counted from 1.
   * @returns seconds to wait before the next attempt; undefined to give up
   */
  pauseAfter(error: unknown, attempt: number): number | undefined
  onRetry?(error: unknown, pause: number): void
}

/** Calls until a call succeeds or `pauseAfter` gives up. @throws the last error, or the reason of the signal */
export async function retry<T>(call: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, pauseAfter, onRetry } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(attempt)
    } catch (error) {
      const pause = pauseAfter(error, attempt)
      if (pause === undefined) throw error
      onRetry?.(error, pause)
      await clock.sleep(pause, signal)
    }
  }
}

/** Seconds, more or less a quarter, so that many clients do not come together. */
export const jittered = (seconds: number, random: () => number): number => seconds * (0.75 + 0.5 * random())

/**
 * Exponential back-off with jitter.
 * @param attempt counted from 1
 * @param first seconds after the first attempt, before jitter
 * @param most seconds at most, before jitter
 */
export function backOff(
  attempt: number,
  { first = 1, most = 30, random = Math.random }: { first?: number; most?: number; random?: () => number } = {},
): number {
  return jittered(Math.min(most, first * 2 ** (attempt - 1)), random)
}
