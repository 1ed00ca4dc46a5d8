import { constants } from 'node:fs'
import { access, rm } from 'node:fs/promises'
import path from 'node:path'
import type { SavedFile } from '../predictions/files/save.ts'
import type { Judged } from '../predictions/verdict.ts'
import type { UploadSurroundings } from './artifact.ts'
import type { ArtifactFile } from './artifact-content.ts'
import { ArtifactsUnavailable } from './artifact-error.ts'
import type { UploadedArtifact } from './artifact-upload.ts'
import { type Failure, messageOf } from './failure.ts'
import type { ArtifactInputs, Inputs, ReleaseInputs } from './inputs.ts'
import { info, warn } from './print.ts'
import { attachToRelease } from './release-assets.ts'
import { publicJson, writePredictions } from './result-file.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** Where the saved files went. */
export interface Uploads {
  artifacts: UploadedArtifact[]
  /** Of each file on the release, in the order of the files; undefined for one that is not there. */
  releaseUrls: (string | undefined)[]
  /** What was requested and failed: each of these fails the step. */
  failures: Failure[]
}

/** What is uploaded, and where it is wanted. */
interface FilesToUpload {
  judged: readonly Judged[]
  files: readonly SavedFile[]
  inputs: Pick<Inputs, 'artifact' | 'release' | 'download'>
  around: UploadSurroundings
}

/**
 * Uploads saved files where that is wanted. Never throws: what does not work is part of the result, so that nothing else
 * is lost over it.
 */
export async function uploadFiles(
  judged: readonly Judged[],
  files: readonly SavedFile[],
  inputs: FilesToUpload['inputs'],
  around: UploadSurroundings,
): Promise<Uploads> {
  const { artifact, release, download } = inputs
  const { signal } = around
  const toUpload = { judged, files, inputs, around }
  const uploads: Uploads = { artifacts: [], releaseUrls: [], failures: [] }
  const attempt = async (title: string, step: () => Promise<void>) => {
    try {
      signal.throwIfAborted()
      await step()
    } catch (error) {
      uploads.failures.push({ title, message: messageOf(error) })
    }
  }
  if (artifact && hasContent(judged, files, artifact)) {
    await attempt('Artifact not uploaded', () => uploadToArtifact(toUpload, artifact, uploads))
  }
  if (release && files.length > 0) {
    await attempt('Files not attached to the release', () => uploadToRelease(toUpload, release, uploads))
  }
  if (!signal.aborted && download.directory === undefined && isAnyLost(files, artifact, uploads)) {
    warn(
      `The saved files are only on this runner, until the job ends: ${folderOf(files)}. A later step with if: always() can use the output files.`,
    )
  }
  return uploads
}

const folderOf = (files: readonly SavedFile[]) => path.dirname(files[0]?.path ?? '')

/** @throws what makes the step fail: also that there are no artifacts here, if the files would be lost with the job */
async function uploadToArtifact(toUpload: FilesToUpload, artifact: ArtifactInputs, uploads: Uploads): Promise<void> {
  const { files, inputs } = toUpload
  const unavailable = await uploadAsArtifacts(toUpload, artifact, uploads)
  if (unavailable === undefined) return
  // Only files in the runner's temporary folder are lost with the job.
  const isKept = files.length === 0 || inputs.download.directory !== undefined || inputs.release !== undefined
  if (!isKept) throw new Error(`${unavailable} Set output-dir or release-tag to keep the files.`)
  warn(files.length === 0 ? unavailable : `${unavailable} The files are on disk: ${folderOf(files)}`)
}

/** @throws ReleaseError if nothing can be attached at all */
async function uploadToRelease(
  { files, around }: FilesToUpload,
  release: ReleaseInputs,
  { releaseUrls, failures }: Uploads,
): Promise<void> {
  const messages = await attachToRelease({ ...release, files }, around, releaseUrls)
  failures.push(...messages.map((message) => ({ title: 'File not attached to the release', message })))
  const attached = files.filter((_, i) => releaseUrls[i] !== undefined).map(({ name }) => name)
  if (attached.length > 0) info(`attached to the release ${release.tag}: ${attached.join(', ')}`)
}

/** Whether an upload failed, so that a file is neither in an artifact nor on a release. */
function isAnyLost(
  files: readonly SavedFile[],
  artifact: ArtifactInputs | undefined,
  { artifacts, releaseUrls, failures }: Uploads,
): boolean {
  if (failures.length === 0 || files.length === 0) return false
  const isInArtifacts = artifacts.length >= (artifact?.archive === false ? files.length : 1)
  return !isInArtifacts && files.some((_, i) => releaseUrls[i] === undefined)
}

/** A zip has prediction.json at least, once a prediction has ended: before, its name is kept for what will come. */
const hasContent = (judged: readonly Judged[], files: readonly SavedFile[], { archive }: ArtifactInputs): boolean =>
  files.length > 0 || (archive && judged.some(({ outcome }) => outcome.end === 'ended'))

/** @returns why there are no artifacts, if this runner or its server does not support them */
async function uploadAsArtifacts(
  { judged, files, around }: FilesToUpload,
  artifact: ArtifactInputs,
  { artifacts, failures }: Uploads,
): Promise<string | undefined> {
  // Loaded only when an artifact is wanted.
  const { uploadArtifacts } = await import('./artifact.ts')
  const { archive, name: given } = artifact
  if (!archive && given !== undefined) {
    warn('artifact-name has no effect with archive: false: each file is an artifact with the name of the file.')
  }
  const staging = await makeTemporaryFolder('artifact', around.runner.temp)
  try {
    const readable = await readableOf(files, failures)
    const request = {
      ...artifact,
      name: given ?? defaultName(judged, around.runner.runId),
      nameGiven: given !== undefined,
      files: archive ? [...readable, await describePredictions(staging, judged, files)] : readable,
    }
    const messages = await uploadArtifacts(request, around, artifacts)
    failures.push(...messages.map((message) => ({ title: 'Artifact not uploaded', message })))
    return undefined
  } catch (error) {
    if (error instanceof ArtifactsUnavailable) return error.message
    throw error
  } finally {
    // What a scanner for viruses still holds open is left to the runner: the artifact is there.
    await rm(staging, { recursive: true, force: true }).catch(() => {})
  }
}

/** A file that was deleted after it was saved must not keep the others from being uploaded. */
async function readableOf(files: readonly SavedFile[], failures: Failure[]): Promise<SavedFile[]> {
  const readable: SavedFile[] = []
  for (const file of files) {
    try {
      await access(file.path, constants.R_OK)
      readable.push(file)
    } catch (error) {
      failures.push({
        title: 'File not uploaded',
        message: `${file.name} was saved, but can no longer be read: ${messageOf(error)}`,
      })
    }
  }
  return readable
}

function defaultName(judged: readonly Judged[], runId: string): string {
  const first = judged[0]?.outcome.id ?? ''
  return judged.length === 1 ? `prediction-${first}` : `predictions-${runId}-${first}`
}

/** Writes what may be public of every prediction, under a name that no saved file has. */
async function describePredictions(
  folder: string,
  judged: readonly Judged[],
  files: readonly SavedFile[],
): Promise<ArtifactFile> {
  const taken = new Set(files.map(({ name }) => name.toLowerCase()))
  let name = 'prediction.json'
  for (let i = 1; taken.has(name); i++) name = `prediction-${i}.json`
  const file = path.join(folder, name)
  await writePredictions(file, judged, (each) => publicJson(each, files))
  return { name, path: file, type: 'application/json' }
}
