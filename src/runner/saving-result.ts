import type { Answer } from '../predictions/answer.ts'
import type { SavedFile, SaveResult } from '../predictions/files/save.ts'
import { isExpired, type Prediction, RETENTION, statusOf } from '../predictions/prediction.ts'
import { outputViewOf } from '../predictions/stored-answer.ts'
import { type Failure, messageOf } from './failure.ts'
import type { StepInputs } from './inputs.ts'
import { warn } from './print.ts'

/** What was saved, and what makes the step fail. */
export interface Saved {
  files: SavedFile[]
  failures: Failure[]
  /** The IDs of predictions of which a file was not saved. */
  incomplete: ReadonlySet<string>
}

/** A prediction that has ended, under the requested ID. */
export interface Ended {
  id: string
  prediction: Prediction
  /** How many files its output has, apart from text and JSON. */
  count: number
}

/** What the result needs to know of a prediction that has ended. */
export function endedOf(id: string, answer: Answer): Ended {
  const { urls, embedded } = outputViewOf(answer)
  return { id, prediction: answer.prediction, count: urls.length + embedded }
}

/**
 * What becomes of a step whose files were saved, or not.
 * @param reason why files are canceled, if they are
 */
export function savedOf(
  { files, failures, canceled }: SaveResult,
  ended: readonly Ended[],
  { ifNoFilesFound, reason }: Pick<StepInputs['download'], 'ifNoFilesFound'> & { reason: unknown },
): Saved {
  const failed = failures.map(({ message }) => ({ title: 'File not saved', message }))
  if (canceled > 0) failed.push({ title: 'Files not saved', message: messageOf(reason) })
  failed.push(...expired(ended))
  failed.push(...missing(ended, files.length + failed.length, ifNoFilesFound))
  const incomplete = new Set(failures.map(({ predictionId }) => predictionId))
  if (canceled > 0) for (const id of unfinished(ended, files)) incomplete.add(id)
  return { files, failures: failed, incomplete }
}

/** What becomes of a step in which one error kept all files from being saved. */
export function nothingSaved(ended: readonly Ended[], error: unknown): Saved {
  const failures = [{ title: 'Files not saved', message: messageOf(error) }]
  return { files: [], failures, incomplete: new Set(ended.map(({ id }) => id)) }
}

/** The predictions with fewer files than their output has: which of them a cancel has cut off is only counted. */
function unfinished(ended: readonly Ended[], files: readonly SavedFile[]): string[] {
  const saved = Map.groupBy(files, ({ predictionId }) => predictionId)
  return ended.filter(({ id, count }) => (saved.get(id)?.length ?? 0) < Math.max(1, count)).map(({ id }) => id)
}

const expired = (ended: readonly Ended[]): Failure[] =>
  ended
    .filter(({ prediction }) => isExpired(prediction))
    .map(({ id }) => ({
      title: 'Files expired',
      message: `The files of prediction ${id} have expired: the API deletes them ${RETENTION}. To get them, start a new prediction.`,
    }))

/** What the step says if there was nothing to save. */
function missing(ended: readonly Ended[], found: number, ifNone: StepInputs['download']['ifNoFilesFound']): Failure[] {
  if (found > 0 || !ended.some(({ prediction }) => statusOf(prediction) === 'succeeded')) return []
  const message = 'No files were found to save: the output is empty.'
  if (ifNone === 'warn') warn(message)
  return ifNone === 'error' ? [{ title: 'No files found', message }] : []
}
