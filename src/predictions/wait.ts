import { type Answer, progressLog } from './answer.ts'
import type { Client } from './client.ts'
import { type Clock, deadlineSignal } from './clock.ts'
import type { EndSignal, EndSignals } from './end-signal.ts'
import { ApiError, NotAPredictionError } from './errors.ts'
import { isTerminal, readStatus, statusOf } from './prediction.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { type Schedule, SHARERS_FREE } from './schedule.ts'

/** How the wait for one prediction came out. */
export interface Outcome {
  readonly id: string
  /**
   * `ended`: the prediction reached a terminal status; `timeout`: our deadline came first; `refused`: the API gave an
   * answer that is final or, at the very start, none at all for about a minute; `interrupted`: the caller gave up.
   */
  readonly end: 'ended' | 'timeout' | 'refused' | 'interrupted'
  /** The terminal status, else the last word seen, else `""`. */
  readonly status: string
  /** The last good answer; undefined where there was none. */
  readonly answer: Answer | undefined
  /** Why it was refused, or what stood in the way last where the deadline came first. */
  readonly error: ApiError | undefined
  /** Seconds from the start of the wait to this outcome. */
  readonly waited: number
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
  /** Opens streams that ring at the end; undefined where the schedule alone decides. */
  endSignals?: EndSignals | undefined
  /** How many jobs ask the same account at once, this one included. */
  parallelJobs: number
  observer: WaitObserver
  /** Ends the wait early, with what is known by then. */
  signal: AbortSignal
  random?: () => number
}

/** Seconds of failures, and nothing else, after which a wait that never got a good answer gives up. */
const PATIENCE = 60
/** Seconds in which a 404 may be a replica that has not heard of a new prediction yet. */
const GRACE = 10
/** Answers in a row that are no prediction, after good ones, before they are believed. */
const STRANGE_ANSWERS = 3
const LONGEST_PAUSE = 30
/** A server that asks for more is asked again all the same: nobody's limit is known to last longer than a minute. */
const LONGEST_HINT = 120
/** Seconds before the deadline at which a sleeping wait takes its last look. */
const LAST_LOOK = 2

/**
 * Waits until every prediction is over or the deadline has come, whichever is first.
 * Never rejects because of the API: every failure is part of an outcome. Outcomes come in the order of the ids.
 */
export async function waitForPredictions(ids: readonly string[], options: WaitOptions): Promise<Outcome[]> {
  const { clock, timeout, signal } = options
  const start = clock.now()
  using deadline = deadlineSignal(clock, timeout, 'the deadline has come')
  const stop = AbortSignal.any([signal, deadline.signal])
  const shared: Shared = { ...options, start, stop, deadline: start + timeout, open: ids.length }
  return await Promise.all(
    ids.map(async (id) => {
      const outcome = await waitForOne(id, shared)
      shared.open--
      options.observer.settled(outcome)
      return outcome
    }),
  )
}

interface Shared extends WaitOptions {
  start: number
  /** On the clock, not since the start. */
  deadline: number
  /** Aborted by the deadline and by the caller. */
  stop: AbortSignal
  /** Predictions that have not come to an outcome. */
  open: number
}

async function waitForOne(id: string, shared: Shared): Promise<Outcome> {
  const { client, clock, observer, stop, limiter } = shared
  const random = shared.random ?? Math.random
  const schedule = shared.schedule()
  const sharers = () => shared.parallelJobs * shared.open
  const now = () => clock.now() - shared.start

  let answer: Answer | undefined
  let error: ApiError | undefined
  /** What the schedule asked for last, and what is slept after faults. */
  let planned = schedule.first(shared.parallelJobs)
  let pause = planned
  let faults = new Faults(shared.parallelJobs)
  let endSignal: EndSignal | undefined
  const bell = new Bell()
  const over = new AbortController()
  const outcome = (end: Outcome['end']): Outcome => {
    const word = answer?.prediction.status ?? ''
    const { status } = readStatus(word)
    return { id, end, status: status === 'unknown' ? word : status, answer, error, waited: now() }
  }

  try {
    for (;;) {
      const last = await sleepUntilNextLook(pause, error ? undefined : bell, shared)
      const woken = bell.hasRung()
      await limiter.take(stop)
      try {
        answer = await client.get(id, stop)
        error = undefined
        faults = new Faults(shared.parallelJobs)
        const { prediction } = answer
        const status = statusOf(prediction)
        planned = pause = schedule.next({
          now: now(),
          started: status !== 'starting',
          logs: progressLog(answer),
          sharers: sharers(),
          streaming: endSignal?.connected ?? false,
          woken,
          refresh: answer.refresh,
        })
        observer.answered({ id, now: now(), answer, left: isTerminal(status) ? undefined : schedule.left(now()) })
        if (isTerminal(status)) return outcome('ended')
        const stream = prediction.urls?.stream
        if (stream !== undefined)
          endSignal ??= shared.endSignals?.open(stream, AbortSignal.any([stop, over.signal]), () => bell.ring())
      } catch (thrown) {
        if (!(thrown instanceof ApiError)) throw thrown
        error = thrown
        const next = faults.judge(thrown, { now: now(), planned, answered: answer !== undefined, random })
        if (next === 'give up') return outcome('refused')
        pause = next
        observer.failed({ id, now: now(), error: thrown, pause })
      }
      if (last) return outcome('timeout')
    }
  } catch (thrown) {
    if (shared.signal.aborted) return outcome('interrupted')
    if (stop.aborted) return outcome('timeout')
    throw thrown
  } finally {
    over.abort(new Error('the wait is over'))
  }
}

