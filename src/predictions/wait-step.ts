import { Alarm } from './alarm.ts'
import { deadlineSignal } from './clock.ts'
import { PredictionList } from './list.ts'
import { type Listed, ListPolling } from './list-polling.ts'
import { createListRequest } from './list-request.ts'
import { SharedDoubt } from './shared-doubt.ts'
import { Kinds } from './siblings.ts'
import type { WaitOptions } from './wait-options.ts'

/** A prediction that has not ended. */
export interface OpenWait extends Listed {
  /** When it was polled last, in seconds since the start of the step. */
  readonly polledAt: number
}

/** What the waits of one step share. */
export class WaitStep implements Disposable {
  readonly options: WaitOptions
  readonly start: number
  readonly open = new Set<OpenWait>()
  readonly doubt: SharedDoubt
  readonly alarm: Alarm
  readonly lists: ListPolling
  readonly #over = new AbortController()
  readonly kinds = new Kinds()
  readonly #deadline: { signal: AbortSignal } & Disposable
  /** When the last good answer came; seconds since the start. */
  lastGood: number | undefined
  /** Whether a request was made, and whether one was answered at all. */
  requested = false
  responded = false
  #lastTurns: Map<OpenWait, number> | undefined

  constructor(options: WaitOptions) {
    this.options = options
    this.start = options.clock.now()
    this.doubt = new SharedDoubt(options.clock)
    this.alarm = new Alarm(options.clock)
    this.#deadline = deadlineSignal(options.clock, options.timeout, 'the deadline was reached')
    const signal = AbortSignal.any([options.signal, this.doubt.believed, this.#over.signal])
    const list = new PredictionList(createListRequest(options, signal, this.deadline))
    if (options.readsList === false || !options.client.list) list.leave()
    this.lists = new ListPolling(list, this.open, signal)
  }

  get deadline(): AbortSignal {
    return this.#deadline.signal
  }

  /** Seconds since the start. */
  now(): number {
    return this.options.clock.now() - this.start
  }

  /** The seconds after the deadline at which a prediction is polled last: first those that were not polled for longest. */
  lastTurn(wait: OpenWait): number {
    this.#lastTurns ??= this.#orderLastTurns()
    return this.#lastTurns.get(wait) ?? 0
  }

  #orderLastTurns(): Map<OpenWait, number> {
    const { interval } = this.options.limiter
    const waits = [...this.open].toSorted((a, b) => a.polledAt - b.polledAt)
    return new Map(waits.map((each, i) => [each, i * interval]))
  }

  [Symbol.dispose](): void {
    this.#over.abort(new Error('all waits have ended'))
    this.#deadline[Symbol.dispose]()
  }
}
