import { createHash } from 'node:crypto'
import path from 'node:path'
import type { Clock } from '../predictions/clock.ts'
import { createDispatcher } from '../predictions/network/dispatcher.ts'
import { backOff, retry } from '../predictions/retry.ts'
import { blocksOf, type Content, type ContentRequest, contentsOf, digestOf } from './artifact-content.ts'
import {
  type ArtifactService,
  ArtifactServiceError,
  backendIdsOf,
  blockIds,
  CONFLICT,
  createArtifactService,
  type ListedArtifact,
} from './artifact-service.ts'
import type { RunnerContext } from './context.ts'
import { messageOf } from './failure.ts'
import { fileSize } from './format.ts'
import { info, notice, warn } from './print.ts'

/** What to upload, and how. */
export interface UploadRequest extends ContentRequest {
  /** Whether the workflow chose the name, so that other steps may look for it. */
  nameGiven: boolean
  /** Days; undefined for the default of the repository. */
  retentionDays: number | undefined
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
/** Seconds that a hint is obeyed. */
const LONGEST_HINT = 60
/** Blocks of one blob that are under way at once. */
const PARALLEL_BLOCKS = 4

/**
 * Uploads files as workflow artifacts. A file whose name is taken or that cannot be read does not keep the others from
 * it; a service that fails does.
 * @param uploaded gets each as soon as it is there, so that those before a failure are known
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
      `${files.length} files would be ${files.length} artifacts, and a job can have ${MOST_ARTIFACTS}. Nothing was uploaded; with archive: true they are one.`,
    )
  }
  if (!archive && settings.protocol === 4) {
    notice(`${runner.forge.name} takes zips only, so every file is uploaded as a zip of its own.`)
  }
  const dispatcher = createDispatcher(runner.env, { connections: PARALLEL_BLOCKS })
  try {
    const service = createArtifactService({ ...settings, dispatcher })
    const upload = new Upload({ request, service, clock, signal, runner, random })
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
  } finally {
    await dispatcher.destroy()
  }
}

/** @throws ArtifactsUnavailable */
function serviceSettings({ forge, serverUrl, env }: RunnerContext) {
  const { artifactProtocol: protocol } = forge
  if (protocol === undefined) {
    throw new ArtifactsUnavailable(`Artifacts of this kind do not exist on ${forge.name} (${new URL(serverUrl).host}).`)
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
      'This runner has no artifact service that is known: its ACTIONS_ variables name no job.',
    )
  }
  return { protocol, token, url, ids }
}

/** The name belongs to an artifact with other content. */
class NameTaken extends Error {}

