import { namesOf } from '../predictions/cancel.ts'
import { systemClock } from '../predictions/clock.ts'
import { cancelAll, reportCancellations } from './cancellation.ts'
import { readContext } from './context.ts'
import { guardProcess, messageOf } from './failure.ts'
import { readPostInputs } from './inputs.ts'
import { info, warn } from './print.ts'
import { noRequests, reportRequests } from './requests.ts'
import { openCreation, openPredictions } from './state.ts'

/** What the post step does when main was cut off: cancels what still runs. Warns at most, never fails. */
export async function cancelOpenPredictions(): Promise<void> {
  guardProcess((error) => warn(`A bug in the cleanup: ${messageOf(error)}`))
  try {
    const runner = readContext()
    const inputs = readPostInputs()
    const ids = openPredictions()
    const creating = openCreation()
    if (creating !== '') {
      warn(
        `The step ended while a prediction for ${creating} was being started. It may be running, but its ID is unknown, so it could not be canceled. Look for it in the list of predictions.`,
      )
    }
    if (ids.length === 0) return
    if (!inputs.cancelOn.has('cancelled')) {
      const open = namesOf(ids.map((id) => ({ id })))
      info(`Not canceled, because cancel-on does not include "cancelled", and may still be running: ${open}.`)
      return
    }
    const requests = noRequests()
    reportCancellations(await cancelAll(ids, inputs, { runner, requests, clock: systemClock }))
    reportRequests(requests)
  } catch (error) {
    warn(`Predictions that may still be running were not canceled: ${messageOf(error)}`)
  }
}
