import type { Clock } from '../predictions/clock.ts'
import { contentsOf } from './artifact-content.ts'
import { ArtifactsUnavailable, UploadError } from './artifact-error.ts'
import { backendIdsOf } from './artifact-service.ts'
import type { ArtifactSettings, ArtifactStore } from './artifact-store.ts'
import { Upload, type UploadedArtifact, type UploadRequest } from './artifact-upload.ts'
import type { RunnerContext } from './context.ts'
import { fileSize } from './format.ts'
import { info, notice } from './print.ts'

export interface UploadSurroundings {
  clock: Clock
  signal: AbortSignal
  runner: RunnerContext
  /** From 0 to 1, for the jitter of back-off. */
  random?: () => number
}

/** Artifacts of one job; GitHub refuses more. */
const MOST_ARTIFACTS = 500
/**
 * Uploads files as workflow artifacts. A file whose name is taken or that cannot be read does not keep the others from
 * it; a service that fails does.
 * @param uploaded receives each as soon as it is uploaded, so that those before a failure are known
 * @returns a message of whole sentences for each file that is not there
 * @throws ArtifactsUnavailable, UploadError
 */
export async function uploadArtifacts(
  request: UploadRequest,
  { clock, signal, runner, random = Math.random }: UploadSurroundings,
  uploaded: UploadedArtifact[],
): Promise<string[]> {
  const { files, archive } = request
  const settings = serviceSettings(runner)
  if (!archive && files.length > MOST_ARTIFACTS) {
    throw new UploadError(
      `${files.length} files need ${files.length} artifacts, but a job can have at most ${MOST_ARTIFACTS}. Nothing was uploaded. Set archive: true to upload them as one artifact.`,
    )
  }
  if (!archive && settings.protocol === 4) {
    notice(`${runner.forge.name} supports only zips, so each file is uploaded as a separate zip.`)
  }
  await using store = await openStore(request, settings, { runner, signal })
  const upload = new Upload({ request, store, clock, signal, runner, random })
  const failures: string[] = []
  for (const content of contentsOf(request, settings.protocol)) {
    try {
      const artifact = await upload.store(content)
      info(`uploaded the artifact ${artifact.name} · ${fileSize(artifact.size)}`)
      uploaded.push(artifact)
    } catch (error) {
      if (!(error instanceof UploadError && error.isOfArtifact)) throw error
      failures.push(error.message)
    }
  }
  return failures
}

/** Each is loaded when it is wanted: the client is large. */
async function openStore(
  request: ArtifactSettings,
  settings: ReturnType<typeof serviceSettings>,
  { runner, signal }: Pick<UploadSurroundings, 'runner' | 'signal'>,
): Promise<ArtifactStore> {
  const options = { ...request, retentionDays: withinLimit(request.retentionDays, runner), signal }
  if (!runner.forge.artifactClient) {
    return (await import('./artifact-transport.ts')).openTransport(settings, options, runner)
  }
  return (await import('./artifact-client.ts')).openClient(options, runner)
}

/** The repository's limit counts, if the runner names it. */
const withinLimit = (days: number | undefined, { env }: RunnerContext): number | undefined =>
  days === undefined ? undefined : Math.min(days, Number(env.GITHUB_RETENTION_DAYS) || Number.POSITIVE_INFINITY)

/** @throws ArtifactsUnavailable */
function serviceSettings({ forge, env }: RunnerContext) {
  const { artifactProtocol: protocol } = forge
  if (protocol === undefined) {
    throw new ArtifactsUnavailable(`${forge.name} does not support the artifact service that this action needs.`)
  }
  const read = (name: string): string => {
    if (env[name]) return env[name]
    throw new ArtifactsUnavailable(`This runner has no artifact service: ${name} is not set.`)
  }
  const token = read('ACTIONS_RUNTIME_TOKEN')
  const url = read('ACTIONS_RESULTS_URL')
  const ids = backendIdsOf(token)
  if (ids === undefined || !URL.canParse(url)) {
    throw new ArtifactsUnavailable(
      'This runner has no known artifact service: its ACTIONS_ variables do not identify the job.',
    )
  }
  return { protocol, token, url, ids }
}
