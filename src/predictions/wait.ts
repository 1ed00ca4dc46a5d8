import { type Answer, progressLog } from './answer.ts'
import type { Cancellation } from './cancel.ts'
import type { Client } from './client.ts'
import { type Clock, deadlineSignal } from './clock.ts'
import type { EndSignal, EndSignals } from './end-signal.ts'
import { ApiError, ConnectionError, RefusalError } from './errors.ts'
import { PredictionList } from './list.ts'
import type { ListPage } from './list-page.ts'
import { type Listed, ListPolling } from './list-polling.ts'
import { isBug } from './network/network-errors.ts'
import { Patience } from './patience.ts'
import {
  completedAt,
  hasNoOutput,
  isTerminal,
  type Prediction,
  predictTime,
  readStatus,
  statusOf,
} from './prediction.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { RunTimes } from './run-times.ts'
import type { Schedule, Siblings } from './schedule.ts'
import { SharedDoubt } from './shared-doubt.ts'
import { StuckStatus } from './stuck-status.ts'
import { Wakeup } from './wakeup.ts'

/** How the wait for one prediction came out. */
export interface Outcome {
  readonly id: string
  /**
   * `ended`: the prediction reached a terminal status; `timeout`: our deadline came first; `refused`: the API gave an
   * answer that is final or, at the very start, none at all for too long; `interrupted`: the caller gave up; `crashed`:
   * a bug of ours ended this wait.
   */
  readonly end: 'ended' | 'timeout' | 'refused' | 'interrupted' | 'crashed'
  /** The terminal status, else the last word seen, else `""`. */
  readonly status: string
  /** The last good answer; undefined if there was none. */
  readonly answer: Answer | undefined
  /** Why it was refused, or what stood in the way last if the deadline came first. */
  readonly error: ApiError | undefined
  /** Seconds from the start of the wait to this outcome. */
  readonly waited: number
  /** What became of the prediction when it was canceled after the wait. */
  readonly cancellation?: Cancellation
  /** What was thrown if it crashed. */
  readonly bug?: unknown
}

/** What the wait tells while it lasts; `now` is in seconds since its start. Called in order for each id. */
export interface WaitObserver {
  /** A good answer. `left`: seconds to the end as the log predicts them. */
  answered(event: { id: string; now: number; answer: Answer; left: number | undefined }): void
  /** A request that failed and will be repeated after `pause` seconds. */
  failed(event: { id: string; now: number; error: ApiError; pause: number }): void
  /** An id has come to its outcome. */
  settled(outcome: Outcome): void
}

export interface WaitOptions {
  client: Client
  clock: Clock
  /** Seconds for all predictions together; Infinity for no deadline. */
  timeout: number
  /** Makes the schedule of one prediction. */
  schedule: () => Schedule
  /** Paces the requests of all predictions together. */
  limiter: RateLimiter
  /** Opens streams that signal the end; undefined if only the schedule decides. */
  endSignals?: EndSignals | undefined
  /** How many jobs poll the same account at the same time, this one included. */
  parallelJobs: number
  observer: WaitObserver
  /** Ends the wait early, with what is known by then. */
  signal: AbortSignal
  random?: () => number
  /** Whether an unknown status beside an error that stays counts as failed; true unless given. */
  failOnStuckStatus?: boolean
  /** Whether the list of predictions may be read; true unless given. */
  readsList?: boolean
  /** Whether the observer wants the log of a prediction when it has ended, which lists do not have. */
  wantsLogs?: boolean
  /** The date in milliseconds since the epoch, to tell how old an end is. */
  date?: () => number
}

/** Seconds that the answer to the last poll, made at the deadline, is waited for. */
const LAST_ANSWER = 2
/** Seconds between two attempts of the last poll if no connection could be made, as after a suspension. */
const LAST_RETRY = 0.2

/** Seconds between the looks after an output that may be a moment late, and how recent the end must be. */
const SECOND_LOOKS = [2, 2.5]
const JUST_ENDED = 60

