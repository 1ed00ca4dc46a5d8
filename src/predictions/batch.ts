import type { Answer } from './answer.ts'
import type { Clock } from './clock.ts'
import { CreateError } from './create.ts'
import { ApiError, ConnectionError, RefusalError } from './errors.ts'
import type { Outcome } from './outcome.ts'
import { errorText, isPlatformError } from './prediction-error.ts'
import { jittered } from './retry.ts'
import { sentence } from './text.ts'
import { Turns } from './turns.ts'

/** One thing to run. */
export interface Entry<Request> {
  name: string
  request: Request
}

/** What became of one entry. */
export interface EntryResult {
  name: string
  /** Of the last prediction that was started for it; undefined if none is known. */
  outcome: Outcome | undefined
  /** The predictions that were started for it before the last one. */
  earlier: readonly Outcome[]
  /** Why none was started, or no other after a failed attempt. The message is whole sentences. */
  refusal: Error | undefined
  /** True if that creation may have been carried out: a prediction may run whose ID is not known. */
  mayRun: boolean
}

/** No prediction was started because nothing new is started any more. The message is a whole sentence. */
export class NotStartedError extends Error {
  override readonly name = 'NotStartedError'
  /** Why, as the end of a sentence or as one. */
  readonly reason: string

  /** @param wasTried whether others were started for the same input before */
  constructor(reason: string, wasTried: boolean) {
    super(`${wasTried ? 'No further attempt was made' : 'No prediction was started'}: ${sentence(reason)}`)
    this.reason = reason
  }
}

export interface BatchOptions<Request> {
  /**
   * Starts one prediction; it is never called again for the same attempt.
   * @throws CreateError, or the reason of the signal
   */
  create(request: Request, name: string): Promise<Answer>
  /** Waits until a prediction has ended, or the deadline came. Never rejects because of the API. */
  wait(id: string, answer: Answer, name: string): Promise<Outcome>
  /** Predictions that run at the same time. */
  maxParallel: number
  /** If this many of the first have all failed, no more are started; unless given, `maxParallel`, but at least three. */
  mostFailed?: number
  /** How often an entry is tried, from 1. */
  attempts: number
  /** Whether predictions have a deadline of their own, at which the API aborts those that have not begun. */
  ownDeadline: boolean
  clock: Clock
  /** Aborted when nothing new may be started: the step was canceled, or its deadline came. */
  signal: AbortSignal
  random?: () => number
  observer: BatchObserver
}

/** What is reported while a batch runs. */
export interface BatchObserver {
  started(name: string, answer: Answer): void
  /** A failed attempt will be followed by another after `pause` seconds. */
  again(name: string, outcome: Outcome, pause: number): void
  settled(result: EntryResult): void
}

/** Seconds before the second, third and each later attempt of one entry, more or less a quarter. */
const ATTEMPT_PAUSES = [5, 15, 45] as const
/** The least that `mostFailed` is unless it is given. */
const FEWEST_FAILURES = 3
/** Refusals that concern the account, or the target of all; a 429 is one that was waited out for as long as it may be. */
const WHOLE_ACCOUNT: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 429])
/** Refusals that concern one input: they cost nothing, and say nothing about the others. */
const ONE_INPUT: ReadonlySet<number> = new Set([400, 413, 422])

/**
 * Starts a prediction for each entry and waits for all of them, some at the same time. Nothing is started twice that may
 * have been started, and nothing after the signal, after a refusal that concerns the account, if the API cannot be
 * reached, or after the first have all failed. What was started is waited for in every case.
 * @returns results in the order of the entries
 */
export async function runBatch<Request>(
  entries: readonly Entry<Request>[],
  options: BatchOptions<Request>,
): Promise<EntryResult[]> {
  const results: EntryResult[] = []
  const state = new BatchState(options.mostFailed ?? Math.max(FEWEST_FAILURES, options.maxParallel))
  const queue = entries.entries()
  const worker = async () => {
    for (const [i, entry] of queue) {
      await state.begin()
      const result = await runEntry(entry, state, options)
      results[i] = result
      if (isRefusedInput(result)) state.notTried()
      else state.settled(result)
      options.observer.settled(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.maxParallel, entries.length) }, worker))
  return results
}

/** What all entries of a batch share: one creation at a time, and whether new ones may be started. */
class BatchState {
  readonly #mostFailed: number
  #begun = 0
  #settled = 0
  #allFailed = true
  #stopped: string | undefined
  /** Creations come one after the other, so that a refusal of one slows down all, and stops the others before they are sent. */
  readonly creations = new Turns()
  #waiting: (() => void)[] = []

  /** @param mostFailed as in {@link BatchOptions} */
  constructor(mostFailed: number) {
    this.#mostFailed = mostFailed
  }

