import type { Clock } from '../predictions/clock.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { sentences } from '../predictions/text.ts'
import type { Judged } from '../predictions/verdict.ts'
import { cancelAll, reportCancellations, withCancellations } from './cancellation.ts'
import type { RunnerContext } from './context.ts'
import { type Delivered, deliver, nothingDelivered } from './delivery.ts'
import { type Entry, isJudged } from './entry.ts'
import { type Failure, StepFailed } from './failure.ts'
import type { StepInputs } from './inputs.ts'
import { type OutputName, outputsOf } from './outputs.ts'
import { warnAll } from './print.ts'
import { refusalsOf } from './refusals.ts'
import { type RequestCounts, reportRequests, requestsInWords } from './requests.ts'
import { writeResultFile } from './result-file.ts'
import type { Saving } from './saving.ts'
import { saveOpenPredictions } from './state.ts'
import type { StepOutputs } from './step-outputs.ts'
import { summaryOf, writeSummary } from './summary.ts'

/** What every part of a step works with. */
export interface Surroundings {
  clock: Clock
  runner: RunnerContext
  requests: RequestCounts
  /** Aborted when the runner ends the step. */
  signal: AbortSignal
}

/** Cancels the predictions that the timeout found running, if that is wanted. @returns the outcomes with what became of them */
export async function cancelLate(
  outcomes: readonly Outcome[],
  inputs: StepInputs,
  around: Surroundings,
): Promise<Outcome[]> {
  const late = outcomes.flatMap(({ id, end }) => (end === 'timeout' ? [id] : []))
  if (late.length === 0 || !inputs.cancelOn.has('timeout')) return [...outcomes]
  const cancellations = await cancelAll(late, inputs, around)
  reportCancellations(cancellations)
  return withCancellations(outcomes, cancellations)
}

/** What is done with the results of a step. */
export interface Finish {
  /** Undefined if no files are wanted. */
  saving: Saving | undefined
  outputs: StepOutputs<OutputName | 'prediction_id'>
  /** Called once all files are saved, before the outputs are set. */
  saved?: (entries: readonly Entry[], delivered: Delivered) => Promise<Failure[]>
}

/**
 * Passes on everything that is known: files, artifact, release, outputs, summary; then says how it went.
 * @throws StepFailed if anything makes the step fail
 */
export async function finishStep(
  entries: readonly Entry[],
  inputs: StepInputs,
  around: Surroundings,
  { saving, outputs, saved }: Finish,
): Promise<void> {
  const judged = entries.filter(isJudged)
  const delivered = saving ? await deliver(judged, saving, inputs, around) : nothingDelivered
  const unrecorded = (await saved?.(entries, delivered)) ?? []
  const delivery = { ...delivered, failures: [...delivered.failures, ...unrecorded] }
  const resultFile = await writeResultFile(entries, delivery.files, around.runner.temp)
  const unset = outputs.set({
    ...outputsOf(entries, delivery),
    prediction_id: judged.map(({ outcome }) => outcome.id).join(),
    result_file: resultFile ?? '',
  })
  if (inputs.summary) {
    const requests = requestsInWords(around.requests)
    await writeSummary(() => summaryOf(entries, { ...delivery, failures: [...delivery.failures, ...unset] }, requests))
  }
  reportRequests(around.requests)
  if (!around.signal.aborted) saveOpenPredictions([], around.runner)
  warnAll(judged.flatMap(({ verdict }) => (verdict.ok && verdict.warning !== undefined ? [verdict.warning] : [])))
  const isOnly = entries.length === 1
  const refusals = refusalsOf(entries).map((message) => ({ title: 'Prediction not started', message }))
  const failures = [...judged.flatMap((each) => failureOf(each, isOnly)), ...refusals, ...delivery.failures, ...unset]
  if (failures.length > 0) throw new StepFailed(failures)
}

/** Of a prediction that was started for one of several inputs, it names the input: people know no IDs. */
function failureOf({ verdict, name, refusal }: Judged, isOnly: boolean): Failure[] {
  if (verdict.ok) return []
  const message = sentences(verdict.message, refusal)
  return [{ title: verdict.title, message: name === undefined || isOnly ? message : `${name}: ${message}` }]
}
