import type { Alarm, Sleeper } from './alarm.ts'

/** Wakes one sleeper, or keeps it from falling asleep the next time. */
export class Wakeup {
  readonly #alarm: Alarm
  #called = false
  #sleeper: Sleeper | undefined
  /** When a sleeper that is held was to be woken. */
  #held: number | undefined

  constructor(alarm: Alarm) {
    this.#alarm = alarm
  }

  get isAsleep(): boolean {
    return this.#sleeper !== undefined
  }

  call(): void {
    this.#called = true
    this.#held = undefined
    this.#sleeper?.wake()
  }

  /** Whether it was called since this was last read. */
  take(): boolean {
    const called = this.#called
    this.#called = false
    return called
  }

  /** Lets the sleeper, if there is one, sleep for this many seconds from now on. */
  move(seconds: number): void {
    if (!this.#sleeper) return
    this.#held = undefined
    this.#sleeper.due = this.#alarm.now() + seconds
    this.#alarm.set(this.#sleeper)
  }

  /** Lets the sleeper, if there is one, sleep until it is called, moved or released. */
  hold(): void {
    if (!this.#sleeper) return
    this.#held ??= this.#sleeper.due
    this.#sleeper.due = Number.POSITIVE_INFINITY
  }

  /** Lets a sleeper that is held sleep until it was to be woken before. @returns whether that moment has passed */
  release(): boolean {
    const due = this.#held
    this.#held = undefined
    if (due === undefined || !this.#sleeper) return false
    this.#sleeper.due = due
    if (due <= this.#alarm.now()) return true
    this.#alarm.set(this.#sleeper)
    return false
  }

  /** Ends the sleep with an error. */
  fail(error: unknown): void {
    this.#sleeper?.fail(error)
  }

  /** Sleeps until it is woken, for at most this many seconds unless moved. @throws the reason of the signal */
  async sleep(seconds: number, signal: AbortSignal): Promise<void> {
    if (this.#called) return
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper: Sleeper = { due: this.#alarm.now() + seconds, wake: resolve, fail: reject }
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    this.#sleeper = sleeper
    this.#alarm.set(sleeper)
    try {
      await promise
      signal.throwIfAborted()
    } finally {
      signal.removeEventListener('abort', abort)
      this.#alarm.remove(sleeper)
      this.#sleeper = undefined
      this.#held = undefined
    }
  }
}
