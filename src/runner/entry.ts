import { predictTime } from '../predictions/prediction.ts'
import type { Judged } from '../predictions/verdict.ts'

/** An input for which no prediction was started. */
export interface Unstarted {
  name: string
  /** `refused`: it could not be started, or nobody knows whether it was; `skipped`: its files exist. */
  status: 'refused' | 'skipped'
  /** Why it was refused, as whole sentences. */
  error: string | undefined
}

/** What became of each prediction of the step, or of each input. */
export type Entry = Judged | Unstarted

export const isJudged = (entry: Entry): entry is Judged => 'outcome' in entry

/** The run times of a prediction and of those that were started for the same input before. */
export const predictTimesOf = ({ outcome, earlier = [] }: Judged): number[] =>
  [...earlier, outcome].flatMap(({ answer }) => (answer ? (predictTime(answer.prediction) ?? []) : []))
