import { deadlineSignal } from './clock.ts'
import { ApiError, ConnectionError } from './errors.ts'
import type { FetchPage } from './list.ts'
import { settled } from './promises.ts'
import { tellFailure } from './rate-limiter.ts'
import type { WaitOptions } from './wait-options.ts'

const LIST_REQUEST = { method: 'GET', url: 'the list' } as const
/** Seconds that one page of the list may take, because nobody polls singly meanwhile. */
const LONGEST_PAGE = 5
/** Seconds that a hint of a refused list is obeyed at most. */
const LONGEST_LIST_PAUSE = 120

/**
 * Requests pages of the list at the pace of the step, each for a short time, and waits as a refused one asks.
 * @param signal ends a request
 * @param deadline ends a pause: each prediction is polled once more then, and does not wait for a list that comes later
 */
export function createListRequest(
  { client, clock, limiter }: Pick<WaitOptions, 'client' | 'clock' | 'limiter'>,
  signal: AbortSignal,
  deadline: AbortSignal,
): FetchPage {
  const stop = AbortSignal.any([signal, deadline])
  return async (cursor, wanted) => {
    await limiter.take(signal)
    using limit = deadlineSignal(clock, LONGEST_PAGE, `the list did not arrive within ${LONGEST_PAGE} s`)
    try {
      const page = await client.list?.({ cursor }, wanted, AbortSignal.any([signal, limit.signal]))
      limiter.accepted()
      return page ?? { answers: [], cursor: undefined }
    } catch (error) {
      if (limit.signal.aborted && !signal.aborted) throw new ConnectionError(LIST_REQUEST, limit.signal.reason)
      if (error instanceof ApiError) {
        tellFailure(limiter, error)
        if (error.retryAfter !== undefined) {
          await settled(clock.sleep(Math.min(error.retryAfter, LONGEST_LIST_PAUSE), stop))
          signal.throwIfAborted()
        }
      }
      throw error
    }
  }
}
