import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { type Judged, verdictOf } from '../../src/predictions/verdict.ts'

/** A prediction that has ended, with the ID `abc` and the status `succeeded` unless the body says otherwise. */
export function ended(body: Record<string, unknown>): Judged {
  const whole = { id: 'abc', status: 'succeeded', ...body }
  const prediction = Prediction.parse(whole)
  const outcome: Outcome = {
    id: prediction.id,
    end: 'ended',
    status: prediction.status,
    answer: { prediction, body: whole },
    error: undefined,
    waited: 9,
  }
  return { outcome, verdict: verdictOf(outcome, '30m') }
}
