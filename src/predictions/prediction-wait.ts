import { type Answer, progressLog } from './answer.ts'
import type { EndSignal } from './end-signal.ts'
import { ApiError, ConnectionError } from './errors.ts'
import { FailureJudge } from './failure-judge.ts'
import { lastPoll } from './last-poll.ts'
import { isBug } from './network/network-errors.ts'
import type { Outcome } from './outcome.ts'
import { hasNoOutput, isRunning, isTerminal, statusOf } from './prediction.ts'
import { PredictionState } from './prediction-state.ts'
import { beforeAbort, settled } from './promises.ts'
import { tellFailure } from './rate-limiter.ts'
import type { Schedule } from './schedule.ts'
import { lookAgain } from './second-look.ts'
import type { OpenWait, WaitStep } from './wait-step.ts'
import { Wakeup } from './wakeup.ts'

/** The wait for one prediction. */
export class PredictionWait implements OpenWait {
  readonly id: string
  readonly #step: WaitStep
  /** When this wait began, in seconds since the start of the step: the schedule counts from then. */
  readonly #began: number
  readonly #schedule: Schedule
  readonly #wakeup: Wakeup
  /** Aborted when this wait is over, so that nothing of it goes on. */
  readonly #over = new AbortController()
  /** Ends requests: this wait is over, the caller gives up, or no request can succeed. */
  readonly #stop: AbortSignal
  /** Ends sleeps: as `stop`, or the deadline has come. */
  readonly #stopOrDeadline: AbortSignal
  /** When it was polled last, in seconds since the start. */
  polledAt = Number.NEGATIVE_INFINITY
  readonly #state: PredictionState
  readonly #failures: FailureJudge
  /** The last pause that the schedule returned. */
  #planned: number
  readonly #known: Answer | undefined
  #endSignal: EndSignal | undefined
  /** What a list said that was not taken yet. */
  #listed: Answer | undefined
  /** What a list said of the end, until a poll of this prediction confirms it. */
  #listedEnd: Answer | undefined
  /** The next poll is one of this prediction only. */
  #single = false
  /** The stream has signalled since the last poll. */
  #signalled = false

  /** @param known the answer to its creation */
  constructor(id: string, step: WaitStep, known?: Answer) {
    const { schedule, parallelJobs, signal } = step.options
    this.id = id
    this.#step = step
    this.#began = step.now()
    this.#wakeup = new Wakeup(step.alarm)
    this.#schedule = schedule()
    this.#planned = this.#schedule.first(parallelJobs)
    this.#state = new PredictionState(id, step)
    this.#failures = new FailureJudge(id, step)
    this.#stop = AbortSignal.any([this.#over.signal, signal, step.doubt.believed])
    this.#stopOrDeadline = AbortSignal.any([this.#stop, step.deadline])
    this.#known = known
  }

  deliver(answer: Answer): void {
    this.#listed = answer
    if (!this.#wakeup.isAsleep) return
    const isRoutine = isRunning(statusOf(answer.prediction)) && !this.#signalled && !this.#single
    if (isRoutine) this.#acceptAsleep(answer)
    else this.#wakeup.call()
  }

  /** Without waking, which takes 10 kB of promises, timers and signals for each of a thousand at every list. */
  #acceptAsleep(answer: Answer): void {
    try {
      this.#accept(answer, false)
      this.#wakeup.move(this.#planned)
    } catch (bug) {
      this.#wakeup.fail(bug)
    }
  }

  listBegins(): void {
    this.#wakeup.hold()
  }

