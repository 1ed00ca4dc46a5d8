import { type Cancellation, cancelPredictions, describeCancellations, namesOf } from '../predictions/cancel.ts'
import { type Clock, deadlineSignal, systemClock } from '../predictions/clock.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { openApi } from './api.ts'
import { type RunnerContext, readContext } from './context.ts'
import { guardProcess, messageOf } from './failure.ts'
import { type ApiInputs, readPostInputs } from './inputs.ts'
import { info, warn } from './print.ts'
import { noRequests, type RequestCounts, reportRequests } from './requests.ts'
import { openCreation, openPredictions } from './state.ts'

/** Seconds for all cancellations together: a job that ends is not held up for longer. */
const LIMIT = 60
/** Seconds for one of their requests. */
const REQUEST_LIMIT = 20

/** What the post step does when main was cut off: cancels what still runs. Warns at most, never fails. */
export async function cancelOpenPredictions(): Promise<void> {
  guardProcess((error) => warn(`A bug in the cleanup: ${messageOf(error)}`))
  try {
    const runner = readContext()
    const inputs = readPostInputs()
    const ids = openPredictions()
    const creating = openCreation()
    if (creating !== '') {
      warn(
        `The step ended while a prediction for ${creating} was being started. It may be running, but its ID is unknown, so it could not be canceled. Look for it in the list of predictions.`,
      )
    }
    if (ids.length === 0) return
    if (!inputs.cancelOn.has('cancelled')) {
      const open = namesOf(ids.map((id) => ({ id })))
      info(`Not canceled, because cancel-on does not include "cancelled", and may still be running: ${open}.`)
      return
    }
    const requests = noRequests()
    reportCancellations(await cancelAll(ids, inputs, { runner, requests, clock: systemClock }))
    reportRequests(requests)
  } catch (error) {
    warn(`Predictions that may still be running were not canceled: ${messageOf(error)}`)
  }
}

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
