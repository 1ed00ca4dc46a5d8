import { systemClock as clock } from './predictions/clock.ts'
import { readContext } from './runner/context.ts'
import { wantsFiles } from './runner/delivery.ts'
import { dryRun } from './runner/dry-run.ts'
import { readEntries } from './runner/entries.ts'
import { failOnThrow } from './runner/failure.ts'
import { finishStep } from './runner/finish.ts'
import { identitiesByName } from './runner/identities.ts'
import { readRunInputs } from './runner/inputs.ts'
import { listenForInterrupts } from './runner/interrupt.ts'
import { allowSlowHandshakes } from './runner/network.ts'
import { makeOutputFolder } from './runner/output-folder.ts'
import { RUN_OUTPUTS } from './runner/outputs.ts'
import { info, notice, warn, warnAll } from './runner/print.ts'
import { noRequests } from './runner/requests.ts'
import { runPredictions } from './runner/run-step.ts'
import { StepSaving } from './runner/saving.ts'
import { inOrder, planOf } from './runner/skip-existing.ts'
import { StepOutputs } from './runner/step-outputs.ts'
import { tallyOf } from './runner/tally.ts'

const runner = readContext()
const outputs = new StepOutputs(RUN_OUTPUTS, runner)

await failOnThrow(
  async () => {
    const inputs = readRunInputs(runner)
    warnAll(inputs.warnings)
    const named = await readEntries(inputs.texts, runner.workspace, inputs.modelName)
    if (named.length === 0) notice('There are no inputs, so no prediction is started.')
    using interrupt = listenForInterrupts()
    allowSlowHandshakes()
    const plan = await planOf(named, inputs)
    if (inputs.dryRun) return dryRun(plan, inputs)
    if (runner.runAttempt > 1 && plan.toStart.length > 0) {
      warn(
        `This is attempt ${runner.runAttempt} of the run: the predictions are started, and paid for, again. To collect those of an earlier attempt, use OWNER/await-prediction with their IDs.`,
      )
    }
    // What exists already may be in a folder that cannot be written to.
    if (plan.toStart.length > 0 || plan.skipped.length === 0) await makeOutputFolder(inputs.download.directory, runner)
    const around = { clock, runner, requests: noRequests(), signal: interrupt.signal }
    const names = new Map<string, string>()
    using saving = wantsFiles(inputs)
      ? new StepSaving(inputs, identitiesByName(named, names, plan.kept), around)
      : undefined
    const entries = await runPredictions(plan.toStart, inputs, around, { saving, names })
    const all = inOrder(named, entries, plan)
    if (all.length > 0) info(`Predictions: ${tallyOf(all).join(' · ')}.`)
    await finishStep(all, inputs, around, { saving, outputs, saved: plan.record })
  },
  (message) => outputs.addError(message),
)
