import type { Answer } from './answer.ts'
import { type Clock, deadlineSignal } from './clock.ts'
import { ApiError, ConnectionError } from './errors.ts'
import type { ListPolling } from './list-polling.ts'
import { isTerminal, statusOf } from './prediction.ts'
import { beforeAbort, settled } from './promises.ts'

/** Seconds that the answer to the last poll, made at the deadline, is waited for. */
const LAST_ANSWER = 2
/** Seconds between two attempts of the last poll if no connection could be made, as after a suspension. */
const LAST_RETRY = 0.2

/** The prediction that is polled last. */
export interface LastPoll {
  /** The seconds after the deadline at which its own poll may be made. */
  turn: number
  /** The poll that was under way at the deadline. */
  underWay: Promise<Answer> | undefined
  /** Polls it once. @throws as `Client.get` */
  request(signal: AbortSignal): Promise<Answer>
  /** What the last list said of it. */
  listed(): Answer | undefined
  /** Whether an answer of a list has all that is needed. */
  isEnough(answer: Answer): boolean
  /** Takes a good answer. @returns whether the prediction has ended */
  accept(answer: Answer): boolean
  /** Takes what stood in the way. */
  failed(error: ApiError): void
  /** Ends every request. */
  stop: AbortSignal
}

/**
 * Polls once more when the deadline is reached, and also uses the poll that was under way, whichever reports
 * the end: by a list if lists are read, else singly.
 * @returns whether the prediction has ended; false if no answer says so in time
 */
export async function lastPoll(
  clock: Clock,
  lists: Pick<ListPolling, 'isOn' | 'isUnderWay' | 'refresh'>,
  poll: LastPoll,
): Promise<boolean> {
  using limit = deadlineSignal(clock, LAST_ANSWER, 'the last response did not arrive in time')
  const stop = AbortSignal.any([poll.stop, limit.signal])
  const isInTime = poll.turn < LAST_ANSWER

  const single = async (): Promise<Answer> => {
    await clock.sleep(poll.turn, stop)
    for (;;) {
      try {
        return await poll.request(stop)
      } catch (thrown) {
        // Connections that were open when the process was suspended are dead by now.
        if (!(thrown instanceof ConnectionError) || thrown.retryability !== 'transient') throw thrown
        poll.failed(thrown)
        await clock.sleep(LAST_RETRY, stop)
      }
    }
  }
  const list = async (): Promise<Answer> => {
    const wasUnderWay = lists.isUnderWay
    await lists.refresh()
    // It was requested before the deadline, so it may have missed an end.
    if (wasUnderWay && !isOver(poll.listed())) await lists.refresh()
    const listed = poll.listed()
    if (listed && poll.isEnough(listed)) return listed
    if (isInTime) return await single()
    await clock.sleep(LAST_ANSWER, stop)
    throw stop.reason
  }

  const polls = poll.underWay ? [poll.underWay] : []
  if (lists.isOn) polls.push(list())
  else if (isInTime) polls.push(single())
  return await firstEnd(polls, poll, stop)
}

const isOver = (answer: Answer | undefined) => answer !== undefined && isTerminal(statusOf(answer.prediction))

/** @returns true as soon as one of the polls reports the end, false if none does before the signal */
async function firstEnd(polls: readonly Promise<Answer>[], poll: LastPoll, stop: AbortSignal): Promise<boolean> {
  const open = new Map(polls.map((each) => [each, settled(each).then((result) => ({ each, result }))] as const))
  while (open.size > 0) {
    const next = await beforeAbort(Promise.race(open.values()), stop)
    if (next === undefined) return false
    open.delete(next.each)
    if ('value' in next.result) {
      if (poll.accept(next.result.value)) return true
    } else if (next.result.error instanceof ApiError) poll.failed(next.result.error)
    else if (!stop.aborted) throw next.result.error
  }
  return false
}
