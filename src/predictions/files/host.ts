import { after, type Clock } from '../clock.ts'
import { backOff } from '../retry.ts'

/** Transfers from one host at once. */
const FROM_ONE_HOST = 6
/** Seconds between two attempts at a host that gives nothing, at most. */
const LONGEST_PAUSE = 10
/** Seconds without a refusal after which a host that refused some gets one more connection. */
const RECOVERY = 30

/** Why an attempt brought nothing. */
export interface FailedAttempt {
  message: string
  /** Whether the host said that there are too many requests: 429 or 503. */
  overloaded: boolean
  /** Seconds to wait, as requested by the host. */
  retryAfter: number | undefined
}

/** One attempt of one transfer; dispose of it when it is over. */
export interface Turn extends Disposable {
  /** The host accepted the request. */
  accepted(): void
}

interface Waiter {
  start(turn: Turn | undefined): void
  fail(reason: unknown): void
}

interface HostOptions {
  clock: Clock
  signal: AbortSignal
  random: () => number
  /** Called when a transfer has ended, so that others get its place. */
  freed(): void
  /** Whether the step may begin another transfer. */
  hasRoom(): boolean
  count(change: 1 | -1): void
  gave(now: number): void
}

/** A host of files: who waits for it, how much it can take, and since when it gives nothing. */
export class Host {
  readonly #options: HostOptions
  #waiting: Waiter[] = []
  #limit = FROM_ONE_HOST
  #active = 0
  #accepted = 0
  #failures = 0
  #notBefore = Number.NEGATIVE_INFINITY
  #overloadedAt = Number.NEGATIVE_INFINITY
  #wakeAt = Number.POSITIVE_INFINITY
  /** When the first attempt began of those that brought nothing, one after the other. */
  nothingSince: number | undefined
  /** When it gave something last. */
  gaveAt: number | undefined
  /** What was the matter last. */
  trouble: string | undefined

  constructor(options: HostOptions) {
    this.#options = options
  }

  /**
   * Waits for a turn, in the order of the calls.
   * @returns undefined if another transfer gave the host up: the caller decides whether it does so too
   * @throws the reason of the signal
   */
  take(): Promise<Turn | undefined> {
    const { signal } = this.#options
    return new Promise((start, fail) => {
      if (signal.aborted) return fail(signal.reason)
      this.#waiting.push({ start, fail })
      this.pump()
    })
  }

  /** Whether it sends a file at this moment. */
  get serves(): boolean {
    return this.#accepted > 0
  }

  /** Gives turns to those who wait, as many as there may be. */
  pump(): void {
    while (this.#waiting.length > 0 && this.#active < this.#limit && this.#options.hasRoom()) {
      if (this.#options.clock.now() < this.#notBefore) {
        this.#wakeLater()
        return
      }
      this.#waiting.shift()?.start(this.#turn())
    }
  }

  /** Data was received: a complete file, or enough for a transfer to count as making progress. */
  gave(): void {
    const now = this.#options.clock.now()
    this.gaveAt = now
    this.#options.gave(now)
    this.nothingSince = undefined
    this.trouble = undefined
    this.#failures = 0
    this.#notBefore = Math.min(this.#notBefore, now)
    if (this.#overloadedAt === Number.NEGATIVE_INFINITY) this.#limit = FROM_ONE_HOST
    else if (now - this.#overloadedAt >= RECOVERY) {
      this.#limit = Math.min(FROM_ONE_HOST, this.#limit + 1)
      this.#overloadedAt = now
    }
  }

  /**
   * An attempt failed in a way that may pass.
   * @param since when the attempt began
   * @returns seconds that its file should wait
   */
  failed(failure: FailedAttempt, since: number): number {
    const { clock, random } = this.#options
    const now = clock.now()
    const { serves } = this
    this.trouble = failure.message
    this.nothingSince ??= since
    this.#failures++
    if (failure.overloaded) this.#overloadedAt = now
    if (failure.overloaded || !serves) this.#limit = Math.max(1, this.#accepted)
    const pause = Math.max(
      serves && failure.overloaded ? 1 : backOff(this.#failures, { first: 1, most: LONGEST_PAUSE, random }),
      failure.retryAfter ?? 0,
    )
    if (!serves || failure.retryAfter !== undefined) this.#notBefore = Math.max(this.#notBefore, now + pause)
    return pause
  }

  /** Makes everybody who waits decide again whether to go on waiting; a file was given up. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { start } of waiting) start(undefined)
  }

  /** No pause of the host goes beyond this moment: a file has its last attempt then. */
  waitNoLongerThan(moment: number): void {
    this.#notBefore = Math.min(this.#notBefore, moment)
  }

  abort(reason: unknown): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { fail } of waiting) fail(reason)
  }

  #turn(): Turn {
    const { count, freed } = this.#options
    let accepted = 0
    this.#active++
    count(1)
    return {
      accepted: () => {
        if (accepted++ === 0) this.#accepted++
      },
      [Symbol.dispose]: () => {
        this.#active--
        if (accepted > 0) this.#accepted--
        count(-1)
        freed()
      },
    }
  }

  #wakeLater(): void {
    const { clock, signal } = this.#options
    if (this.#wakeAt <= this.#notBefore) return
    const at = this.#notBefore
    this.#wakeAt = at
    const wake = () => {
      if (this.#wakeAt === at) this.#wakeAt = Number.POSITIVE_INFINITY
      this.pump()
    }
    after(at - clock.now(), wake, clock, signal)
  }
}
