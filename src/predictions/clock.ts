import { setTimeout as sleep } from 'node:timers/promises'

/** Time as the wait sees it: an argument, so that tests play hours in milliseconds. Seconds everywhere. */
export interface Clock {
  /** Seconds since some fixed moment; never goes back, whatever happens to the date. */
  now(): number
  /** Resolves after that many seconds; rejects with the signal's reason as soon as it is aborted. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>
}

/** A timer cannot be set for longer than 2^31 - 1 ms: it would fire at once. */
const LONGEST_SLEEP = 86_400

/** The machine's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now() / 1000,
  async sleep(seconds, signal) {
    for (let left = seconds; ; left -= LONGEST_SLEEP) {
      const ms = Math.max(0, Math.min(left, LONGEST_SLEEP)) * 1000
      try {
        await sleep(ms, undefined, signal ? { signal } : {})
      } catch (error) {
        throw signal?.aborted ? signal.reason : error
      }
      if (left <= LONGEST_SLEEP) return
    }
  },
}

/** Acts after some seconds, unless the signal is aborted before. */
export function after(seconds: number, act: () => void, clock: Clock, signal: AbortSignal): void {
  clock.sleep(seconds, signal).then(act, () => {})
}

/**
 * A signal that is aborted after the given seconds; with Infinity never. Dispose of it when it is no longer needed, so
 * that its timer keeps nothing alive.
 */
export function deadlineSignal(clock: Clock, seconds: number, reason: string): { signal: AbortSignal } & Disposable {
  const deadline = new AbortController()
  const over = new AbortController()
  if (seconds < Number.POSITIVE_INFINITY) {
    after(seconds, () => deadline.abort(new Error(reason)), clock, over.signal)
  }
  return { signal: deadline.signal, [Symbol.dispose]: () => over.abort() }
}

/** A signal that is aborted some seconds after another, with its reason. Dispose of it as of {@link deadlineSignal}. */
export function delayedSignal(
  clock: Clock,
  signal: AbortSignal,
  seconds: number,
): { signal: AbortSignal } & Disposable {
  const delayed = new AbortController()
  const over = new AbortController()
  const begin = () => after(seconds, () => delayed.abort(signal.reason), clock, over.signal)
  if (signal.aborted) begin()
  else signal.addEventListener('abort', begin, { once: true, signal: over.signal })
  return { signal: delayed.signal, [Symbol.dispose]: () => over.abort() }
}