const NO_RUN_TIMES = new RunTimes([])
/** Seconds that a hint of a refused list is obeyed at most. */
const LONGEST_HINT = 120

/** The waits of one step, to which more can be added. Dispose of it when all have ended. */
export interface Waits extends Disposable {
  /**
   * Waits until a prediction has ended or the deadline has come, whichever is first. Never rejects because of the API or
   * of a bug in one wait: every failure is part of the outcome.
   * @param known the answer to its creation
   */
  add(id: string, known?: Answer): Promise<Outcome>
}

/** Opens the waits of a step; its time begins now. */
export function openWaits(options: WaitOptions): Waits {
  const step = new Step(options)
  return {
    add(id, known) {
      const wait = new PredictionWait(id, step, known)
      step.open.add(wait)
      return wait.run()
    },
    [Symbol.dispose]: () => step[Symbol.dispose](),
  }
}

/** Waits for predictions as {@link Waits} do. Outcomes come in the order of the IDs. */
export async function waitForPredictions(ids: readonly string[], options: WaitOptions): Promise<Outcome[]> {
  using waits = openWaits(options)
  return await Promise.all(ids.map((id) => waits.add(id)))
}

/** What the waits of one step share. */
class Step implements Disposable {
  readonly options: WaitOptions
  readonly start: number
  readonly open = new Set<PredictionWait>()
  readonly doubt: SharedDoubt
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
  #lastTurns: Map<PredictionWait, number> | undefined