/** Wakes a sleeper, or keeps the next one from sleeping. */
class Bell {
  #rung = false
  #sleeper: AbortController | undefined

  ring(): void {
    this.#rung = true
    this.#sleeper?.abort()
  }

  /** Whether it has rung since it was last asked. */
  hasRung(): boolean {
    const rung = this.#rung
    this.#rung = false
    return rung
  }

  /** Sleeps until it rings, or as long as asked. @throws the reason of the signal */
  async sleep(clock: Clock, seconds: number, signal: AbortSignal): Promise<void> {
    if (this.#rung) return
    const sleeper = new AbortController()
    this.#sleeper = sleeper
    try {
      await clock.sleep(seconds, AbortSignal.any([signal, sleeper.signal]))
    } catch (error) {
      if (!sleeper.signal.aborted || signal.aborted) throw error
    } finally {
      this.#sleeper = undefined
    }
  }
}

/**
 * Sleeps, but wakes for a last look shortly before the deadline, and when the bell rings. A pause after a fault has no
 * bell: it is what the server asked for.
 * @returns whether this is the last look
 */
async function sleepUntilNextLook(
  pause: number,
  bell: Bell | undefined,
  { clock, deadline, timeout, stop }: Shared,
): Promise<boolean> {
  const lastLook = deadline - Math.min(LAST_LOOK, timeout / 10)
  const seconds = Math.max(0, Math.min(pause, lastLook - clock.now()))
  await (bell ? bell.sleep(clock, seconds, stop) : clock.sleep(seconds, stop))
  return clock.now() >= lastLook
}

/** The failures in a row of one prediction's requests, and what they lead to. */
class Faults {
  #count = 0
  #strange = 0
  #patienceEnds: number | undefined
  #graceEnds: number | undefined
  readonly #patience: number

  constructor(parallelJobs: number) {
    // Many jobs ask more slowly, so they need more time for as many tries.
    this.#patience = PATIENCE * Math.max(1, parallelJobs / (4 * SHARERS_FREE))
  }

  /** @returns seconds to wait before the next request, or that there is none */
  judge(
    error: ApiError,
    at: { now: number; planned: number; answered: boolean; random: () => number },
  ): number | 'give up' {
    const { now, planned, answered } = at
    const spread = (seconds: number) => seconds * (0.75 + 0.5 * at.random())
    const before = this.#count++
    if (error.retryability === 'not-found') {
      this.#graceEnds ??= now + GRACE
      return now >= this.#graceEnds ? 'give up' : Math.min(spread(1 + before), this.#graceEnds - now)
    }
    this.#graceEnds = undefined
    if (error.retryability === 'permanent') {
      const strange = answered && error instanceof NotAPredictionError && ++this.#strange < STRANGE_ANSWERS
      if (!strange) return 'give up'
    }
    this.#patienceEnds ??= now + this.#patience
    if (!answered && now >= this.#patienceEnds) return 'give up'
    const asked = Math.min(error.retryAfter ?? 0, LONGEST_HINT) * (1 + 0.25 * at.random())
    // Time that the server asked for does not count as failing.
    this.#patienceEnds += asked
    const own = Math.max(planned, Math.min(LONGEST_PAUSE, Math.max(0.5, planned) * 2 ** before))
    return Math.max(spread(own), asked)
  }
}
