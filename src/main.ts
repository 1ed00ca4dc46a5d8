import { systemClock as clock } from './predictions/clock.ts'
import { awaitAll } from './runner/await-all.ts'
import { readContext } from './runner/context.ts'
import { wantsFiles } from './runner/delivery.ts'
import { failOnThrow } from './runner/failure.ts'
import { cancelLate, finishStep } from './runner/finish.ts'
import { identitiesOf } from './runner/identities.ts'
import { readInputs } from './runner/inputs.ts'
import { listenForInterrupts } from './runner/interrupt.ts'
import { judge } from './runner/judge.ts'
import { allowSlowHandshakes } from './runner/network.ts'
import { makeOutputFolder } from './runner/output-folder.ts'
import { OUTPUTS } from './runner/outputs.ts'
import { warnAll } from './runner/print.ts'
import { noRequests } from './runner/requests.ts'
import { StepSaving } from './runner/saving.ts'
import { saveOpenPredictions } from './runner/state.ts'
import { StepOutputs } from './runner/step-outputs.ts'

const runner = readContext()
const outputs = new StepOutputs(OUTPUTS, runner)

await failOnThrow(
  async () => {
    const inputs = readInputs(runner)
    await makeOutputFolder(inputs.download.directory, runner)
    saveOpenPredictions(inputs.ids, runner)
    using interrupt = listenForInterrupts()
    allowSlowHandshakes()
    warnAll(inputs.warnings)
    const around = { clock, runner, requests: noRequests(), signal: interrupt.signal }
    using saving = wantsFiles(inputs) ? new StepSaving(inputs, identitiesOf(inputs.ids), around) : undefined
    const outcomes = await cancelLate(await awaitAll(inputs, around, saving), inputs, around)
    await finishStep(await judge(outcomes, inputs), inputs, around, { saving, outputs })
  },
  (message) => outputs.addError(message),
)
