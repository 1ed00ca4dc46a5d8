import { type Cancellation, cancelPredictions, describeCancellations } from '../predictions/cancel.ts'
import { type Clock, deadlineSignal } from '../predictions/clock.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { openApi } from './api.ts'
import type { RunnerContext } from './context.ts'
import type { ApiInputs } from './inputs.ts'
import { info, warn } from './print.ts'
import type { RequestCounts } from './requests.ts'

/** Seconds for all cancellations together: a job that ends is not held up for longer. */
const LIMIT = 60
/** Seconds for one of their requests. */
const REQUEST_LIMIT = 20

/** Cancels predictions over its own connections. @param signal gives up */
export async function cancelAll(
  ids: readonly string[],
  inputs: ApiInputs,
  { signal, ...around }: { runner: RunnerContext; clock: Clock; requests: RequestCounts; signal?: AbortSignal },
): Promise<Cancellation[]> {
  if (!inputs.api.cancel) return ids.map((id) => ({ id, end: 'impossible' }))
  using limit = deadlineSignal(around.clock, LIMIT, `the cancellations took ${LIMIT} s`)
  await using api = openApi(inputs, { ...around, requestTimeout: REQUEST_LIMIT })
  const stop = signal ? AbortSignal.any([signal, limit.signal]) : limit.signal
  return await cancelPredictions(ids, { client: api.client, limiter: api.limiter, clock: around.clock, signal: stop })
}

/** The outcomes with what became of those that were canceled after the wait: they are called canceled everywhere. */
export function withCancellations(outcomes: readonly Outcome[], results: readonly Cancellation[]): Outcome[] {
  const byId = new Map(results.map((result) => [result.id, result]))
  return outcomes.map((outcome) => {
    const cancellation = byId.get(outcome.id)
    if (cancellation === undefined) return outcome
    const status = cancellation.end === 'canceled' ? 'canceled' : outcome.status
    return { ...outcome, status, cancellation }
  })
}

/** Prints what became of them: one line, and a warning if some may still run. */
export function reportCancellations(results: readonly Cancellation[]): void {
  const line = `Predictions that were still running: ${describeCancellations(results)}.`
  const failure = results.find((result) => result.end === 'failed')
  if (failure) warn(`${line} ${failure.error?.message ?? 'No time was left to cancel them.'}`)
  else info(line)
}
