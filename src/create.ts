import { createClient } from './predictions/client.ts'
import { systemClock as clock } from './predictions/clock.ts'
import { createPrediction } from './predictions/create.ts'
import { createDispatcher } from './predictions/network/dispatcher.ts'
import { readContext } from './runner/context.ts'
import { failOnThrow } from './runner/failure.ts'
import { readCreateInputs } from './runner/inputs.ts'
import { listenForInterrupts } from './runner/interrupt.ts'
import { readModelInput } from './runner/model-input.ts'
import { setOutputs } from './runner/outputs.ts'
import { info, warnAll } from './runner/print.ts'

await failOnThrow(async () => {
  const runner = readContext()
  const inputs = readCreateInputs()
  warnAll(inputs.warnings)
  const input = await readModelInput(inputs.input, inputs['input-file'], runner.workspace)
  using interrupt = listenForInterrupts()
  const dispatcher = createDispatcher(runner.env)
  try {
    const { prediction } = await createPrediction(
      { target: inputs.target, input, cancelAfter: inputs['cancel-after'] },
      {
        client: createClient({ apiUrl: inputs['api-url'], apiKey: inputs['api-key'], dispatcher, clock }),
        clock,
        signal: interrupt.signal,
        onRetry: (error, pause) => info(`trying again in ${pause.toFixed(1)} s: ${error.message}`),
      },
    )
    const { id, status, model = '' } = prediction
    setOutputs({ prediction_id: id, status, model }, undefined, runner)
    info(`started prediction ${id}${model === '' ? '' : ` of ${model}`}: ${status}`)
  } finally {
    await dispatcher.destroy()
  }
})
