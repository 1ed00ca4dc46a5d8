import type { Outcome } from '../predictions/outcome.ts'
import { predictTime } from '../predictions/prediction.ts'
import { type Entry, isJudged, predictTimesOf } from './entry.ts'
import { seconds } from './format.ts'

/**
 * How many predictions a step started for its inputs, if it started them, how many it did not, how many ran and how
 * long. What was charged is not known here.
 */
export function tallyOf(entries: readonly Entry[]): string[] {
  const isRun = entries.some(({ name }) => name !== undefined)
  const judged = entries.filter(isJudged)
  const started = judged.flatMap(({ outcome, earlier = [] }) => [...earlier, outcome])
  const times = judged.flatMap(predictTimesOf)
  const count = (status: 'refused' | 'skipped') =>
    entries.filter((entry) => !isJudged(entry) && entry.status === status).length
  const [refused, skipped] = [count('refused'), count('skipped')]
  return [
    isRun ? `${started.length} started` : '',
    isRun && started.length > 0 ? `${started.filter(hasRun).length} ran` : '',
    refused > 0 ? `${refused} not started` : '',
    skipped > 0 ? `${skipped} skipped, because their files exist` : '',
    times.length === 0 ? '' : `predict time ${seconds(times.reduce((sum, time) => sum + time, 0))} in total`,
  ].filter(Boolean)
}

/** Some gateways report no times, and a prediction that never left the queue may have a time of 0. */
const hasRun = ({ status, answer }: Outcome) =>
  status === 'succeeded' || (answer !== undefined && (predictTime(answer.prediction) ?? 0) > 0)