  listEnds(): void {
    if (this.#wakeup.release()) this.pollSingly()
  }

  pollSingly(): void {
    this.#single = true
    if (this.#wakeup.isAsleep) this.#wakeup.call()
  }

  async run(): Promise<Outcome> {
    const { options, open } = this.#step
    let outcome = await this.#wait()
    this.#over.abort(new Error('the wait has ended'))
    open.delete(this)
    this.#state.leave()
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
      if (options.signal.aborted) return this.#state.outcome('interrupted')
      if (doubt.believed.aborted) {
        this.#state.error = doubt.error
        return this.#state.outcome('refused')
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
        const next = this.#fail(result.error, sent)
        if (next === 'give up') return this.#acceptListedEnd() ? await this.#ended() : this.#state.outcome('refused')
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
    // Neither the stream nor a list shortens a pause that the server requested, or one in doubt.
    if (this.#state.error) return await clock.sleep(pause, this.#stopOrDeadline)
    await this.#wakeup.sleep(pause, this.#stopOrDeadline)
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
   * Uses what a list reports about this prediction; a new one if there is none.
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

  /** Whether a list has all that is needed: the output may be missing there, and the log always is. */
  #isEnough({ prediction }: Answer): boolean {
    const status = statusOf(prediction)
    if (!isTerminal(status)) return true
    const hasOutput = !hasNoOutput(prediction) || prediction.data_removed === true
    return status === 'succeeded' && hasOutput && this.#step.options.wantsLogs !== true
  }

  /** Takes an end for which there is only the word of a list. One that succeeded without an output may have lost it. */
  #acceptListedEnd(): boolean {
    const end = this.#listed ?? this.#listedEnd
    if (end === undefined || !isTerminal(statusOf(end.prediction))) return false
    if (statusOf(end.prediction) === 'succeeded' && hasNoOutput(end.prediction)) return false
    return this.#accept(end, false)
  }

  async #request(signal: AbortSignal): Promise<Answer> {
    const step = this.#step
    this.polledAt = step.now()
    step.requested = true
    try {
      const answer = await step.options.client.get(this.id, signal)
      step.responded = true
      step.options.limiter.accepted()
      return answer
    } catch (thrown) {
      if (thrown instanceof ApiError && !(thrown instanceof ConnectionError)) step.responded = true
      throw thrown
    }
  }

  /** Takes a good answer. @returns whether the prediction has ended */
  #accept(answer: Answer, woken: boolean): boolean {
    const now = this.#step.now()
    this.#listed = undefined
    this.#listedEnd = undefined
    this.#failures.reset()
    const hasEnded = this.#state.accept(answer)
    if (!hasEnded) this.#plan(answer, now, woken)
    const left = hasEnded ? undefined : this.#schedule.left(now - this.#began)
    this.#step.options.observer.answered({ id: this.id, now, answer, left })
    return hasEnded
  }

  /** Decides when to poll next, and listens to the stream if there is one. */
  #plan(answer: Answer, now: number, woken: boolean): void {
    const { options, lists } = this.#step
    const { prediction } = answer
    this.#planned = this.#schedule.next({
      now: now - this.#began,
      started: statusOf(prediction) !== 'starting',
      logs: progressLog(answer),
      sharers: options.parallelJobs * lists.requestsOfRound,
      streaming: this.#endSignal?.connected ?? false,
      woken,
      refresh: answer.refresh,
      siblings: this.#step.kinds.siblingsOf(prediction),
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
    const { options } = this.#step
    const now = this.#step.now()
    this.#state.error = thrown
    tellFailure(options.limiter, thrown)
    const { hasAnswer } = this.#state
    const pause = this.#failures.judge({ error: thrown, sent, planned: this.#planned, hasAnswer })
    if (pause !== 'give up') options.observer.failed({ id: this.id, now, error: thrown, pause })
    return pause
  }

  /** Polls once more when the deadline is reached. @param underWay the poll that was under way then */
  async #lastPoll(underWay?: Promise<Answer>): Promise<Outcome> {
    const step = this.#step
    if (step.requested && !step.responded) return this.#state.outcome('timeout')
    const hasEnded = await lastPoll(step.options.clock, step.lists, {
      turn: step.lastTurn(this),
      underWay,
      request: (signal) => this.#request(signal),
      listed: () => this.#listed,
      isEnough: (answer) => this.#isEnough(answer),
      accept: (answer) => this.#accept(answer, false),
      failed: (error) => {
        this.#state.error = error
      },
      stop: this.#stop,
    })
    if (step.options.signal.aborted) return this.#state.outcome('interrupted')
    return hasEnded || this.#acceptListedEnd() ? this.#state.outcome('ended') : this.#state.outcome('timeout')
  }

  /** The outcome of a prediction that has ended, after a second look if it succeeded a moment ago without an output. */
  async #ended(): Promise<Outcome> {
    if (this.#state.isOutputLate) {
      const answer = await lookAgain(this.id, this.#step.options, this.#stopOrDeadline)
      if (answer) this.#state.keep(answer)
    }
    return this.#state.outcome('ended')
  }

  #crashed(bug: unknown): Outcome {
    return { ...this.#state.outcome('crashed'), bug }
  }
}
