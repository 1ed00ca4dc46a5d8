import { withSuffix } from '../predictions/files/extensions.ts'
import type { Content, ContentRequest } from './artifact-content.ts'
import {
  ArtifactServiceError,
  ArtifactsUnavailable,
  CONFLICT,
  isUnknownRequest,
  UploadError,
} from './artifact-error.ts'
import type { ArtifactSettings, ArtifactStore, ListedArtifact, StoredArtifact } from './artifact-store.ts'
import { Tries, type TriesContext } from './artifact-tries.ts'
import type { RunnerContext } from './context.ts'
import { messageOf } from './failure.ts'
import { debug, notice, warn } from './print.ts'

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

/** The name belongs to an artifact with other content. */
class NameTaken extends Error {}

export interface UploadContext extends TriesContext {
  runner: RunnerContext
  request: UploadRequest
  store: ArtifactStore
}

/** The upload of artifacts under names that may be taken. */
export class Upload {
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

/** The service refuses types that it does not know with the same code as other arguments; the client hides the code. */
const isRefusedType = ({ call, status, code = 'invalid_argument' }: ArtifactServiceError) =>
  call === 'CreateArtifact' && status === 400 && code === 'invalid_argument'

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