  constructor(options: WaitOptions) {
    this.options = options
    this.start = options.clock.now()
    this.doubt = new SharedDoubt(options.clock)
    this.#deadline = deadlineSignal(options.clock, options.timeout, 'the deadline has come')
    const signal = AbortSignal.any([options.signal, this.doubt.believed, this.#over.signal])
    const list = new PredictionList((cursor, wanted) => this.#fetchPage(cursor, wanted, signal))
    if (options.readsList === false || !options.client.list) list.leave()
    this.lists = new ListPolling(list, this.open, signal)
  }

  async #fetchPage(cursor: string | undefined, wanted: ReadonlySet<string>, signal: AbortSignal): Promise<ListPage> {
    const { client, clock, limiter } = this.options
    await limiter.take(signal)
    try {
      const page = await client.list?.({ cursor }, wanted, signal)
      limiter.accepted()
      return page ?? { answers: [], cursor: undefined }
    } catch (error) {
      if (error instanceof RefusalError && error.retryability === 'transient') {
        if (error.retryAfter === undefined) limiter.refused(error.status)
        else await clock.sleep(Math.min(error.retryAfter, LONGEST_HINT), signal)
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
  lastTurn(wait: PredictionWait): number {
    const order = () => [...this.open].toSorted((a, b) => a.polledAt - b.polledAt)
    const { interval } = this.options.limiter
    this.#lastTurns ??= new Map(order().map((each, i) => [each, i * interval]))
    return this.#lastTurns.get(wait) ?? 0
  }

  [Symbol.dispose](): void {
    this.#over.abort(new Error('the waits are over'))
    this.#deadline[Symbol.dispose]()
  }
}

/** What a prediction is of; undefined if the API does not say. */
const kindOf = ({ model, version }: Prediction): string | undefined =>
  model === undefined && version === undefined ? undefined : `${model ?? ''} ${version ?? ''}`

/** The wait for one prediction. */
class PredictionWait implements Listed {
  readonly id: string
  readonly #step: Step
  readonly #schedule: Schedule
  readonly #wakeup = new Wakeup()
  readonly #stuck = new StuckStatus()
  /** Aborted when this wait is over, so that nothing of it goes on. */
  readonly #over = new AbortController()
  /** Ends requests: this wait is over, the caller gives up, or no request can succeed. */
  readonly #stop: AbortSignal
  /** Ends sleeps: as `stop`, or the deadline has come. */
  readonly #stopOrDeadline: AbortSignal
  /** When it was polled last, in seconds since the start. */
  polledAt = Number.NEGATIVE_INFINITY
  #answer: Answer | undefined
  /** What it is of, as far as it is known. */
  #kind: string | undefined
  #error: ApiError | undefined
  #patience: Patience
  /** What the schedule asked for last. */
  #planned: number
  readonly #known: Answer | undefined
  #endSignal: EndSignal | undefined
  /** When it was last seen running. */
  #ranAt: number | undefined
  #countsAsFailed = false
  /** What a list said that was not taken yet. */
  #listed: Answer | undefined
  /** What a list said of the end, until a poll of this prediction confirms it. */
  #listedEnd: Answer | undefined
  /** The next poll is one of this prediction only. */
  #single = false
  /** The stream has signalled since the last poll. */
  #signalled = false
  #isAsleep = false

  /** @param known the answer to its creation */
  constructor(id: string, step: Step, known?: Answer) {
    const { schedule, parallelJobs, signal } = step.options
    this.id = id
    this.#step = step
    this.#schedule = schedule()
    this.#planned = this.#schedule.first(parallelJobs)
    this.#patience = this.#newPatience()
    this.#stop = AbortSignal.any([this.#over.signal, signal, step.doubt.believed])
    this.#stopOrDeadline = AbortSignal.any([this.#stop, step.deadline])
    this.#known = known
  }

  deliver(answer: Answer): void {
    this.#listed = answer
    if (this.#isAsleep) this.#wakeup.call()
  }

  pollSingly(): void {
    this.#single = true
    if (this.#isAsleep) this.#wakeup.call()
  }

  async run(): Promise<Outcome> {
    const { options, open } = this.#step
    let outcome = await this.#wait()
    this.#over.abort(new Error('the wait is over'))
    open.delete(this)
    this.#changeKind(undefined)
    try {
      options.observer.settled(outcome)
    } catch (bug) {
      outcome = this.#crashed(bug)
    }
    return outcome
  }

  async #wait(): Promise<Outcome> {
    try {
      return await this.#pollUntilTheEnd()
    } catch (thrown) {
      const { options, doubt } = this.#step
      if (isBug(thrown)) return this.#crashed(thrown)
      if (options.signal.aborted) return this.#outcome('interrupted')
      if (doubt.believed.aborted) {
        this.#error = doubt.error
        return this.#outcome('refused')
      }
      return this.#crashed(thrown)
    }
  }

  async #pollUntilTheEnd(): Promise<Outcome> {
    if (this.#known && this.#accept(this.#known, false)) return await this.#ended()
    let pause = this.#planned
    for (;;) {
      const isTime = await this.#beforeDeadline(() => this.#sleep(pause))
      if (!isTime) return await this.#lastPoll()
      const woken = this.#takeSignal()
      const listed = await this.#takeList(woken)
      if (listed === 'ended') return await this.#ended()
      if (listed === 'running') pause = this.#planned
      if (listed !== undefined) continue
      const isTurn = await this.#beforeDeadline(() => this.#turn())
      if (!isTurn) return await this.#lastPoll()
      const sent = this.#step.now()
      const request = this.#request(this.#stop)
      const result = await beforeAbort(settled(request), this.#step.deadline)
      if (result === undefined) return await this.#lastPoll(request)
      if ('value' in result) {
        this.#step.lists.polled(this.id, result.value)
        if (this.#accept(result.value, woken)) return await this.#ended()
        pause = this.#planned
      } else {
        if (this.#listedEnd && result.error instanceof ApiError && this.#accept(this.#listedEnd, false)) {
          return await this.#ended()
        }
        const next = this.#fail(result.error, sent)
        if (next === 'give up') return this.#outcome('refused')
        pause = next
      }
    }
  }

  /** @returns false if the deadline came before it was done */
  async #beforeDeadline(act: () => Promise<void>): Promise<boolean> {
    const { deadline } = this.#step
    try {
      await act()
      return true
    } catch (thrown) {
      if (deadline.aborted && !this.#stop.aborted && thrown === deadline.reason) return false
      throw thrown
    }
  }

  async #sleep(pause: number): Promise<void> {
    const { clock } = this.#step.options
    // What the server asked for, and a doubt, are not cut short by the stream or a list.
    if (this.#error) return await clock.sleep(pause, this.#stopOrDeadline)
    this.#isAsleep = true
    try {
      await this.#wakeup.sleep(clock, pause, this.#stopOrDeadline)
    } finally {
      this.#isAsleep = false
    }
  }

  /** Waits until a request for this prediction may be made. */
  async #turn(): Promise<void> {
    const { options, doubt } = this.#step
    await doubt.turn(this.id, this.#stopOrDeadline)
    await options.limiter.take(this.#stopOrDeadline)
  }

  /** Whether the stream has signalled since the last poll. */
  #takeSignal(): boolean {
    this.#wakeup.take()
    const signalled = this.#signalled
    this.#signalled = false
    return signalled
  }

  /**
   * Takes what a list says of this prediction, a new one if there is none.
   * @returns undefined if it must be polled singly
   */
  async #takeList(woken: boolean): Promise<'ended' | 'running' | undefined> {
    const { lists, deadline } = this.#step
    const isSingle = this.#single || woken || !lists.isOn
    this.#single = false
    if (isSingle) return undefined
    if (!this.#listed) {
      await beforeAbort(lists.refresh(), this.#stopOrDeadline)
      if (!deadline.aborted) this.#stop.throwIfAborted()
    }
    const listed = this.#listed
    this.#listed = undefined
    if (!listed) return undefined
    if (!this.#isEnough(listed)) {
      this.#listedEnd = listed
      return undefined
    }
    return this.#accept(listed, false) ? 'ended' : 'running'
  }

  /** Whether a list tells all that is wanted: an output may be missing there, and the log is. */
  #isEnough({ prediction }: Answer): boolean {
    const status = statusOf(prediction)
    if (!isTerminal(status)) return true
    const hasOutput = !hasNoOutput(prediction) || prediction.data_removed === true
    return status === 'succeeded' && hasOutput && this.#step.options.wantsLogs !== true
  }

  async #request(signal: AbortSignal): Promise<Answer> {
    const step = this.#step
    this.polledAt = step.now()
    step.requested = true
    try {
      const answer = await step.options.client.get(this.id, signal)
      step.responded = true
      return answer
    } catch (thrown) {
      if (thrown instanceof ApiError && !(thrown instanceof ConnectionError)) step.responded = true
      throw thrown
    }
  }

  /** Takes a good answer. @returns whether the prediction has ended */
  #accept(answer: Answer, woken: boolean): boolean {
    const step = this.#step
    const now = step.now()
    const { prediction } = answer
    this.#changeKind(kindOf(prediction))
    this.#keep(answer)
    this.#error = undefined
    this.#listed = undefined
    this.#listedEnd = undefined
    this.#patience = this.#newPatience()
    step.lastGood = now
    step.doubt.resolve()
    step.options.limiter.accepted()
    const status = statusOf(prediction)
    this.#countsAsFailed = step.options.failOnStuckStatus !== false && this.#stuck.isStuck(prediction, now)
    const hasEnded = isTerminal(status) || this.#countsAsFailed
    if (hasEnded) step.ran(prediction)
    else this.#plan(answer, now, woken)
    const left = hasEnded ? undefined : this.#schedule.left(now)
    step.options.observer.answered({ id: this.id, now, answer, left })
    return hasEnded
  }

  #keep(answer: Answer): void {
    this.#answer?.stored?.close().catch(() => {})
    this.#answer = answer
  }

  #changeKind(kind: string | undefined): void {
    this.#step.changedKind(this.#kind, kind)
    this.#kind = kind
  }

  /** Decides when to poll next, and listens to the stream if there is one. */
  #plan(answer: Answer, now: number, woken: boolean): void {
    const { options, lists } = this.#step
    const { prediction } = answer
    this.#ranAt = now
    this.#planned = this.#schedule.next({
      now,
      started: statusOf(prediction) !== 'starting',
      logs: progressLog(answer),
      sharers: options.parallelJobs * lists.requestsOfRound,
      streaming: this.#endSignal?.connected ?? false,
      woken,
      refresh: answer.refresh,
      siblings: this.#step.siblingsOf(prediction),
    })
    const stream = prediction.urls?.stream
    if (stream !== undefined) {
      this.#endSignal ??= options.endSignals?.open(stream, this.#stopOrDeadline, () => {
        this.#signalled = true
        this.#wakeup.call()
      })
    }
  }

  /** Takes a failure. @returns seconds until the next poll */
  #fail(thrown: unknown, sent: number): number | 'give up' {
    if (!(thrown instanceof ApiError)) throw thrown
    const step = this.#step
    const now = step.now()
    this.#error = thrown
    this.#tellLimiter(thrown)
    // Faults of the way concern every prediction of the step, so a good answer to any of them counts.
    const concernsAll = thrown.scope === 'account' || thrown.retryability === 'transient'
    const answered =
      this.#answer !== undefined || ((concernsAll || thrown instanceof ConnectionError) && step.lastGood !== undefined)
    const judgement = this.#patience.judge(thrown, { now, sent, planned: this.#planned, answered })
    if (judgement.kind === 'give up' && !answered && isHopeless(thrown)) step.doubt.believe(thrown)
    if (judgement.kind === 'doubt' && thrown.scope === 'account' && !this.#isContradicted()) {
      if (step.doubt.add(this.id, thrown)) return 'give up'
    }
    if (judgement.kind === 'give up') return 'give up'
    step.options.observer.failed({ id: this.id, now, error: thrown, pause: judgement.pause })
    return judgement.pause
  }

  /** Whether others got good answers since this one began to get bad ones: then it is not about all of them. */
  #isContradicted(): boolean {
    const { lastGood } = this.#step
    const { doubtSince } = this.#patience
    return lastGood !== undefined && doubtSince !== undefined && lastGood > doubtSince
  }

  #tellLimiter(error: ApiError): void {
    const { limiter } = this.#step.options
    if (error.retryability !== 'transient') {
      if (!(error instanceof ConnectionError)) limiter.accepted()
    } else if (error instanceof RefusalError && error.retryAfter === undefined) limiter.refused(error.status)
  }

  /**
   * Polls once more when the deadline has come, and takes the answer to the poll that was under way, whichever tells of
   * the end. Not if the API has never answered.
   */
  async #lastPoll(underWay?: Promise<Answer>): Promise<Outcome> {
    const step = this.#step
    const { clock, signal } = step.options
    if (step.requested && !step.responded) return this.#outcome('timeout')
    const turn = step.lastTurn(this)
    using limit = deadlineSignal(clock, LAST_ANSWER, 'the last answer did not come in time')
    const stop = AbortSignal.any([this.#stop, limit.signal])
    const own = turn < LAST_ANSWER ? [() => this.#pollInTurn(turn, stop)] : []
    const last = step.lists.isOn ? [() => this.#lastList(own[0], stop)] : own
    const polls = [...(underWay ? [underWay] : []), ...last.map((poll) => poll())]
    const hasEnded = await this.#firstEnd(polls, stop)
    if (signal.aborted) return this.#outcome('interrupted')
    return hasEnded ? this.#outcome('ended') : this.#outcome('timeout')
  }

  /** What the list says at the deadline, else a poll of this prediction. */
  async #lastList(poll: (() => Promise<Answer>) | undefined, stop: AbortSignal): Promise<Answer> {
    await this.#step.lists.refresh()
    if (this.#listed) return this.#listed
    if (poll) return await poll()
    await this.#step.options.clock.sleep(LAST_ANSWER, stop)
    throw stop.reason
  }

  async #pollInTurn(turn: number, stop: AbortSignal): Promise<Answer> {
    const { clock } = this.#step.options
    await clock.sleep(turn, stop)
    for (;;) {
      try {
        return await this.#request(stop)
      } catch (thrown) {
        // Connections that were open when the process was suspended are dead by now.
        if (!(thrown instanceof ConnectionError) || thrown.retryability !== 'transient') throw thrown
        this.#error = thrown
        await clock.sleep(LAST_RETRY, stop)
      }
    }
  }

  /** @returns true as soon as one of the polls tells of the end, false if none does before the signal */
  async #firstEnd(polls: readonly Promise<Answer>[], stop: AbortSignal): Promise<boolean> {
    const waiting = new Set(polls.map((poll) => settled(poll)))
    const named = [...waiting].map((poll) => [poll, poll.then((result) => ({ poll, result }))] as const)
    const open = new Map(named)
    while (open.size > 0) {
      const next = await beforeAbort(Promise.race(open.values()), stop)
      if (next === undefined) return false
      open.delete(next.poll)
      if ('value' in next.result) {
        if (this.#accept(next.result.value, false)) return true
      } else if (next.result.error instanceof ApiError) this.#error = next.result.error
      else if (!stop.aborted) throw next.result.error
    }
    return false
  }

  /** The outcome of a prediction that has ended, after a second look if it succeeded a moment ago without an output. */
  async #ended(): Promise<Outcome> {
    const { options } = this.#step
    for (const pause of this.#isOutputLate() ? SECOND_LOOKS : []) {
      try {
        await options.clock.sleep(pause, this.#stopOrDeadline)
        await options.limiter.take(this.#stopOrDeadline)
        const answer = await options.client.get(this.id, this.#stopOrDeadline)
        if (statusOf(answer.prediction) === 'succeeded' && !hasNoOutput(answer.prediction)) {
          this.#keep(answer)
          break
        }
      } catch (thrown) {
        if (isBug(thrown)) throw thrown
        if (this.#stopOrDeadline.aborted) break
      }
    }
    return this.#outcome('ended')
  }

  #isOutputLate(): boolean {
    const prediction = this.#answer?.prediction
    if (!prediction || statusOf(prediction) !== 'succeeded') return false
    if (!hasNoOutput(prediction) || prediction.data_removed === true) return false
    if (this.#ranAt !== undefined && this.#step.now() - this.#ranAt <= JUST_ENDED) return true
    const completed = completedAt(prediction)
    const date = this.#step.options.date ?? Date.now
    return completed === undefined || (date() - completed) / 1000 <= JUST_ENDED
  }

  #newPatience(): Patience {
    const { parallelJobs, random = Math.random } = this.#step.options
    return new Patience(parallelJobs, random)
  }

  #outcome(end: Outcome['end']): Outcome {
    const word = this.#answer?.prediction.status ?? ''
    const { status } = readStatus(word)
    const known = status === 'unknown' ? word : status
    return {
      id: this.id,
      end,
      status: end === 'ended' && this.#countsAsFailed ? 'failed' : known,
      answer: this.#answer,
      error: this.#error,
      waited: this.#step.now(),
    }
  }

  #crashed(bug: unknown): Outcome {
    return { ...this.#outcome('crashed'), bug }
  }
}

/** Refusals that are the same for every ID: the key is not accepted, or the address is not that of an API. */
const isHopeless = (error: ApiError) =>
  error.scope === 'account' && !(error instanceof RefusalError && MAY_BE_ABOUT_ONE.has(error.status) && !error.isPage)

/** Statuses of the account that some gateways also give for single predictions. */
const MAY_BE_ABOUT_ONE: ReadonlySet<number> = new Set([402, 403])

type Settled<T> = { value: T } | { error: unknown }

const settled = <T>(promise: Promise<T>): Promise<Settled<T>> =>
  promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  )

/** Waits for a promise, but no longer than until the signal. @returns undefined if the signal came first */
async function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>()
  const abort = () => resolve(undefined)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
