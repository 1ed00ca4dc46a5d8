import { systemClock as clock } from './predictions/clock.ts'
import { createPrediction } from './predictions/create.ts'
import { openApi } from './runner/api.ts'
import { readContext } from './runner/context.ts'
import { resolveLargeFiles } from './runner/embedded-files.ts'
import { failOnThrow, StepFailed } from './runner/failure.ts'
import { readCreateInputs } from './runner/inputs.ts'
import { listenForInterrupts } from './runner/interrupt.ts'
import { readModelInput } from './runner/model-input.ts'
import { CREATE_OUTPUTS, openOutputs } from './runner/outputs.ts'
import { info, warn, warnAll } from './runner/print.ts'
import { redacted } from './runner/secrets.ts'

const runner = readContext()
const outputs = openOutputs(CREATE_OUTPUTS, runner)

await failOnThrow(async () => {
  const { target, cancelAfter, ...inputs } = readCreateInputs()
  warnAll(inputs.warnings)
  const read = await readModelInput(inputs.input, inputs.inputFile, runner.workspace)
  const input = (await resolveLargeFiles(read, async () => undefined)) as Record<string, unknown>
  using interrupt = listenForInterrupts()
  await using api = openApi(inputs, { runner, clock })
  const { prediction } = await createPrediction(
    { target, input, cancelAfter },
    {
      client: api.client,
      clock,
      signal: interrupt.signal,
      warn,
      onRetry: (error, pause) => info(`retrying in ${pause.toFixed(1)} s: ${error.message}`),
    },
  )
  const { id, status, model = '' } = redacted.value(prediction)
  info(`started prediction ${id}${model === '' ? '' : ` of ${model}`}: ${status}`)
  const failures = outputs.set({ prediction_id: id, status, model })
  if (failures.length > 0) throw new StepFailed(failures)
})
