import { after, type Clock } from './clock.ts'
import { BrokenAnswerError, ConnectionError } from './errors.ts'
import { Semaphore } from './semaphore.ts'

/** Seconds without an answer after which a request counts as silent. */
const SILENCE = 10
/** Second requests that are under way at once, in one step. */
const MOST_AT_ONCE = 4

/**
 * Makes one request.
 * @param signal ends it
 * @param silence aborted when it has been without an answer for too long
 */
export type Attempt<T> = (signal: AbortSignal, silence: AbortSignal) => Promise<T>

/** The second requests of a step, made when a first one is silent. */
export interface Hedge {
  /** Makes a request and, if it stays silent, a second one beside it; the first answer counts and ends the other. */
  run<T>(attempt: Attempt<T>, signal: AbortSignal): Promise<T>
  /** Makes a request that must not be repeated. */
  single<T>(attempt: Attempt<T>, signal: AbortSignal): Promise<T>
}

export const createHedge = (clock: Clock): Hedge => new SilenceHedge(clock)

/**
 * How long requests may be silent is learned: twice the slowest answer so far to a request that may be repeated, if
 * that is longer than ten seconds.
 */
class SilenceHedge implements Hedge {
  readonly #clock: Clock
  readonly #seconds = new Semaphore(MOST_AT_ONCE)
  /** Seconds of the slowest answer. */
  #slowest = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async run<T>(attempt: Attempt<T>, signal: AbortSignal): Promise<T> {
    const decided = new AbortController()
    try {
      return await this.#firstOfTwo(attempt, AbortSignal.any([signal, decided.signal]))
    } finally {
      decided.abort(new Error('the other request was answered'))
    }
  }

  single<T>(attempt: Attempt<T>, signal: AbortSignal): Promise<T> {
    return this.#watched(attempt, signal, () => {})
  }

  #firstOfTwo<T>(attempt: Attempt<T>, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let underWay = 0
      const begin = async (silent: () => void) => {
        underWay++
        const sent = this.#clock.now()
        try {
          const result = await this.#watched(attempt, signal, silent)
          this.#slowest = Math.max(this.#slowest, this.#clock.now() - sent)
          resolve(result)
        } catch (error) {
          underWay--
          if (isAnswer(error) || underWay === 0) reject(error)
        }
      }
      const again = async () => {
        using _ = await this.#seconds.acquire(signal)
        await begin(() => {})
      }
      begin(() => again().catch(() => {}))
    })
  }

  /** Makes a request, and says once if it is silent. */
  async #watched<T>(attempt: Attempt<T>, signal: AbortSignal, silent: () => void): Promise<T> {
    const answered = new AbortController()
    const silence = new AbortController()
    const onSilence = () => {
      silence.abort(new Error('no response for too long'))
      silent()
    }
    after(Math.max(SILENCE, 2 * this.#slowest), onSilence, this.#clock, answered.signal)
    try {
      return await attempt(signal, silence.signal)
    } finally {
      answered.abort()
    }
  }
}

/** Whether a failure is the server's answer; what the network or a cut-off body brings may be better the second time. */
const isAnswer = (error: unknown) => !(error instanceof ConnectionError || error instanceof BrokenAnswerError)
