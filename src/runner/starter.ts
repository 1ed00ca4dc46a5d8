import type { Answer } from '../predictions/answer.ts'
import type { Client, CreateRequest } from '../predictions/client.ts'
import { type Clock, deadlineSignal } from '../predictions/clock.ts'
import { CreateError, createPrediction } from '../predictions/create.ts'
import { ApiError, ConnectionError, RefusalError } from '../predictions/errors.ts'
import type { UploadedFile } from '../predictions/input-files.ts'
import { candidateOf } from '../predictions/lost.ts'
import { sentences } from '../predictions/text.ts'
import type { RunnerContext } from './context.ts'
import { contentOf, type LargeFile, ModelInputError, resolveLargeFiles, type UploadResult } from './embedded-files.ts'
import { duration } from './format.ts'
import { info, warn } from './print.ts'
import { saveCreation, saveOpenPredictions } from './state.ts'

/** What a starter starts. */
export interface StarterInputs {
  target: CreateRequest['target']
  cancelAfter: string | undefined
}

export interface StarterOptions {
  client: Client
  clock: Clock
  runner: RunnerContext
  /** Ends creations: the step was canceled, or its deadline came. */
  signal: AbortSignal
  /** Seconds during which refusals are waited out. */
  patience?: number
}

/** Seconds before an upload that failed is tried once more. */
const UPLOAD_PAUSE = 2
/** Seconds that a hint of the API delays that at most. */
const LONGEST_UPLOAD_HINT = 30
/** Seconds that the list is waited for after an answer was lost. */
const LOOKUP_LIMIT = 10
/** Seconds that deleting uploads takes at most. */
const DELETE_LIMIT = 10

/**
 * Starts predictions one by one. What it has started, and what it is about to start, is left behind for the post step
 * as soon as it is known.
 */
export class Starter {
  readonly #inputs: StarterInputs
  readonly #options: StarterOptions
  readonly #uploads: string[] = []
  /** False once an upload has failed twice before any has succeeded: the API has none, probably. */
  #takesUploads = true
  /** What became of uploads, by the paths of their files: one that is mentioned twice is uploaded once. */
  readonly #results = new Map<string, Promise<UploadResult>>()
  /** IDs of predictions that may still run. */
  readonly #open = new Set<string>()
  /** IDs of all that were started, with the names of their inputs. */
  readonly #names = new Map<string, string>()
  /** Whether the API has answered a creation. */
  #wasAnswered = false

  constructor(inputs: StarterInputs, options: StarterOptions) {
    this.#inputs = inputs
    this.#options = options
  }

