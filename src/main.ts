import { systemClock as clock } from './predictions/clock.ts'
import { verdictOf } from './predictions/verdict.ts'
import { awaitAll } from './runner/await-all.ts'
import { cancelAll, reportCancellations, withCancellations } from './runner/cancellation.ts'
import { readContext } from './runner/context.ts'
import { deliver, nothingDelivered, wantsFiles } from './runner/delivery.ts'
import { failOnThrow, StepFailed } from './runner/failure.ts'
import { readInputs } from './runner/inputs.ts'
import { listenForInterrupts } from './runner/interrupt.ts'
import { allowSlowHandshakes } from './runner/network.ts'
import { makeOutputFolder } from './runner/output-folder.ts'
import { OUTPUTS, openOutputs, outputsOf } from './runner/outputs.ts'
import { warnAll } from './runner/print.ts'
import { writeResultFile } from './runner/result-file.ts'
import { startSaving } from './runner/saving.ts'
import { redactJudged } from './runner/secrets.ts'
import { saveOpenPredictions } from './runner/state.ts'
import { summaryOf, writeSummary } from './runner/summary.ts'

const runner = readContext()
const outputs = openOutputs(OUTPUTS, runner)

await failOnThrow(async () => {
  const inputs = readInputs(runner)
  await makeOutputFolder(inputs.download.directory, runner)
  saveOpenPredictions(inputs.ids, runner)
  using interrupt = listenForInterrupts()
  allowSlowHandshakes()
  warnAll(inputs.warnings)
  const around = { clock, runner, signal: interrupt.signal }
  using saving = wantsFiles(inputs) ? startSaving(inputs, around) : undefined
  const outcomes = await awaitAll(inputs, around, saving)

  const late = outcomes.flatMap(({ id, end }) => (end === 'timeout' ? [id] : []))
  const isToCancel = late.length > 0 && inputs.cancelOn.has('timeout')
  const cancellations = isToCancel ? await cancelAll(late, inputs, around) : []
  if (isToCancel) reportCancellations(cancellations)

  const judged = withCancellations(outcomes, cancellations).map((outcome) =>
    redactJudged({ outcome, verdict: verdictOf(outcome, inputs.timeout.text) }),
  )
  const delivery = saving ? await deliver(judged, saving, inputs, around) : nothingDelivered
  const resultFile = await writeResultFile(judged, delivery.files, runner.temp)
  const unset = outputs.set({ ...outputsOf(judged, delivery), result_file: resultFile ?? '' })
  if (inputs.summary)
    await writeSummary(() => summaryOf(judged, { ...delivery, failures: [...delivery.failures, ...unset] }))

  if (!interrupt.signal.aborted) saveOpenPredictions([], runner)

  warnAll(judged.flatMap(({ verdict }) => (verdict.ok && verdict.warning !== undefined ? [verdict.warning] : [])))
  const failures = [...judged.flatMap(({ verdict }) => (verdict.ok ? [] : [verdict])), ...delivery.failures, ...unset]
  if (failures.length > 0) throw new StepFailed(failures)
}, outputs.addError)
