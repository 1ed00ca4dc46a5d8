import { type Cancellation, cancelPredictions, describeCancellations } from '../predictions/cancel.ts'
import { createClient } from '../predictions/client.ts'
import { systemClock } from '../predictions/clock.ts'
import { createDispatcher, type ProxyEnvironment } from '../predictions/network/dispatcher.ts'
import { createRateLimiter } from '../predictions/rate-limiter.ts'
import { readContext } from './context.ts'
import { messageOf } from './failure.ts'
import { type Inputs, readInputs } from './inputs.ts'
import { info, warn } from './print.ts'
import { openPredictions } from './state.ts'

/** Seconds for all cancellations together: a job that ends is not held up for longer. */
const LIMIT = 60

/** What the post step does when main was cut off: cancels what still runs. Warns at the most, never fails. */
export async function cancelOpenPredictions(): Promise<void> {
  try {
    const inputs = readInputs()
    const { env } = readContext()
    const ids = openPredictions()
    if (!inputs['cancel-on'].has('cancelled')) {
      info(
        `Not canceled, because cancel-on does not include "cancelled": ${ids.length} predictions that may still be running.`,
      )
      return
    }
    reportCancellations(await cancelAll(ids, inputs, env))
  } catch (error) {
    warn(`Predictions that may still run were not cancelled: ${messageOf(error)}`)
  }
}

/** Cancels predictions with a pool of connections of its own. */
export async function cancelAll(
  ids: readonly string[],
  inputs: Pick<Inputs, 'api-key' | 'api-url'>,
  env: ProxyEnvironment,
): Promise<Cancellation[]> {
  const dispatcher = createDispatcher(env)
  try {
    return await cancelPredictions(ids, {
      client: createClient({
        apiUrl: inputs['api-url'],
        apiKey: inputs['api-key'],
        dispatcher,
        clock: systemClock,
        requestTimeout: 20,
      }),
      clock: systemClock,
      limiter: createRateLimiter({ clock: systemClock }),
      signal: AbortSignal.timeout(LIMIT * 1000),
    })
  } finally {
    await dispatcher.destroy()
  }
}

/** Prints what became of them: one line, and a warning where some may still run. */
export function reportCancellations(results: readonly Cancellation[]): void {
  const line = `Predictions still running: ${describeCancellations(results)}.`
  const failure = results.find((result) => result.end === 'failed')
  if (failure) warn(`${line} ${failure.error?.message ?? 'There was no time left.'}`)
  else info(line)
}