  /** Why nothing new is started, as the end of a sentence; undefined while it is. */
  get stopped(): string | undefined {
    return this.#stopped
  }

  /** Waits while the first have failed so far: only when one of them has come to something is more money spent. */
  async begin(): Promise<void> {
    const mustWait = () => this.#begun >= this.#mostFailed && this.#allFailed && this.#stopped === undefined
    while (mustWait()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#begun++
  }

  creationFailed({ cause }: CreateError): void {
    this.#stopped ??= reasonForAll(cause)
  }

  settled({ outcome }: EntryResult): void {
    this.#settled++
    if (outcome && (outcome.end !== 'ended' || outcome.status !== 'failed')) this.#allFailed = false
    if (this.#allFailed && this.#settled >= this.#mostFailed) {
      this.#stopped ??= `the first ${this.#settled} have all failed`
    }
    this.#resume()
  }

  /** An entry was refused because of its own input: another takes its place among the first. */
  notTried(): void {
    this.#begun--
    this.#resume()
  }

  #resume(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }
}

/** Why no other creation would do better than one that failed, as the end of a sentence; undefined if another may. */
function reasonForAll(cause: unknown): string | undefined {
  if (cause instanceof RefusalError && WHOLE_ACCOUNT.has(cause.status)) {
    return `the API refused an earlier one (${cause.status})`
  }
  return cause instanceof ConnectionError && cause.neverSent ? 'the API could not be reached' : undefined
}

/** Whether nothing was started for an entry, for a reason that concerns only it: the API's, or one before any request. */
function isRefusedInput({ outcome, refusal, mayRun }: EntryResult): boolean {
  if (outcome || mayRun || !refusal) return false
  const { cause } = refusal
  return cause instanceof RefusalError ? ONE_INPUT.has(cause.status) : !(cause instanceof ApiError)
}

/** Why nothing new is started, as the end of a sentence or as one; undefined while it is. */
const stopReason = ({ stopped }: BatchState, { signal }: { signal: AbortSignal }): string | undefined =>
  signal.aborted ? (signal.reason as Error).message : stopped

/** Starts one prediction. @throws Stopped, or CreateError */
async function start<Request>(
  { name, request }: Entry<Request>,
  state: BatchState,
  options: BatchOptions<Request>,
): Promise<Answer> {
  const { signal } = options
  try {
    return await state.creations.run(async () => {
      const reason = stopReason(state, options)
      if (reason !== undefined) throw new Stopped(reason)
      return await options.create(request, name)
    })
  } catch (error) {
    if (error instanceof CreateError) state.creationFailed(error)
    if (signal.aborted && error === signal.reason) throw new Stopped((signal.reason as Error).message)
    throw error
  }
}

async function runEntry<Request>(
  entry: Entry<Request>,
  state: BatchState,
  options: BatchOptions<Request>,
): Promise<EntryResult> {
  const { name } = entry
  const { signal, attempts, ownDeadline, clock, observer, random = Math.random } = options
  const earlier: Outcome[] = []
  const refused = (refusal: Error, mayRun = false): EntryResult => {
    return { name, outcome: earlier.pop(), earlier, refusal, mayRun }
  }
  const notStarted = (reason: string) => refused(new NotStartedError(reason, earlier.length > 0))
  for (let attempt = 1; ; attempt++) {
    let answer: Answer
    try {
      answer = await start(entry, state, options)
    } catch (error) {
      if (error instanceof Stopped) return notStarted(error.message)
      if (error instanceof CreateError) return refused(error, error.mayRun)
      throw error
    }
    observer.started(name, answer)
    const outcome = await options.wait(answer.prediction.id, answer, name)
    const isLast = attempt >= attempts || !mayBeTriedAgain(outcome, ownDeadline)
    if (isLast) return { name, outcome, earlier, refusal: undefined, mayRun: false }
    const reason = stopReason(state, options)
    if (reason !== undefined) {
      earlier.push(outcome)
      return notStarted(reason)
    }
    const pause = jittered(ATTEMPT_PAUSES[Math.min(attempt, ATTEMPT_PAUSES.length) - 1] ?? 0, random)
    observer.again(name, outcome, pause)
    earlier.push(outcome)
    await clock.sleep(pause, signal).catch(() => {})
  }
}

/**
 * After an error of the platform, or an end before the start unless that was requested; never after an error of the input or
 * the model.
 */
function mayBeTriedAgain({ end, status, answer }: Outcome, ownDeadline: boolean): boolean {
  if (end !== 'ended') return false
  return status === 'aborted'
    ? !ownDeadline
    : status === 'failed' && isPlatformError(errorText(answer?.prediction.error))
}

/** Nothing new is started any more; the message is the reason. */
class Stopped extends Error {}
