import type { Clock } from '../predictions/clock.ts'
import type { SavedFile, SaveObserver } from '../predictions/files/save.ts'
import { isExpired, statusOf } from '../predictions/prediction.ts'
import type { Judged } from '../predictions/verdict.ts'
import type { RunnerContext } from './context.ts'
import { type Failure, messageOf } from './failure.ts'
import { duration, fileSize } from './format.ts'
import type { Inputs } from './inputs.ts'
import { info, warn } from './print.ts'
import { makeTemporaryFolder } from './result-file.ts'
import { type Uploads, uploadFiles } from './upload.ts'

/** What became of the files that predictions made. */
export interface Delivery extends Uploads {
  files: SavedFile[]
}

export const nothingDelivered: Delivery = { files: [], artifacts: [], releaseUrls: [], failures: [] }

/** Whether the files are wanted at all. */
export const wantsFiles = (inputs: Inputs): boolean =>
  (inputs.artifact ?? inputs.release ?? inputs.download.directory) !== undefined

/**
 * Saves the files of every prediction that has ended, also of one that failed and left some, and uploads them where
 * that is wanted. Never throws: what does not work is part of the result, so that nothing else is lost over it.
 */
export async function deliver(
  judged: readonly Judged[],
  inputs: Inputs,
  around: { clock: Clock; signal: AbortSignal; runner: RunnerContext },
): Promise<Delivery> {
  const delivery: Delivery = { files: [], artifacts: [], releaseUrls: [], failures: [] }
  const attempt = async (title: string, step: () => Promise<void>) => {
    try {
      await step()
    } catch (error) {
      delivery.failures.push({ title, message: messageOf(error) })
    }
  }
  await attempt('Files not saved', async () => {
    const { files, failures } = await save(judged, inputs, around)
    delivery.files = files
    delivery.failures.push(...failures)
  })
  const { artifacts, releaseUrls, failures } = await uploadFiles(judged, delivery.files, inputs, around)
  return { ...delivery, artifacts, releaseUrls, failures: [...delivery.failures, ...failures] }
}

async function save(
  judged: readonly Judged[],
  { download, policy }: Pick<Inputs, 'download' | 'policy'>,
  { clock, signal, runner }: { clock: Clock; signal: AbortSignal; runner: RunnerContext },
): Promise<{ files: SavedFile[]; failures: Failure[] }> {
  const ended = judged.flatMap(({ outcome: { id, end, answer } }) =>
    end === 'ended' && answer ? [{ id, prediction: answer.prediction }] : [],
  )
  const { saveOutputs } = await import('../predictions/files/save.ts')
  const { files, failures } = await saveOutputs(
    ended.map(({ id, prediction: { output } }) => ({ id, output })),
    {
      directory: download.directory ?? (await makeTemporaryFolder('files', runner.temp)),
      policy,
      maxFileSize: download.maxFileSize,
      overwrite: download.overwrite,
      clock,
      signal,
      env: runner.env,
      observer: createSaveObserver(),
    },
  )
  const faults: Failure[] = failures.map(({ message }) => ({ title: 'File not saved', message }))
  for (const { id } of ended.filter(({ prediction }) => isExpired(prediction))) {
    faults.push({
      title: 'Files expired',
      message: `The files of prediction ${id} are gone: the API deletes them one hour after the end. Only a new prediction brings them back.`,
    })
  }
  const succeeded = ended.some(({ prediction }) => statusOf(prediction) === 'succeeded')
  if (files.length === 0 && faults.length === 0 && succeeded) {
    const message = 'No files were found to save: the output has no file and no text.'
    if (download.ifNoFilesFound === 'warn') warn(message)
    if (download.ifNoFilesFound === 'error') faults.push({ title: 'No files found', message })
  }
  return { files, failures: faults }
}

function createSaveObserver(): SaveObserver {
  return {
    saved: ({ path: file, size, type, width, height }) =>
      info(
        `saved ${file} · ${[type, width && height ? `${width}×${height}` : '', fileSize(size)].filter(Boolean).join(' · ')}`,
      ),
    progress: (label, bytes, total) =>
      info(`fetching ${label}: ${fileSize(bytes)}${total === undefined ? '' : ` of ${fileSize(total)}`}`),
    retrying: (label, reason, pause) => info(`fetching ${label} again in ${duration(pause)}: ${reason}`),
    renamed: (name, taken) =>
      warn(
        `${taken} already exists with other content: the new file was saved as ${name}. With overwrite: true it replaces the old one.`,
      ),
  }
}
