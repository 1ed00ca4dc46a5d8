import type { Clock } from '../predictions/clock.ts'
import { withSuffix } from '../predictions/files/extensions.ts'
import { backOff, retry } from '../predictions/retry.ts'
import { type Content, type ContentRequest, contentsOf } from './artifact-content.ts'
import { ArtifactServiceError, CONFLICT } from './artifact-error.ts'
import { backendIdsOf } from './artifact-service.ts'
import type { ArtifactSettings, ArtifactStore, ListedArtifact, Retry, StoredArtifact } from './artifact-store.ts'
import type { RunnerContext } from './context.ts'
import { messageOf } from './failure.ts'
import { fileSize } from './format.ts'
import { debug, info, notice, warn } from './print.ts'

/** What to upload, and how. */
export interface UploadRequest extends ContentRequest, ArtifactSettings {
  /** Whether the workflow chose the name, so that other steps may look for it. */
  nameGiven: boolean
  /** Whether an artifact of the same name is replaced. */
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
  /** Whether it is about this artifact only, so that others may still be uploaded. */
  readonly isOfArtifact: boolean

  constructor(message: string, options: ErrorOptions & { isOfArtifact?: boolean } = {}) {
    super(message, options)
    this.isOfArtifact = options.isOfArtifact ?? false
  }
}

export interface UploadSurroundings {
  clock: Clock
  signal: AbortSignal
  runner: RunnerContext
  /** From 0 to 1, for the jitter of back-off. */
  random?: () => number
}

/** Artifacts of one job; GitHub refuses more. */
const MOST_ARTIFACTS = 500
const ATTEMPTS = 5
/** Seconds between two attempts at most: if the service asks for more, the upload is given up. */
const LONGEST_UPLOAD_PAUSE = 60

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

/** The name belongs to an artifact with other content. */
class NameTaken extends Error {}

interface UploadContext extends Required<UploadSurroundings> {
  request: UploadRequest
  store: ArtifactStore
}

class Upload {
  readonly #context: UploadContext

  constructor(context: UploadContext) {
    this.#context = context
  }

  /** Uploads under the content's name, or under that of the attempt. @throws ArtifactsUnavailable, UploadError */
  async store(content: Content): Promise<UploadedArtifact> {
    const { request, runner, signal } = this.#context
    try {
      return await this.#storeInAttempt(content)
    } catch (error) {
      signal.throwIfAborted()
      if (content.zipped && error instanceof ArtifactServiceError && isRefusedType(error)) {
        warn(`The artifact service does not accept ${content.name} unzipped, so it is uploaded as a zip.`)
        return this.store(content.zipped)
      }
      if (error instanceof NameTaken) {
        throw new UploadError(takenSentence(content.name, request), { cause: error, isOfArtifact: true })
      }
      if (error instanceof ArtifactServiceError && isOldServer(error, runner)) {
        throw new ArtifactsUnavailable(
          `This ${runner.forge.name} server is too old for artifacts of this kind (${error.status}).`,
        )
      }
      if (error instanceof ArtifactsUnavailable) throw error
      const isOfArtifact = !(error instanceof ArtifactServiceError)
      const message = `The artifact ${content.name} could not be uploaded: ${messageOf(error)}`
      throw new UploadError(message, { cause: error, isOfArtifact })
    }
  }

  /**
   * An earlier attempt of the run may hold the name: whether the service counts it is disputed, so it decides. The name
   * of the attempt is then the way out, so that nothing is lost and nothing of the earlier attempt is deleted.
   */
  async #storeInAttempt(content: Content): Promise<UploadedArtifact> {
    const { runner, request } = this.#context
    try {
      return await this.#storeAs(content.name, content)
    } catch (error) {
      if (!(error instanceof NameTaken) || runner.runAttempt === 1) throw error
      const name = nameOfAttempt(content.name, runner.runAttempt, request.archive)
      const artifact = await this.#storeAs(name, content)
      const what = `An earlier attempt of this run has an artifact named ${content.name} with other content, so this one is named ${name}.`
      if (request.nameGiven && request.archive) {
        warn(`${what} A step that downloads ${content.name} gets the earlier one. Set overwrite: true to replace it.`)
      } else notice(what)
      return artifact
    }
  }

  async #storeAs(name: string, content: Content): Promise<UploadedArtifact> {
    const { store, request } = this.#context
    const tries = new Tries(this.#context)
    let replaced = false
    for (;;) {
      try {
        return this.#describe(name, await store.upload(name, content, tries.retry))
      } catch (error) {
        if (!(error instanceof ArtifactServiceError)) throw error
        const isTaken = error.call === 'CreateArtifact' && error.status === CONFLICT
        if (!isTaken && error.call !== 'FinalizeArtifact') throw error
        const newest = await this.#newest(name)
        // An answer may have been lost, or an earlier attempt was here: the artifact counts if its content is ours.
        if (newest && (await this.#holds(newest, content))) return this.#describe(name, newest)
        if (!isTaken) throw error
        const isOurs = newest !== undefined && tries.leftUnfinished(newest)
        if (!isOurs && (replaced || !request.overwrite)) {
          throw tries.reasonFor(newest) ?? new NameTaken(error.message, { cause: error })
        }
        replaced ||= !isOurs
        await tries.retry(() => store.remove(name))
        await tries.nextRound()
      }
    }
  }

  /** Undefined if the service does not say. */
  #newest(name: string): Promise<ListedArtifact | undefined> {
    const { store, signal } = this.#context
    return new Tries(this.#context)
      .retry(() => store.newest(name))
      .catch((error) => {
        signal.throwIfAborted()
        if (error instanceof ArtifactServiceError) return undefined
        throw error
      })
  }

  /** Content that cannot be compared counts as other content. */
  #holds(artifact: ListedArtifact, content: Content): Promise<boolean> {
    const { store, signal } = this.#context
    return store.holds(artifact, content).catch((error) => {
      signal.throwIfAborted()
      debug(`The artifact ${content.name} could not be compared: ${messageOf(error)}`)
      return false
    })
  }

  #describe(name: string, { id, digest, size }: StoredArtifact): UploadedArtifact {
    const { serverUrl, repository, runId, forge } = this.#context.runner
    const page = forge.artifactPage({ id, name })
    return { id, name, url: `${serverUrl}/${repository}/actions/runs/${runId}/artifacts/${page}`, digest, size }
  }
}

