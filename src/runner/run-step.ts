import { type BatchObserver, type EntryResult, runBatch } from '../predictions/batch.ts'
import { deadlineSignal } from '../predictions/clock.ts'
import { adaptiveSchedule, fixedSchedule } from '../predictions/schedule.ts'
import { COLLECT_BY_ID } from '../predictions/verdict.ts'
import { openWaits } from '../predictions/wait.ts'
import type { WaitOptions } from '../predictions/wait-options.ts'
import { type OpenApi, openApi, openEndSignals } from './api.ts'
import type { NamedInput } from './entries.ts'
import type { Entry, Unstarted } from './entry.ts'
import { cancelLate, type Surroundings } from './finish.ts'
import type { RunInputs } from './inputs.ts'
import { judge } from './judge.ts'
import { guarded, inTurn } from './observers.ts'
import { createReporter, type Reporter } from './reporter.ts'
import type { Saving } from './saving.ts'
import { redacted } from './secrets.ts'
import { Starter } from './starter.ts'

/**
 * Starts a prediction for each input, waits for all, and gives their files to be saved as each ends.
 * @param names takes the name of the input of each prediction, by ID, as it is started
 * @returns what became of each input, in their order
 */
export async function runPredictions(
  named: readonly NamedInput[],
  inputs: RunInputs,
  around: Surroundings,
  { saving, names }: { saving: Saving | undefined; names: Map<string, string> },
): Promise<Entry[]> {
  const { clock, runner } = around
  using deadline = deadlineSignal(clock, inputs.timeout.seconds, `the timeout of ${inputs.timeout.text} was reached`)
  const stop = AbortSignal.any([around.signal, deadline.signal])
  using reporter = createReporter([], {
    clock,
    streamLogs: inputs.streamLogs,
    total: named.length,
    detailed: named.length <= 1,
  })
  await using api = openApi(inputs, around)
  await using endSignals = inputs.pollInterval === undefined ? openEndSignals(inputs.policy, around) : undefined
  const starter = new Starter(inputs, {
    client: api.client,
    clock,
    runner,
    signal: stop,
    patience: inputs.timeout.seconds,
  })
  using waits = openWaits(waitOptions(inputs, around, { api, reporter, saving, count: named.length, endSignals }))
  const results = await runBatch(
    named.map(({ name, input }) => ({ name, request: input })),
    {
      create: (input, name) => starter.create(input, name),
      async wait(id, answer) {
        const outcome = await waits.add(id, answer)
        if (outcome.end === 'ended') starter.ended(id)
        return outcome
      },
      maxParallel: inputs.maxParallel,
      attempts: inputs.attempts,
      ownDeadline: inputs.cancelAfter !== undefined,
      clock,
      signal: stop,
      observer: batchObserver(reporter, saving, names),
    },
  )
  // What runs, or may run, may not have read its input yet.
  const isOver = results.every(({ outcome, mayRun }) => !mayRun && (outcome === undefined || outcome.end === 'ended'))
  if (isOver) await starter.deleteUploads(around.signal)
  return await entriesOf(results, inputs, around)
}

const batchObserver = (reporter: Reporter, saving: Saving | undefined, names: Map<string, string>): BatchObserver => ({
  started(name, answer) {
    names.set(answer.prediction.id, name)
    reporter.started(name, answer)
  },
  again: (name, outcome, pause) => reporter.again(name, outcome, pause),
  settled({ name, outcome, refusal }) {
    if (refusal) reporter.notStarted(name, refusal)
    if (outcome) saving?.settled(outcome)
  },
})

function waitOptions(
  inputs: RunInputs,
  { clock, signal }: Surroundings,
  parts: {
    api: OpenApi
    reporter: Reporter
    saving: Saving | undefined
    count: number
    endSignals: WaitOptions['endSignals']
  },
): WaitOptions {
  const { api, reporter, saving, count, endSignals } = parts
  const { pollInterval } = inputs
  return {
    client: api.client,
    limiter: api.limiter,
    clock,
    timeout: inputs.timeout.seconds,
    schedule: () => (pollInterval === undefined ? adaptiveSchedule() : fixedSchedule(pollInterval)),
    endSignals,
    parallelJobs: inputs.parallelJobs,
    readsList: inputs.readsList,
    wantsLogs: inputs.streamLogs && count === 1,
    // That it has settled is known only when it is not retried.
    observer: inTurn(guarded(reporter), saving && { answered: (event) => saving.answered(event) }),
    signal,
  }
}

/** Judges what was started, after those that the timeout found running have been canceled if that is wanted. */
async function entriesOf(results: readonly EntryResult[], inputs: RunInputs, around: Surroundings): Promise<Entry[]> {
  const started = results.flatMap(({ outcome }) => outcome ?? [])
  const judged = await judge(await cancelLate(started, inputs, around), inputs, COLLECT_BY_ID)
  const byId = new Map(judged.map((each) => [each.outcome.id, each]))
  return results.map(({ name, outcome, earlier, refusal }): Entry => {
    const known = outcome && byId.get(outcome.id)
    // An API may repeat the key that it rejects.
    const why = refusal && redacted.text(refusal.message)
    if (known) return { ...known, name, earlier, refusal: why }
    return { name, status: 'refused', error: why ?? '' } satisfies Unstarted
  })
}
