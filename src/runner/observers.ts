import type { WaitObserver } from '../predictions/wait-options.ts'
import { messageOf } from './failure.ts'
import { warn } from './print.ts'

/** An observer that never throws: what is printed about a prediction must not end the wait for it. A bug is one warning. */
export function guarded(observer: WaitObserver): WaitObserver {
  let isReported = false
  const guard =
    <T>(observe: (event: T) => void) =>
    (event: T) => {
      try {
        observe(event)
      } catch (thrown) {
        if (!isReported) warn(`A bug in this action affects the log, but not the predictions: ${messageOf(thrown)}`)
        isReported = true
      }
    }
  return {
    answered: guard((event) => observer.answered(event)),
    failed: guard((event) => observer.failed(event)),
    settled: guard((event) => observer.settled(event)),
  }
}

/**
 * Two observers as one: what is reported of a prediction comes before what is done with it.
 * @param then hears of no failures, and only of what it has a method for
 */
export const inTurn = (
  first: WaitObserver,
  then: Partial<Pick<WaitObserver, 'answered' | 'settled'>> = {},
): WaitObserver => ({
  answered(event) {
    first.answered(event)
    then.answered?.(event)
  },
  failed: (event) => first.failed(event),
  settled(outcome) {
    first.settled(outcome)
    then.settled?.(outcome)
  },
})
