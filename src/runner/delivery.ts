import type { Clock } from '../predictions/clock.ts'
import type { SavedFile } from '../predictions/files/save.ts'
import type { Judged } from '../predictions/verdict.ts'
import type { RunnerContext } from './context.ts'
import type { StepInputs } from './inputs.ts'
import type { Saving } from './saving.ts'
import { redacted } from './secrets.ts'
import { type Uploads, uploadFiles } from './upload.ts'

/** What became of the files that predictions made. */
export interface Delivery extends Uploads {
  files: SavedFile[]
}

/** As {@link Saving.finish} knows it. */
export interface Delivered extends Delivery {
  /** The IDs of predictions of which a file was not saved. */
  incomplete: ReadonlySet<string>
}

export const nothingDelivered: Delivered = {
  files: [],
  artifacts: [],
  releaseUrls: [],
  failures: [],
  incomplete: new Set(),
}

/** Whether the files are wanted at all. */
export const wantsFiles = (inputs: StepInputs): boolean =>
  (inputs.artifact ?? inputs.release ?? inputs.download.directory) !== undefined

/**
 * Saves the files of every prediction that has ended, also of one that failed and left some, and uploads them where
 * that is wanted. Never throws: what does not work is part of the result, so that nothing else is lost over it.
 * @param saving what began while predictions were waited for
 */
export async function deliver(
  judged: readonly Judged[],
  saving: Saving,
  inputs: StepInputs,
  around: { clock: Clock; signal: AbortSignal; runner: RunnerContext },
): Promise<Delivered> {
  const { files, failures, incomplete } = await saving.finish()
  const uploads = await uploadFiles(judged, files, inputs, around)
  const all = [...failures, ...uploads.failures]
  // Labels of files come from their URLs.
  return {
    ...uploads,
    files,
    incomplete,
    failures: all.map((failure) => ({ ...failure, message: redacted.text(failure.message) })),
  }
}