  /**
   * Starts one prediction.
   * @param name that of the input, for messages
   * @throws CreateError, or the reason of the signal if nothing was sent
   */
  async create(input: Readonly<Record<string, unknown>>, name: string): Promise<Answer> {
    const { client, clock, runner, signal, patience } = this.#options
    const resolved = await this.#resolved(input)
    const request: CreateRequest = { ...this.#inputs, input: resolved }
    const since = Date.now()
    const learn = (error: unknown) => {
      if (!(error instanceof ConnectionError)) this.#wasAnswered = true
    }
    const create: Client['create'] = (...call) => {
      saveCreation(name, runner)
      return client.create(...call)
    }
    try {
      const answer = await createPrediction(request, {
        client: { ...client, create },
        clock,
        signal,
        ...(patience === undefined ? {} : { patience }),
        // A host that was reached before is not a typing error.
        ...(patience !== undefined && this.#wasAnswered ? { connectPatience: patience } : {}),
        onRetry(error, pause) {
          learn(error)
          saveCreation('', runner)
          info(`${name}: retrying in ${duration(pause)}: ${error.message}`)
        },
        warn,
      })
      this.#wasAnswered = true
      this.#add(answer.prediction.id, name)
      return answer
    } catch (error) {
      if (error instanceof CreateError) learn(error.cause)
      throw error instanceof CreateError && error.mayRun ? await this.#withCandidate(error, request, since) : error
    } finally {
      saveCreation('', runner)
    }
  }

  /** @throws CreateError if the ID is known: two inputs would share one result */
  #add(id: string, name: string): void {
    const other = this.#names.get(id)
    if (other !== undefined) {
      const reason = `The API started no new prediction: the response to the create request has the ID ${id}, which belongs to the prediction for ${other}.`
      throw new CreateError(reason, { mayRun: false })
    }
    this.#names.set(id, name)
    this.#open.add(id)
    saveOpenPredictions([...this.#open], this.#options.runner)
  }

  /** Records that a prediction has ended and need not be canceled. The state is saved again with the next prediction. */
  ended(id: string): void {
    this.#open.delete(id)
  }

  /** Deletes what was uploaded, as far as that is possible within a few seconds and before the signal. */
  async deleteUploads(signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options
    if (this.#uploads.length === 0) return
    using limit = deadlineSignal(clock, DELETE_LIMIT, 'deleting uploads took too long')
    const stop = AbortSignal.any([signal, limit.signal])
    await Promise.allSettled(this.#uploads.map((id) => client.deleteUpload(id, stop)))
  }

  async #resolved(input: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    try {
      return (await resolveLargeFiles(input, (file) => this.#upload(file))) as Record<string, unknown>
    } catch (error) {
      if (!(error instanceof ModelInputError)) throw error
      throw new CreateError(error.message, { mayRun: false, cause: error })
    }
  }

  #upload(file: LargeFile): Promise<UploadResult> {
    const known = this.#results.get(file.path)
    if (known) return known
    const result = this.#uploadAndRetry(file)
    this.#results.set(file.path, result)
    return result
  }

  async #uploadAndRetry(file: LargeFile): Promise<UploadResult> {
    const { client, clock, signal } = this.#options
    const content = await contentOf(file)
    const attempt = () =>
      client.upload({ name: file.name, type: file.type, content }, signal).catch((error: unknown) => {
        if (error instanceof ApiError) return error
        throw error
      })
    let uploaded = await attempt()
    // What was answered does not say whether the API has no uploads, or only failed for a moment.
    if (!isUploaded(uploaded) && this.#takesUploads) {
      await clock.sleep(Math.max(UPLOAD_PAUSE, Math.min(LONGEST_UPLOAD_HINT, uploaded?.retryAfter ?? 0)), signal)
      uploaded = await attempt()
    }
    if (!isUploaded(uploaded)) {
      if (this.#uploads.length === 0) this.#takesUploads = false
      else this.#results.delete(file.path)
      return { refusal: uploadAdvice(uploaded) }
    }
    this.#takesUploads = true
    this.#uploads.push(uploaded.id)
    info(`uploaded ${file.name}`)
    return { url: uploaded.url }
  }

  /** Looks for the prediction whose answer was lost. It is named, not adopted: it could be another job's. */
  async #withCandidate(error: CreateError, request: CreateRequest, since: number): Promise<CreateError> {
    const { client, clock, signal } = this.#options
    if (signal.aborted || !client.recent) return error
    using limit = deadlineSignal(clock, LOOKUP_LIMIT, 'the list took too long')
    try {
      const recent = await client.recent(new Date(since), AbortSignal.any([signal, limit.signal]))
      const id = candidateOf(recent, request, since, new Set(this.#names.keys()))
      if (id === undefined) return error
      const found = `Exactly one prediction in the list matches: ${id}. It may be the one that was started here.`
      return new CreateError(`${error.reason} ${found}`, { mayRun: true, cause: error.cause })
    } catch {
      return error
    }
  }
}

const isUploaded = (result: UploadedFile | ApiError | undefined): result is UploadedFile =>
  result !== undefined && !(result instanceof ApiError)

/** What to say of a file that could not be uploaded: why, unless the API seems to have no uploads, and what to do. */
function uploadAdvice(error: ApiError | undefined): string {
  if (error instanceof RefusalError && error.scope === 'account') return error.message
  const isFault = error instanceof ConnectionError || error?.retryability === 'transient'
  return sentences(isFault && error.message, 'Put it on a server and use its URL.')
}