/** Milliseconds by which the service's clock may be behind. */
const CLOCK_SKEW = 60_000

/** The tries of one upload: when to try again, and what those that failed may have left behind. */
class Tries {
  readonly #context: Pick<UploadContext, 'clock' | 'signal' | 'random'>
  readonly #began = Date.now()
  /** Times that the name was taken from an upload that was not completed. */
  #rounds = 0
  /** Whether the first round is not over, or there was a pause in this one. */
  #paused = true
  /** The last failure after which the name may have been ours. */
  #failure: ArtifactServiceError | undefined

  constructor(context: Pick<UploadContext, 'clock' | 'signal' | 'random'>) {
    this.#context = context
  }

  /** Pauses if no retry has done so: a service may go on to refuse a name that it said it deleted. */
  async nextRound(): Promise<void> {
    const { clock, signal, random } = this.#context
    if (!this.#paused) await clock.sleep(backOff(this.#rounds, { first: 2, random }), signal)
    this.#paused = false
    this.#rounds++
  }

  readonly retry: Retry = (call) => {
    const { clock, signal, random } = this.#context
    return retry(call, {
      clock,
      signal,
      pauseAfter: (error, attempt) => {
        const tries = attempt + this.#rounds
        if (!(error instanceof ArtifactServiceError) || tries >= ATTEMPTS) return undefined
        if (isUnknownRequest(error) || !(error.transient || isNotYetThere(error))) return undefined
        const pause = Math.max(error.retryAfter ?? 0, backOff(tries, { first: 2, random }))
        return pause > LONGEST_UPLOAD_PAUSE ? undefined : pause
      },
      onRetry: (error, pause) => {
        this.#paused = true
        if (error instanceof ArtifactServiceError && mayHoldName(error)) this.#failure = error
        info(`${messageOf(error)} Retrying in ${pause.toFixed(1)} s.`)
      },
    })
  }

  /** Whether a failed attempt of ours took the name and did not complete; uploads of others are never removed. */
  leftUnfinished({ digest, size, created }: ListedArtifact): boolean {
    const isNew = digest === '' && size === 0 && created.getTime() >= this.#began - CLOCK_SKEW
    return isNew && this.#failure !== undefined && this.#rounds < ATTEMPTS
  }

  /** Why a name is taken that no artifact has: the service knows of our own try, and does not show it. */
  reasonFor(newest: ListedArtifact | undefined): ArtifactServiceError | undefined {
    return newest === undefined ? this.#failure : undefined
  }
}

/** A call after the first was made under the name; the first may have been carried out without an answer. */
const mayHoldName = ({ call, status }: ArtifactServiceError) => call !== 'CreateArtifact' || status === undefined

/** An artifact that was just created may not be there for another server of the service. */
const isNotYetThere = ({ call, status }: ArtifactServiceError) => call === 'FinalizeArtifact' && status === 404

/** The service refuses types that it does not know with the same code as other arguments; the client hides the code. */
const isRefusedType = ({ call, status, code = 'invalid_argument' }: ArtifactServiceError) =>
  call === 'CreateArtifact' && status === 400 && code === 'invalid_argument'

/** What Gitea before 1.26, Forgejo and act answer to a field that they do not know; they have no code for it. */
const isUnknownRequest = ({ status, text }: ArtifactServiceError) =>
  status === 500 && text.startsWith('Error decode request body')

/** The server has no such service, or an older one. */
const isOldServer = (error: ArtifactServiceError, { forge }: RunnerContext) =>
  isUnknownRequest(error) || (forge.selfHosted && error.call === 'CreateArtifact' && error.status === 404)

function nameOfAttempt(name: string, attempt: number, archive: boolean): string {
  const suffix = `-attempt-${attempt}`
  return archive ? `${name}${suffix}` : withSuffix(name, suffix)
}

function takenSentence(name: string, { archive }: UploadRequest): string {
  const way = archive
    ? 'Set another artifact-name, or set overwrite: true to replace it.'
    : 'Set overwrite: true to replace it, or archive: true to upload all files as one artifact with the name artifact-name.'
  return `An artifact named ${name} with other content already exists in this run. ${way}`
}
