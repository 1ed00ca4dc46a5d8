import type { Answer } from '../predictions/answer.ts'
import { runBatch } from '../predictions/batch.ts'
import type { OpenApi } from './api.ts'
import type { NamedInput } from './entries.ts'
import type { Entry } from './entry.ts'
import type { Failure } from './failure.ts'
import type { Surroundings } from './finish.ts'
import type { CreateInputs } from './inputs.ts'
import { info } from './print.ts'
import { refusalsOf } from './refusals.ts'
import { Starter } from './starter.ts'

/** If the answers to this many creations were lost and none came, no more are sent: each may have cost money. */
const MOST_LOST = 10

/** Starts a prediction for each input, without waiting for any. */
export async function startAll(
  named: readonly NamedInput[],
  inputs: CreateInputs,
  { api, clock, runner, signal }: Surroundings & { api: OpenApi },
): Promise<{ started: Answer[]; failures: Failure[] }> {
  const starter = new Starter(inputs, { client: api.client, clock, runner, signal })
  const started: Answer[] = []
  const results = await runBatch(
    named.map(({ name, input }) => ({ name, request: input })),
    {
      create: (input, name) => starter.create(input, name),
      wait: async (id, answer) => ({
        id,
        end: 'interrupted',
        status: answer.prediction.status,
        answer,
        error: undefined,
        waited: 0,
      }),
      maxParallel: 1,
      mostFailed: MOST_LOST,
      attempts: 1,
      ownDeadline: false,
      clock,
      signal,
      observer: {
        started(name, answer) {
          const { id, status, model = '' } = answer.prediction
          started.push(answer)
          const of = model === '' ? '' : ` of ${model}`
          info(`${named.length > 1 ? `${name}: ` : ''}started prediction ${id}${of}: ${status}`)
        },
        again() {},
        settled() {},
      },
    },
  )
  const entries = results.map(({ name, refusal }): Entry => ({ name, status: 'refused', error: refusal?.message }))
  const failures = refusalsOf(entries).map((message) => ({ title: 'Prediction not started', message }))
  // After an interrupt, the post step cancels them.
  if (failures.length > 0 && started.length > 0 && !signal.aborted) failures.push(stillRunning(started))
  return { started, failures }
}

function stillRunning(started: readonly Answer[]): Failure {
  const ids = started.map(({ prediction }) => prediction.id).join(', ')
  const isOne = started.length === 1
  const what = isOne
    ? '1 other prediction was started and keeps running'
    : `${started.length} other predictions were started and keep running`
  const message = `${what}: ${ids}. Wait for ${isOne ? 'it' : 'them'} with prediction-id before you run this job again.`
  return { title: 'Predictions keep running', message }
}
