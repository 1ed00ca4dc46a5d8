import { type Cancellation, cancelPredictions, describeCancellations } from '../predictions/cancel.ts'
import { type Clock, deadlineSignal, systemClock } from '../predictions/clock.ts'
import { openApi } from './api.ts'
import { type RunnerContext, readContext } from './context.ts'
import { guardProcess, messageOf } from './failure.ts'
import { type ApiInputs, readInputs } from './inputs.ts'
import { info, warn } from './print.ts'
import { openPredictions } from './state.ts'

/** Seconds for all cancellations together: a job that ends is not held up for longer. */
const LIMIT = 60
/** Seconds for one of their requests. */
const REQUEST_LIMIT = 20

/** What the post step does when main was cut off: cancels what still runs. Warns at the most, never fails. */
export async function cancelOpenPredictions(): Promise<void> {
  guardProcess((error) => warn(`A bug in the cleanup: ${messageOf(error)}`))
  try {
    const runner = readContext()
    const inputs = readInputs(runner)
    const ids = openPredictions()
    if (!inputs.cancelOn.has('cancelled')) {
      info(
        `Not canceled, because cancel-on does not include "cancelled": ${ids.length} predictions that may still be running.`,
      )
      return
    }
    reportCancellations(await cancelAll(ids, inputs, { runner, clock: systemClock }))
  } catch (error) {
    warn(`Predictions that may still be running were not canceled: ${messageOf(error)}`)
  }
}

/** Cancels predictions with a pool of connections of its own. */
export async function cancelAll(
  ids: readonly string[],
  inputs: ApiInputs,
  { runner, clock }: { runner: RunnerContext; clock: Clock },
): Promise<Cancellation[]> {
  using limit = deadlineSignal(clock, LIMIT, `the cancellations took ${LIMIT} s`)
  await using api = openApi(inputs, { runner, clock, requestTimeout: REQUEST_LIMIT })
  return await cancelPredictions(ids, { client: api.client, limiter: api.limiter, clock, signal: limit.signal })
}

/** Prints what became of them: one line, and a warning where some may still run. */
export function reportCancellations(results: readonly Cancellation[]): void {
  const line = `Predictions still running: ${describeCancellations(results)}.`
  const failure = results.find((result) => result.end === 'failed')
  if (failure) warn(`${line} ${failure.error?.message ?? 'There was no time left.'}`)
  else info(line)
}
