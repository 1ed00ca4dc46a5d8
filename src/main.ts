import { createClient } from './predictions/client.ts'
import { systemClock as clock } from './predictions/clock.ts'
import { createEndSignals } from './predictions/end-signal.ts'
import { createDispatcher, openUntrustedNetwork } from './predictions/network/dispatcher.ts'
import { createRateLimiter } from './predictions/rate-limiter.ts'
import { adaptiveSchedule, fixedSchedule } from './predictions/schedule.ts'
import { verdictOf } from './predictions/verdict.ts'
import { waitForPredictions } from './predictions/wait.ts'
import { cancelAll, reportCancellations } from './runner/cancellation.ts'
import { readContext } from './runner/context.ts'
import { deliver, nothingDelivered, wantsFiles } from './runner/delivery.ts'
import { failOnThrow, StepFailed } from './runner/failure.ts'
import { readInputs } from './runner/inputs.ts'
import { listenForInterrupts } from './runner/interrupt.ts'
import { outputsOf, setOutputs } from './runner/outputs.ts'
import { warnAll } from './runner/print.ts'
import { createReporter } from './runner/reporter.ts'
import { writeResultFile } from './runner/result-file.ts'
import { saveOpenPredictions } from './runner/state.ts'
import { summaryOf, writeSummary } from './runner/summary.ts'

await failOnThrow(async () => {
  const runner = readContext()
  const inputs = readInputs()
  const ids = inputs['prediction-id']
  saveOpenPredictions(ids, runner)
  using interrupt = listenForInterrupts()
  warnAll(inputs.warnings)

  const dispatcher = createDispatcher(runner.env)
  using reporter = createReporter(ids, { clock, streamLogs: inputs['stream-logs'] })
  const interval = inputs['poll-interval']
  const policy = { apiUrl: inputs['api-url'], allowedHosts: inputs['allowed-hosts'] }
  const endSignals =
    interval === undefined ? createEndSignals(openUntrustedNetwork(policy, runner.env), clock) : undefined
  const outcomes = await waitForPredictions(ids, {
    client: createClient({ apiUrl: inputs['api-url'], apiKey: inputs['api-key'], dispatcher, clock }),
    clock,
    timeout: inputs.timeout.seconds,
    schedule: () => (interval === undefined ? adaptiveSchedule() : fixedSchedule(interval)),
    limiter: createRateLimiter({ clock }),
    endSignals,
    parallelJobs: inputs['parallel-jobs'],
    observer: reporter,
    signal: interrupt.signal,
  })
  await Promise.all([dispatcher.destroy(), endSignals?.close()])

  const judged = outcomes.map((outcome) => ({ outcome, verdict: verdictOf(outcome, inputs.timeout.text) }))
  const delivery =
    wantsFiles(inputs) && !interrupt.signal.aborted
      ? await deliver(judged, inputs, { clock, signal: interrupt.signal, runner })
      : nothingDelivered
  const resultFile = await writeResultFile(judged, delivery.files, runner.temp)
  setOutputs({ ...outputsOf(judged, delivery), result_file: resultFile ?? '' }, resultFile, runner)
  if (inputs.summary) await writeSummary(summaryOf(judged, delivery))

  const late = outcomes.flatMap(({ id, end }) => (end === 'timeout' ? [id] : []))
  if (late.length > 0 && inputs['cancel-on'].has('timeout'))
    reportCancellations(await cancelAll(late, inputs, runner.env))
  if (!interrupt.signal.aborted) saveOpenPredictions([], runner)

  warnAll(judged.flatMap(({ verdict }) => (verdict.ok && verdict.warning !== undefined ? [verdict.warning] : [])))
  const failures = [...judged.flatMap(({ verdict }) => (verdict.ok ? [] : [verdict])), ...delivery.failures]
  if (failures.length > 0) throw new StepFailed(failures)
})
