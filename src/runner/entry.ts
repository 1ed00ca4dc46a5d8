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
