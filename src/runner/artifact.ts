import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import path from 'node:path'
import type { ArtifactClient } from '@actions/artifact'
import type { Clock } from '../predictions/clock.ts'
import type { RunnerContext } from './context.ts'
import { messageOf } from './failure.ts'
import { info, warn } from './print.ts'

/** What to upload, and how. */
export interface UploadRequest {
  /** The name of the zipped artifact; unzipped ones have the names of their files. */
  name: string
  /** Absolute paths of files of one folder. */
  files: readonly string[]
  /** One zip of all files, or every file an artifact of its own that a click opens in the browser. */
  archive: boolean
  /** Days; undefined for the default of the repository. */
  retentionDays: number | undefined
  /** From 0 to 9. */
  compressionLevel: number
  /** Whether an artifact of the same name is deleted first. */
  overwrite: boolean
}

export interface UploadedArtifact {
  id: number
  name: string
  /** The page of the artifact; a click on it downloads or opens it. */
  url: string
  /** SHA-256 in hexadecimal, of the zip or of the file. */
  digest: string
  /** Bytes. */
  size: number
}

/** There is no artifact service that could take the files; they are on disk all the same. */
export class ArtifactsUnavailable extends Error {
  override readonly name = 'ArtifactsUnavailable'
}

/** An upload failed for good. The message is whole sentences. */
export class UploadError extends Error {
  override readonly name = 'UploadError'
}

/** Artifacts of one job; GitHub refuses more. */
const MOST_ARTIFACTS = 500
const TRIES = 4
/** Faults of the network that the client gives up on at once; it hides the codes in its messages. */
const PASSING =
  /ECONNRESET|ETIMEDOUT|ENOTFOUND|ECONNREFUSED|EHOSTUNREACH|EAI_AGAIN|EPIPE|socket hang up|progress stalled/i
const TAKEN = /\(409\)|already exists/i

/**
 * Uploads files as workflow artifacts. Loads the artifact client, which is large, only now.
 * @param uploaded gets each as soon as it is there, so that those before a failure are known; it is what is returned
 * @throws ArtifactsUnavailable, UploadError
 */
export async function uploadArtifacts(
  request: UploadRequest,
  { clock, runner }: { clock: Clock; runner: RunnerContext },
  uploaded: UploadedArtifact[] = [],
): Promise<UploadedArtifact[]> {
  const { files, archive } = request
  requireService(runner)
  if (!archive && files.length > MOST_ARTIFACTS) {
    throw new UploadError(
      `${files.length} files would be ${files.length} artifacts, and a job can have ${MOST_ARTIFACTS}. Nothing was uploaded; with archive: true they are one.`,
    )
  }
  // A file that cannot be read would be thrown inside the client where nobody can catch it.
  await Promise.all(files.map((file) => access(file, constants.R_OK)))
  const { DefaultArtifactClient } = await import('@actions/artifact')
  const client = new DefaultArtifactClient()
  const listed = await client.listArtifacts().catch(() => undefined)
  const context = {
    ...request,
    clock,
    runner,
    client,
    existing: listed && new Set(listed.artifacts.map(({ name }) => name)),
  }
  if (archive) uploaded.push(await upload(context, request.name, files))
  else for (const file of files) uploaded.push(await uploadOne(context, file))
  return uploaded
}

function requireService({ serverUrl, env }: RunnerContext): void {
  const { hostname } = new URL(serverUrl)
  if (!/^github\.com$|\.ghe\.com$|\.localhost$/i.test(hostname)) {
    throw new ArtifactsUnavailable(`Artifacts of this kind do not exist on GitHub Enterprise Server (${hostname}).`)
  }
  for (const name of ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL']) {
    if (!env[name]) throw new ArtifactsUnavailable(`This runner has no artifact service: ${name} is not set.`)
  }
}

interface UploadContext extends UploadRequest {
  clock: Clock
  runner: RunnerContext
  client: ArtifactClient
  /** Names that were taken before the first upload, so that what is there later is ours; undefined where unknown. */
  existing: ReadonlySet<string> | undefined
}

/** Uploads a file as it is; as a zip where the service does not take its type. */
async function uploadOne(context: UploadContext, file: string): Promise<UploadedArtifact> {
  const name = path.basename(file)
  try {
    return await upload(context, name, [file])
  } catch (error) {
    if (!/mime_type/.test(messageOf(error))) throw error
    warn(`The artifact service does not take ${name} as it is, so it was uploaded as a zip.`)
    return upload({ ...context, archive: true }, name, [file])
  }
}

async function upload(context: UploadContext, name: string, files: readonly string[]): Promise<UploadedArtifact> {
  const { client, clock, runner, existing, archive, retentionDays, compressionLevel, overwrite } = context
  /** Ignores that there is none; any other fault will show itself in the upload. */
  const remove = () => client.deleteArtifact(name).catch(() => {})
  const root = path.dirname(files[0] ?? '')
  const options = { compressionLevel, skipArchive: !archive, ...(retentionDays === undefined ? {} : { retentionDays }) }
  if (overwrite) await remove()
  else if (existing?.has(name)) throw taken(name, undefined)
  for (let tries = 1; ; tries++) {
    try {
      const { id, size, digest } = await client.uploadArtifact(name, [...files], root, options)
      if (id === undefined) throw new UploadError(`The artifact service gave no id for ${name}.`)
      return { id, name, url: pageOf(runner, id), digest: digest ?? '', size: size ?? 0 }
    } catch (error) {
      const reason = messageOf(error)
      if (TAKEN.test(reason)) {
        throw taken(name, error)
      }
      if (!PASSING.test(reason) || tries === TRIES) {
        throw new UploadError(`The artifact ${name} could not be uploaded: ${reason}`, { cause: error })
      }
      const pause = 2 ** tries * (0.75 + 0.5 * Math.random())
      info(`The upload of ${name} failed (${reason.split('\n')[0]}); trying again in ${pause.toFixed(1)} s`)
      await clock.sleep(pause)
      // The broken try may have taken the name, or even have come to its end without our hearing of it.
      const there = (await client.getArtifact(name).catch(() => undefined))?.artifact
      if (there === undefined) continue
      if (!overwrite && existing?.has(name) !== false) throw taken(name, error)
      if (there.digest === undefined) await remove()
      else {
        const { id, size, digest } = there
        return { id, name, url: pageOf(runner, id), digest: digest.replace(/^sha256:/, ''), size }
      }
    }
  }
}

const taken = (name: string, cause: unknown) =>
  new UploadError(
    `An artifact named ${name} exists in this run, perhaps from an earlier attempt of it. Give another artifact-name, or overwrite: true to replace it.`,
    { cause },
  )

function pageOf({ serverUrl, repository, runId }: RunnerContext, id: number): string {
  return `${serverUrl}/${repository}/actions/runs/${runId}/artifacts/${id}`
}
