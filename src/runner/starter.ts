import type { Answer } from '../predictions/answer.ts'
import type { Client, CreateRequest } from '../predictions/client.ts'
import { type Clock, deadlineSignal } from '../predictions/clock.ts'
import { CreateError, createPrediction } from '../predictions/create.ts'
import { ConnectionError } from '../predictions/errors.ts'
import { candidateOf } from '../predictions/lost.ts'
import type { RunnerContext } from './context.ts'
import { contentOf, type LargeFile, ModelInputError, resolveLargeFiles } from './embedded-files.ts'
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
/** Seconds that the list is waited for after an answer was lost, and that deleting uploads takes at most. */
const LOOKUP_LIMIT = 10
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
  /** Paths of files that were uploaded, with their URLs: one that is mentioned twice is uploaded once. */
  readonly #urls = new Map<string, Promise<string | undefined>>()
  /** Of predictions that may still run. */
  readonly #open = new Set<string>()
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
    saveCreation(name, runner)
    try {
      const answer = await createPrediction(request, {
        client,
        clock,
        signal,
        ...(patience === undefined ? {} : { patience }),
        // A host that was reached before is not a typing error.
        ...(patience !== undefined && this.#wasAnswered ? { connectPatience: patience } : {}),
        onRetry(error, pause) {
          learn(error)
          info(`${name}: retrying in ${duration(pause)}: ${error.message}`)
        },
        warn,
      })
      this.#wasAnswered = true
      this.#open.add(answer.prediction.id)
      saveOpenPredictions([...this.#open], runner)
      return answer
    } catch (error) {
      if (error instanceof CreateError) learn(error.cause)
      throw error instanceof CreateError && error.mayRun ? await this.#withCandidate(error, request, since) : error
    } finally {
      saveCreation('', runner)
    }
  }

  /** Records that a prediction has ended and need not be canceled. The state is saved again with the next prediction. */
  ended(id: string): void {
    this.#open.delete(id)
  }

  /** Deletes what was uploaded, as far as that is possible within a few seconds. */
  async deleteUploads(): Promise<void> {
    const { client, clock } = this.#options
    if (this.#uploads.length === 0) return
    using limit = deadlineSignal(clock, DELETE_LIMIT, 'deleting uploads took too long')
    await Promise.allSettled(this.#uploads.map((id) => client.deleteUpload(id, limit.signal)))
  }

  async #resolved(input: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    try {
      return (await resolveLargeFiles(input, (file) => this.#upload(file))) as Record<string, unknown>
    } catch (error) {
      if (!(error instanceof ModelInputError)) throw error
      throw new CreateError(error.message, { mayRun: false, cause: error })
    }
  }

  #upload(file: LargeFile): Promise<string | undefined> {
    const known = this.#urls.get(file.path)
    if (known) return known
    const { client, clock, signal } = this.#options
    const upload = async () => {
      const content = await contentOf(file)
      const attempt = () => client.upload({ name: file.name, type: file.type, content }, signal)
      let uploaded = await attempt()
      // The client does not say whether the API has no uploads, or only failed for a moment.
      if (!uploaded && this.#takesUploads) {
        await clock.sleep(UPLOAD_PAUSE, signal)
        uploaded = await attempt()
      }
      if (!uploaded) {
        if (this.#uploads.length === 0) this.#takesUploads = false
        else this.#urls.delete(file.path)
        return undefined
      }
      this.#takesUploads = true
      this.#uploads.push(uploaded.id)
      info(`uploaded ${file.name}`)
      return uploaded.url
    }
    const url = upload()
    this.#urls.set(file.path, url)
    return url
  }

  /** Looks for the prediction whose answer was lost. It is named, not adopted: it could be another job's. */
  async #withCandidate(error: CreateError, request: CreateRequest, since: number): Promise<CreateError> {
    const { client, clock, signal } = this.#options
    if (signal.aborted || !client.recent) return error
    using limit = deadlineSignal(clock, LOOKUP_LIMIT, 'the list took too long')
    try {
      const recent = await client.recent(new Date(since), AbortSignal.any([signal, limit.signal]))
      const id = candidateOf(recent, request, since)
      if (id === undefined) return error
      const found = `Exactly one prediction in the list matches: ${id}. It may be the one that was started here.`
      return new CreateError(`${error.reason} ${found}`, { mayRun: true, cause: error.cause })
    } catch {
      return error
    }
  }
}
