import { Agent } from 'undici'
import { createClient } from './replicate/client.ts'
import { systemClock as clock } from './replicate/clock.ts'
import { adaptiveSchedule, createBudget, fixedSchedule } from './replicate/schedule.ts'
import { verdictOf } from './replicate/verdict.ts'
import { waitForPredictions } from './replicate/wait.ts'
import { failOnThrow, StepFailed, warn } from './runner/failure.ts'
import { readInputs } from './runner/inputs.ts'
import { outputsOf, setOutputs, writeResultFile } from './runner/outputs.ts'
import { createReporter } from './runner/reporter.ts'
import { saveOpenPredictions } from './runner/state.ts'
import { summaryOf, writeSummary } from './runner/summary.ts'

await failOnThrow(async () => {
  const inputs = readInputs()
  const ids = inputs['prediction-id']
  saveOpenPredictions(ids)
  for (const warning of inputs.warnings) warn(warning)

  const dispatcher = new Agent({ connections: 40 })
  using reporter = createReporter(ids, { clock, streamLogs: inputs['stream-logs'] })
  const interval = inputs['poll-interval']
  const outcomes = await waitForPredictions(ids, {
    client: createClient({ apiUrl: inputs['api-url'], apiKey: inputs['api-key'], dispatcher }),
    clock,
    timeout: inputs.timeout.seconds,
    schedule: () => (interval === undefined ? adaptiveSchedule() : fixedSchedule(interval)),
    budget: createBudget({ clock }),
    parallelJobs: inputs['parallel-jobs'],
    observer: reporter,
    signal: new AbortController().signal,
  })
  await dispatcher.destroy()

  saveOpenPredictions(outcomes.flatMap(({ id, end }) => (end === 'ended' ? [] : [id])))

  const judged = outcomes.map((outcome) => ({ outcome, verdict: verdictOf(outcome, inputs.timeout.text) }))
  const resultFile = await writeResultFile(judged)
  setOutputs({ ...outputsOf(judged), result_file: resultFile }, resultFile)
  if (inputs.summary) await writeSummary(summaryOf(judged))

  for (const { verdict } of judged) if (verdict.ok && verdict.warning !== undefined) warn(verdict.warning)
  const failures = judged.flatMap(({ verdict }) => (verdict.ok ? [] : [verdict]))
  if (failures.length > 0) throw new StepFailed(failures)
})
