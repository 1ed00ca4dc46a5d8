import { predictTime } from '../predictions/prediction.ts'
import { seconds } from './format.ts'
import { type Entry, isJudged } from './outputs.ts'

/**
 * How many predictions a step started for its inputs, if it started them, how many it did not, and how long they ran. What
 * was charged is not known here.
 */
export function tallyOf(entries: readonly Entry[]): string[] {
  const isRun = entries.some(({ name }) => name !== undefined)
  const started = entries.filter(isJudged).flatMap(({ outcome, earlier = [] }) => [...earlier, outcome])
  const times = started.flatMap(({ answer }) => (answer ? (predictTime(answer.prediction) ?? []) : []))
  const count = (status: 'refused' | 'skipped') =>
    entries.filter((entry) => !isJudged(entry) && entry.status === status).length
  const [refused, skipped] = [count('refused'), count('skipped')]
  return [
    isRun ? `${started.length} started` : '',
    refused > 0 ? `${refused} not started` : '',
    skipped > 0 ? `${skipped} skipped, because their files exist` : '',
    times.length === 0 ? '' : `predict time ${seconds(times.reduce((sum, time) => sum + time, 0))} in total`,
  ].filter(Boolean)
}
