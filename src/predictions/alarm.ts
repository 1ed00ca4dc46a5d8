import type { Clock } from './clock.ts'

/** Who sleeps until a moment, which may be moved meanwhile. */
export interface Sleeper {
  /** When it is woken, on the clock of the alarm. */
  due: number
  wake(): void
  fail(error: unknown): void
}

/**
 * One timer for many sleepers. One page of a list moves the next polls of a hundred predictions at once: here that
 * takes a hundred numbers instead of a hundred timers, signals and promises.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #sleepers = new Set<Sleeper>()
  /** When the timer goes off; never later than the first sleeper is due. */
  #at = Number.POSITIVE_INFINITY
  #timer: AbortController | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  /** Wakes a sleeper when it is due; call it again when that has been moved. */
  set(sleeper: Sleeper): void {
    this.#sleepers.add(sleeper)
    if (sleeper.due < this.#at) this.#arm(sleeper.due)
  }

  remove(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper)
    if (this.#sleepers.size === 0) this.#disarm()
  }

  #arm(at: number): void {
    this.#disarm()
    const timer = new AbortController()
    this.#timer = timer
    this.#at = at
    this.#clock.sleep(Math.max(0, at - this.now()), timer.signal).then(
      () => {
        if (this.#timer === timer) this.#goOff(at)
      },
      (error) => {
        if (this.#timer !== timer) return
        for (const sleeper of this.#sleepers) sleeper.fail(error)
      },
    )
  }

  #disarm(): void {
    this.#timer?.abort()
    this.#timer = undefined
    this.#at = Number.POSITIVE_INFINITY
  }

  /** @param at when it was meant to: the clock can be a rounding error before it */
  #goOff(at: number): void {
    const now = Math.max(at, this.now())
    let next = Number.POSITIVE_INFINITY
    for (const sleeper of this.#sleepers) {
      if (sleeper.due > now) {
        next = Math.min(next, sleeper.due)
        continue
      }
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
    this.#disarm()
    if (next < Number.POSITIVE_INFINITY) this.#arm(next)
  }
}
