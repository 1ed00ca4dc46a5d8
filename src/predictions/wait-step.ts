import { Alarm } from './alarm.ts'
import { deadlineSignal } from './clock.ts'
import { ConnectionError, RefusalError } from './errors.ts'
import { PredictionList } from './list.ts'
import type { ListPage } from './list-page.ts'
import { type Listed, ListPolling } from './list-polling.ts'
import { type Prediction, predictTime, statusOf } from './prediction.ts'
import { settled } from './promises.ts'
import { RunTimes } from './run-times.ts'
import type { Siblings } from './schedule.ts'
import { SharedDoubt } from './shared-doubt.ts'
import type { WaitOptions } from './wait-options.ts'

const LIST_REQUEST = { method: 'GET', url: 'the list' } as const
const NO_RUN_TIMES = new RunTimes([])
/** Seconds that one page of the list may take, because nobody polls singly meanwhile. */
const LONGEST_PAGE = 5
/** Seconds that a hint of a refused list is obeyed at most. */
const LONGEST_LIST_PAUSE = 120

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
  /** How many are open, by what they are of: counting them at each answer would take a thousand steps for each of a thousand. */
  readonly #openOfKind = new Map<string, number>()
  /** Of predictions that have succeeded, by what they are of. */
  readonly #runs = new Map<string, RunTimes>()
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
    const list = new PredictionList((cursor, wanted) => this.#fetchPage(cursor, wanted, signal))
    if (options.readsList === false || !options.client.list) list.leave()
    this.lists = new ListPolling(list, this.open, signal)
  }

  async #fetchPage(cursor: string | undefined, wanted: ReadonlySet<string>, signal: AbortSignal): Promise<ListPage> {
    const { client, clock, limiter } = this.options
    await limiter.take(signal)
    // At the deadline each prediction is polled once more, which must not wait for a list that may come later.
    const stop = AbortSignal.any([signal, this.deadline])
    using limit = deadlineSignal(clock, LONGEST_PAGE, `the list did not arrive within ${LONGEST_PAGE} s`)
    try {
      const page = await client.list?.({ cursor }, wanted, AbortSignal.any([signal, limit.signal]))
      limiter.accepted()
      return page ?? { answers: [], cursor: undefined }
    } catch (error) {
      if (limit.signal.aborted && !signal.aborted) throw new ConnectionError(LIST_REQUEST, limit.signal.reason)
      if (error instanceof RefusalError && error.retryability === 'transient') {
        if (error.retryAfter === undefined) limiter.refused(error.status)
        else await settled(clock.sleep(Math.min(error.retryAfter, LONGEST_LIST_PAUSE), stop))
        signal.throwIfAborted()
      }
      throw error
    }
  }

  /** What is known of the other predictions of the same model; undefined if there are none. */
  siblingsOf(prediction: Prediction): Siblings | undefined {
    const kind = kindOf(prediction)
    if (kind === undefined) return undefined
    const open = this.#openOfKind.get(kind) ?? 0
    const runs = this.#runs.get(kind) ?? NO_RUN_TIMES
    return open + runs.count > 1 ? { runs, open } : undefined
  }

  /** Notes that an open prediction is no longer of one kind but of another; undefined for none. */
  changedKind(from: string | undefined, to: string | undefined): void {
    if (from === to) return
    const add = (kind: string, count: number) => this.#openOfKind.set(kind, (this.#openOfKind.get(kind) ?? 0) + count)
    if (from !== undefined) add(from, -1)
    if (to !== undefined) add(to, 1)
  }

  /** Notes how long a prediction ran that has succeeded. */
  ran(prediction: Prediction): void {
    const kind = kindOf(prediction)
    const seconds = predictTime(prediction)
    if (kind === undefined || seconds === undefined || statusOf(prediction) !== 'succeeded') return
    this.#runs.set(kind, (this.#runs.get(kind) ?? NO_RUN_TIMES).with(seconds))
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
    const order = () => [...this.open].toSorted((a, b) => a.polledAt - b.polledAt)
    const { interval } = this.options.limiter
    this.#lastTurns ??= new Map(order().map((each, i) => [each, i * interval]))
    return this.#lastTurns.get(wait) ?? 0
  }

  [Symbol.dispose](): void {
    this.#over.abort(new Error('all waits have ended'))
    this.#deadline[Symbol.dispose]()
  }
}

/** What a prediction is of; undefined if the API does not say. */
export const kindOf = ({ model, version }: Prediction): string | undefined =>
  model === undefined && version === undefined ? undefined : `${model ?? ''} ${version ?? ''}`
