import { systemClock as clock } from './predictions/clock.ts'
import { openApi } from './runner/api.ts'
import { readContext } from './runner/context.ts'
import { startAll } from './runner/create-step.ts'
import { readEntries } from './runner/entries.ts'
import { failOnThrow, StepFailed } from './runner/failure.ts'
import { readCreateInputs } from './runner/inputs.ts'
import { listenForInterrupts } from './runner/interrupt.ts'
import { allowSlowHandshakes } from './runner/network.ts'
import { CREATE_OUTPUTS } from './runner/outputs.ts'
import { notice, warnAll } from './runner/print.ts'
import { noRequests, reportRequests } from './runner/requests.ts'
import { saveOpenPredictions } from './runner/state.ts'
import { StepOutputs } from './runner/step-outputs.ts'

const runner = readContext()
const outputs = new StepOutputs(CREATE_OUTPUTS, runner)

await failOnThrow(async () => {
  const inputs = readCreateInputs()
  warnAll(inputs.warnings)
  const named = await readEntries(inputs.texts, runner.workspace, inputs.modelName)
  if (named.length === 0) notice('There are no inputs, so no prediction is started.')
  using interrupt = listenForInterrupts()
  allowSlowHandshakes()
  const around = { clock, runner, requests: noRequests(), signal: interrupt.signal }
  await using api = openApi(inputs, around)
  const { started, failures } = await startAll(named, inputs, { ...around, api })
  reportRequests(around.requests)
  const unset = outputs.set({
    prediction_id: started.map(({ prediction }) => prediction.id).join(),
    status: started[0]?.prediction.status ?? '',
    model: started[0]?.prediction.model ?? '',
  })
  if (!interrupt.signal.aborted) saveOpenPredictions([], runner)
  if (failures.length + unset.length > 0) throw new StepFailed([...failures, ...unset])
})
