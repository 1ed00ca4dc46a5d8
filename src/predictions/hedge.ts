import { after, type Clock } from './clock.ts'
import { BrokenAnswerError, ConnectionError } from './errors.ts'

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

/**
 * How long requests may be silent is learned: twice the slowest answer so far to a request that may be repeated, if
 * that is longer than ten seconds.
 */
export function createHedge(clock: Clock): Hedge {
  const places = new Places(MOST_AT_ONCE)
  let slowest = 0

  async function watched<T>(attempt: Attempt<T>, signal: AbortSignal, silent: () => void = () => {}): Promise<T> {
    const answered = new AbortController()
    const silence = new AbortController()
    const onSilence = () => {
      silence.abort(new Error('no response for too long'))
      silent()
    }
    after(Math.max(SILENCE, 2 * slowest), onSilence, clock, answered.signal)
    try {
      return await attempt(signal, silence.signal)
    } finally {
      answered.abort()
    }
  }

  async function run<T>(attempt: Attempt<T>, signal: AbortSignal): Promise<T> {
    const decided = new AbortController()
    const both = AbortSignal.any([signal, decided.signal])
    try {
      return await new Promise<T>((resolve, reject) => {
        let underWay = 0
        const begin = async (silent?: () => void) => {
          underWay++
          const sent = clock.now()
          try {
            const result = await watched(attempt, both, silent)
            slowest = Math.max(slowest, clock.now() - sent)
            resolve(result)
          } catch (error) {
            underWay--
            if (isAnswer(error) || underWay === 0) reject(error)
          }
        }
        const again = async () => {
          using _ = await places.take(both)
          await begin()
        }
        begin(() => again().catch(() => {}))
      })
    } finally {
      decided.abort(new Error('the other request was answered'))
    }
  }

  return { run, single: (attempt, signal) => watched(attempt, signal) }
}

/** Whether a failure is the server's answer; what the network or a cut-off body brings may be better the second time. */
const isAnswer = (error: unknown) => !(error instanceof ConnectionError || error instanceof BrokenAnswerError)

/** A number of places; whoever finds none free waits for a turn. */
class Places {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(free: number) {
    this.#free = free
  }

  /** @throws the reason of the signal */
  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#turn(signal)
    return { [Symbol.dispose]: () => this.#leave() }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      const abort = () => {
        this.#waiting.delete(enter)
        reject(signal.reason)
      }
      this.#waiting.add(enter)
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  /** The place goes to the one that has waited for longest. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
