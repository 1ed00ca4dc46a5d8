import type { Clock } from './clock.ts'

/** Wakes one sleeper, or keeps it from falling asleep the next time. */
export class Wakeup {
  #called = false
  #sleeper: AbortController | undefined

  call(): void {
    this.#called = true
    this.#sleeper?.abort()
  }

  /** Whether it was called since this was last read. */
  take(): boolean {
    const called = this.#called
    this.#called = false
    return called
  }

  /** Sleeps until it is woken, for at most this many seconds. @throws the reason of the signal */
  async sleep(clock: Clock, seconds: number, signal: AbortSignal): Promise<void> {
    if (this.#called) return
    const sleeper = new AbortController()
    this.#sleeper = sleeper
    signal.throwIfAborted()
    // Not AbortSignal.any: what it makes outlives many sleeps, and there are a thousand sleepers at once.
    const abort = () => sleeper.abort()
    signal.addEventListener('abort', abort, { once: true })
    try {
      await clock.sleep(seconds, sleeper.signal)
    } catch (error) {
      if (!sleeper.signal.aborted) throw error
      signal.throwIfAborted()
    } finally {
      signal.removeEventListener('abort', abort)
      this.#sleeper = undefined
    }
  }
}
