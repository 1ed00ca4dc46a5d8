import type { Clock } from './clock.ts'
import type { ApiError } from './errors.ts'
import { DOUBT_INTERVAL, Streak } from './patience.ts'

/**
 * What all predictions of a step doubt together: answers that are about the key, the address or an intermediary. While
 * the doubt lasts there is one poll for all of them, every {@link DOUBT_INTERVAL} seconds, by each in turn.
 */
export class SharedDoubt {
  readonly #clock: Clock
  readonly #streak = new Streak()
  readonly #believed = new AbortController()
  #resolved: AbortController | undefined
  #nextPoll = 0
  #lastPoller: string | undefined
  readonly #waiting = new Set<string>()
  #error: ApiError | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Aborted when the doubt has become certainty: no request can succeed. */
  get believed(): AbortSignal {
    return this.#believed.signal
  }

  /** What is believed. */
  get error(): ApiError | undefined {
    return this.#error
  }

  /** Takes a bad answer to the poll of a prediction. @returns whether it is believed from now on */
  add(id: string, error: ApiError): boolean {
    this.#resolved ??= new AbortController()
    this.#lastPoller = id
    this.#nextPoll = this.#clock.now() + DOUBT_INTERVAL
    const isBelieved = this.#streak.add(this.#clock.now())
    if (isBelieved) this.believe(error)
    return isBelieved
  }

  /** Ends every wait of the step with the error. */
  believe(error: ApiError): void {
    this.#error = error
    this.#believed.abort(new Error(error.message))
  }

  /** A good answer came, of whichever prediction: the doubt is over. */
  resolve(): void {
    this.#streak.end()
    this.#resolved?.abort()
    this.#resolved = undefined
  }

  /** Resolves when a prediction may be polled: at once, unless there is a doubt. @throws the reason of the signal */
  async turn(id: string, signal: AbortSignal): Promise<void> {
    this.#waiting.add(id)
    try {
      while (this.#resolved) {
        const now = this.#clock.now()
        const isOthersTurn = id === this.#lastPoller && this.#waiting.size > 1
        if (now >= this.#nextPoll && !isOthersTurn) {
          this.#nextPoll = now + DOUBT_INTERVAL
          this.#lastPoller = id
          return
        }
        await this.#sleep(Math.max(this.#nextPoll - now, YIELD), signal)
      }
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** Sleeps until then or until the doubt is over. */
  async #sleep(seconds: number, signal: AbortSignal): Promise<void> {
    const resolved = this.#resolved?.signal
    if (!resolved) return
    try {
      await this.#clock.sleep(seconds, AbortSignal.any([signal, resolved]))
    } catch (error) {
      if (!resolved.aborted || signal.aborted) throw error
    }
  }
}

/** Seconds in which another prediction takes its turn. */
const YIELD = 0.05
