import { predictions } from '../predictions/apis/predictions.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { adaptiveSchedule, fixedSchedule, pacedSchedule } from '../predictions/schedule.ts'
import { waitForPredictions } from '../predictions/wait.ts'
import type { WaitObserver } from '../predictions/wait-options.ts'
import { openApi, openEndSignals } from './api.ts'
import type { Surroundings } from './finish.ts'
import type { Inputs } from './inputs.ts'
import { guarded, inTurn } from './observers.ts'
import { createReporter, FEW } from './reporter.ts'

/**
 * Waits for the predictions of the step and reports on them. Every connection is closed when it returns or throws.
 * @param next what goes on with each prediction as soon as it has come to its outcome
 */
export async function awaitAll(
  inputs: Inputs,
  around: Surroundings,
  next?: Pick<WaitObserver, 'answered' | 'settled'>,
): Promise<Outcome[]> {
  const { clock, signal } = around
  const { api: kind, ids, pollInterval, parallelJobs, policy, streamLogs, timeout } = inputs
  const isPredictions = kind === predictions
  using reporter = createReporter(ids, { clock, streamLogs })
  await using api = openApi(inputs, around)
  await using endSignals = pollInterval === undefined ? openEndSignals(policy, around) : undefined
  return await waitForPredictions(ids, {
    client: api.client,
    limiter: api.limiter,
    clock,
    timeout: timeout.seconds,
    schedule: () =>
      pollInterval === undefined
        ? pacedSchedule(adaptiveSchedule(), kind.shortestInterval)
        : fixedSchedule(pollInterval),
    endSignals,
    parallelJobs,
    // Other APIs have no list, and their words are known only in part.
    readsList: isPredictions && inputs.readsList,
    wantsLogs: streamLogs && ids.length <= FEW,
    failOnStuckStatus: isPredictions,
    observer: inTurn(guarded(reporter), next),
    signal,
  })
}