interface UploadContext extends Required<UploadSurroundings> {
  request: UploadRequest
  service: ArtifactService
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
        warn(`The artifact service does not take ${content.name} as it is, so it is uploaded as a zip.`)
        return this.store(content.zipped)
      }
      if (error instanceof NameTaken) {
        throw new UploadError(takenSentence(content.name, request), { cause: error, isOfArtifact: true })
      }
      if (error instanceof ArtifactServiceError && isOldServer(error, runner)) {
        throw new ArtifactsUnavailable(
          `This ${runner.forge.name} server is too old to take artifacts of this kind (${error.status}).`,
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
      const what = `An earlier attempt of this run has an artifact named ${content.name} with other content, so this one is ${name}.`
      if (request.nameGiven && request.archive) {
        warn(
          `${what} A step that looks for ${content.name} finds the earlier one; with overwrite: true it is replaced.`,
        )
      } else notice(what)
      return artifact
    }
  }

  async #storeAs(name: string, content: Content): Promise<UploadedArtifact> {
    const { service } = this.#context
    const created = await this.#create(name, content)
    if ('there' in created) return this.#describe(name, created.there)
    const blob = await this.#uploadBlob(created.url, content)
    try {
      const id = await this.#retry((signal) => service.finalize(name, blob, signal), isNotYetThere)
      return this.#describe(name, { id, ...blob })
    } catch (error) {
      // An answer may have been lost: the artifact is ours only if its bytes are.
      const found = error instanceof ArtifactServiceError ? await this.#find(name, blob.digest) : undefined
      if (found === undefined) throw error
      return this.#describe(name, found)
    }
  }

  /** Takes the name. @returns where to upload to, or the artifact that has the same bytes already */
  async #create(name: string, content: Content): Promise<{ url: string } | { there: ListedArtifact }> {
    const { service, request } = this.#context
    const options = { mediaType: content.mediaType, expires: this.#expiry() }
    const began = Date.now()
    for (let removed = false; ; removed = true) {
      let unanswered = false
      try {
        const create = (signal: AbortSignal) =>
          service.create(name, options, signal).catch((error) => {
            unanswered ||= error instanceof ArtifactServiceError && error.status === undefined
            throw error
          })
        return { url: await this.#retry(create) }
      } catch (error) {
        if (!(error instanceof ArtifactServiceError) || error.status !== CONFLICT) throw error
        const [newest] = await this.#list(name)
        if (newest && newest.digest === (await digestOf(content.open()))) return { there: newest }
        // Our own call may have taken the name without our hearing of it; nobody else's upload is removed.
        const ours = unanswered && newest !== undefined && isUnfinishedSince(newest, began)
        if (removed || !(request.overwrite || ours)) throw new NameTaken(error.message, { cause: error })
        await this.#retry((signal) => service.remove(name, signal)).catch(ignoreNotFound)
      }
    }
  }

  /** Uploads the bytes block by block, each block retried by itself. */
  async #uploadBlob(url: string, { mediaType, open }: Content): Promise<{ size: number; digest: string }> {
    const { service } = this.#context
    const hash = createHash('sha256')
    const idOf = blockIds()
    const puts: Promise<void>[] = []
    const running = new Set<Promise<unknown>>()
    let size = 0
    let failed = false
    for await (const block of blocksOf(open())) {
      hash.update(block)
      size += block.length
      const id = idOf(puts.length)
      const put = this.#retry((signal) => service.putBlock(url, id, block, signal))
      puts.push(put)
      // A failure is thrown where all are waited for.
      const settled = put
        .catch(() => {
          failed = true
        })
        .finally(() => running.delete(settled))
      running.add(settled)
      if (running.size >= PARALLEL_BLOCKS) await Promise.race(running)
      if (failed) break
    }
    await Promise.all(puts)
    const ids = puts.map((_, index) => idOf(index))
    await this.#retry((signal) => service.commitBlocks(url, ids, mediaType, signal))
    return { size, digest: hash.digest('hex') }
  }

  async #list(name: string): Promise<ListedArtifact[]> {
    const { service } = this.#context
    return this.#retry((signal) => service.list(name, signal)).catch((error) => {
      if (error instanceof ArtifactServiceError) return []
      throw error
    })
  }

  async #find(name: string, digest: string): Promise<ListedArtifact | undefined> {
    return (await this.#list(name)).find((artifact) => artifact.digest === digest)
  }

  #retry<T>(call: (signal: AbortSignal) => Promise<T>, alsoTransient = (_: ArtifactServiceError) => false): Promise<T> {
    const { clock, signal, random } = this.#context
    return retry(() => call(signal), {
      clock,
      signal,
      pauseAfter(error, attempt) {
        if (!(error instanceof ArtifactServiceError) || attempt === ATTEMPTS) return undefined
        if (isUnknownRequest(error) || !(error.transient || alsoTransient(error))) return undefined
        const pause = Math.max(error.retryAfter ?? 0, backOff(attempt, { first: 2, random }))
        return pause > LONGEST_HINT ? undefined : pause
      },
      onRetry: (error, pause) => info(`${messageOf(error)} Trying again in ${pause.toFixed(1)} s.`),
    })
  }

  /** The repository's limit counts, where the runner names it. */
  #expiry(): Date | undefined {
    const { request, runner } = this.#context
    if (request.retentionDays === undefined) return undefined
    const limit = Number(runner.env.GITHUB_RETENTION_DAYS) || Number.POSITIVE_INFINITY
    const days = Math.min(request.retentionDays, limit)
    return new Date(Date.now() + days * 86_400_000)
  }

  #describe(name: string, { id, digest, size }: Pick<ListedArtifact, 'id' | 'digest' | 'size'>): UploadedArtifact {
    const { serverUrl, repository, runId, forge } = this.#context.runner
    const page = forge.artifactPage({ id, name })
    return { id, name, url: `${serverUrl}/${repository}/actions/runs/${runId}/artifacts/${page}`, digest, size }
  }
}

/** Milliseconds by which the service's clock may be behind. */
const CLOCK_SKEW = 60_000

const isUnfinishedSince = ({ digest, size, created }: ListedArtifact, began: number) =>
  digest === '' && size === 0 && created.getTime() >= began - CLOCK_SKEW

/** An artifact that was just created may not be there for another server of the service. */
const isNotYetThere = ({ status }: ArtifactServiceError) => status === 404

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof ArtifactServiceError && error.status === 404)) throw error
}

/** Without a name for the fault: the service refuses types that it does not know with the same code as other arguments. */
const isRefusedType = ({ call, status, code }: ArtifactServiceError) =>
  call === 'CreateArtifact' && status === 400 && code === 'invalid_argument'

/** What Gitea before 1.26, Forgejo and act answer to a field that they do not know; they have no code for it. */
const isUnknownRequest = ({ status, text }: ArtifactServiceError) =>
  status === 500 && text.startsWith('Error decode request body')

/** The server has no such service, or an older one. */
const isOldServer = (error: ArtifactServiceError, { forge }: RunnerContext) =>
  isUnknownRequest(error) || (forge.selfHosted && error.call === 'CreateArtifact' && error.status === 404)

const nameOfAttempt = (name: string, attempt: number, archive: boolean): string => {
  const { name: stem, ext } = archive ? { name, ext: '' } : path.parse(name)
  return `${stem}-attempt-${attempt}${ext}`
}

function takenSentence(name: string, { archive }: UploadRequest): string {
  const way = archive
    ? 'Give another artifact-name, or overwrite: true to replace it.'
    : 'Set overwrite: true to replace it, or archive: true to put all files into one artifact that artifact-name names.'
  return `An artifact named ${name} with other content already exists in this run. ${way}`
}
