import { addAbortListener } from 'node:events'
import { copyFile, link, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../predictions/clock.ts'
import type { SavedFile, SaveObserver } from '../predictions/files/save.ts'
import { isExpired, statusOf } from '../predictions/prediction.ts'
import type { Judged } from '../predictions/verdict.ts'
import { ArtifactsUnavailable, type UploadedArtifact, uploadArtifacts } from './artifact.ts'
import type { RunnerContext } from './context.ts'
import { type Failure, messageOf } from './failure.ts'
import { duration, fileSize } from './format.ts'
import type { ArtifactInputs, Inputs } from './inputs.ts'
import { group, info, warn } from './print.ts'
import { attachToRelease } from './release-assets.ts'
import { makeTemporaryFolder, publicResult, writePredictions } from './result-file.ts'

/** What became of the files that predictions made. */
export interface Delivery {
  files: SavedFile[]
  artifacts: UploadedArtifact[]
  /** Of the files on the release, in their order. */
  releaseUrls: string[]
  /** What was asked for and did not work: each turns the step red. */
  failures: Failure[]
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
  const { signal } = around
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
  if (delivery.files.length === 0) return delivery
  const { artifact, release } = inputs
  if (artifact) {
    await attempt('Artifact not uploaded', async () => {
      await unlessAborted(() => upload(judged, delivery, artifact, around), signal)
    })
  }
  if (release) {
    await attempt('Files not attached to the release', async () => {
      const request = { ...release, files: delivery.files }
      await unlessAborted(() => attachToRelease(request, around, delivery.releaseUrls), signal)
      info(`attached to the release ${release.tag}: ${delivery.files.map(({ name }) => name).join(', ')}`)
    })
  }
  return delivery
}

/** The clients of GitHub cannot be stopped, so they are left behind when the step is canceled, and not begun after that. */
async function unlessAborted(act: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  using _listener = addAbortListener(signal, () => aborted.reject(signal.reason))
  await Promise.race([act(), aborted.promise])
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

/** Uploads the files; what is there goes into the artifacts of the delivery. */
async function upload(
  judged: readonly Judged[],
  { files, artifacts }: Delivery,
  artifact: ArtifactInputs,
  around: { clock: Clock; runner: RunnerContext },
): Promise<void> {
  const paths = files.map((file) => file.path)
  const name = artifact.name ?? defaultName(judged, around.runner.runId)
  const staging = await makeTemporaryFolder('artifact', around.runner.temp)
  try {
    const staged = artifact.archive ? await stage(staging, judged, files) : paths
    // The client prints about ten lines for each artifact.
    await group(`Uploading ${files.length === 1 ? '1 file' : `${files.length} files`}`, () =>
      uploadArtifacts({ ...artifact, name, files: staged }, around, artifacts),
    )
  } catch (error) {
    if (!(error instanceof ArtifactsUnavailable)) throw error
    warn(`${error.message} The files are on disk: ${path.dirname(paths[0] ?? '')}`)
  } finally {
    // What a scanner for viruses still holds open is left to the runner: the artifact is there.
    await rm(staging, { recursive: true, force: true }).catch(() => {})
  }
}

function defaultName(judged: readonly Judged[], runId: string): string {
  const first = judged[0]?.outcome.id ?? ''
  return judged.length === 1 ? `prediction-${first}` : `predictions-${runId}-${first}`
}

/** Puts the files and prediction.json side by side, because a zip has one root; as links, so that nothing is copied. */
async function stage(folder: string, judged: readonly Judged[], files: readonly SavedFile[]): Promise<string[]> {
  const staged: string[] = []
  for (const file of files) {
    const target = path.join(folder, file.name)
    await link(file.path, target).catch(() => copyFile(file.path, target))
    staged.push(target)
  }
  const description = path.join(folder, 'prediction.json')
  await writePredictions(
    description,
    judged.map((each) => publicResult(each, files)),
  )
  return [...staged, description]
}
