import type { Answer } from '../predictions/answer.ts'
import type { Client, CreateRequest } from '../predictions/client.ts'
import { type Clock, deadlineSignal } from '../predictions/clock.ts'
import { CreateError, createPrediction } from '../predictions/create.ts'
import { ConnectionError } from '../predictions/errors.ts'
import { candidateOf } from '../predictions/lost.ts'
import type { RunnerContext } from './context.ts'
import { ModelInputError, resolveLargeFiles } from './embedded-files.ts'
import { duration } from './format.ts'
import { InputUploads } from './input-uploads.ts'
import { info, warn } from './print.ts'
import { saveCreation, saveOpenPredictions } from './state.ts'

/** What a starter starts. */
export interface StarterInputs {
  target: CreateRequest['target']
  cancelAfter: string | undefined
}

export interface StarterOptions {
  client: Pick<Client, 'create' | 'recent' | 'upload' | 'deleteUpload'>
  clock: Clock
  runner: RunnerContext
  /** Ends creations: the step was canceled, or its deadline came. */
  signal: AbortSignal
  /** Seconds during which refusals are waited out. */
  patience?: number
  /** The date in milliseconds since the epoch, to recognize a prediction whose answer was lost. */
  date?: () => number
}

/** Seconds that the list is waited for after an answer was lost. */
const LOOKUP_LIMIT = 10
/**
 * Starts predictions one by one. What it has started, and what it is about to start, is left behind for the post step
 * as soon as it is known.
 */
export class Starter {
  readonly #inputs: StarterInputs
  readonly #options: StarterOptions
  readonly #uploads: InputUploads
  /** IDs of predictions that may still run. */
  readonly #open = new Set<string>()
  /** IDs of all that were started, with the names of their inputs. */
  readonly #names = new Map<string, string>()
  /** Whether the API has answered a creation. */
  #wasAnswered = false

  constructor(inputs: StarterInputs, options: StarterOptions) {
    this.#inputs = inputs
    this.#options = options
    this.#uploads = new InputUploads(options)
  }

  /**
   * Starts one prediction.
   * @param name that of the input, for messages
   * @throws CreateError, or the reason of the signal if nothing was sent
   */
  async create(input: Readonly<Record<string, unknown>>, name: string): Promise<Answer> {
    const { clock, runner, signal, patience, date = Date.now } = this.#options
    const request: CreateRequest = { ...this.#inputs, input: await this.#resolved(input) }
    const since = date()
    try {
      const answer = await createPrediction(request, {
        client: { create: (...call) => this.#send(call, name) },
        clock,
        signal,
        patience,
        // A host that was reached before is not a typing error.
        connectPatience: this.#wasAnswered ? patience : undefined,
        onRetry(error, pause) {
          saveCreation('', runner)
          info(`${name}: retrying in ${duration(pause)}: ${error.message}`)
        },
        warn,
      })
      this.#add(answer.prediction.id, name)
      return answer
    } catch (error) {
      throw error instanceof CreateError && error.mayRun ? await this.#withCandidate(error, request, since) : error
    } finally {
      saveCreation('', runner)
    }
  }

  /** Sends a create request, once. */
  async #send(call: Parameters<Client['create']>, name: string): Promise<Answer> {
    const { client, runner } = this.#options
    saveCreation(name, runner)
    try {
      const answer = await client.create(...call)
      this.#wasAnswered = true
      return answer
    } catch (error) {
      this.#wasAnswered ||= !(error instanceof ConnectionError)
      throw error
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
    await this.#uploads.deleteAll(signal)
  }

  async #resolved(input: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    try {
      return (await resolveLargeFiles(input, (file) => this.#uploads.upload(file))) as Record<string, unknown>
    } catch (error) {
      if (!(error instanceof ModelInputError)) throw error
      throw new CreateError(error.message, { mayRun: false, cause: error })
    }
  }

  /** Looks for the prediction whose answer was lost. It is named, not adopted: it could be another job's. */
  async #withCandidate(error: CreateError, request: CreateRequest, since: number): Promise<CreateError> {
    const { client, clock, signal } = this.#options
    if (signal.aborted) return error
    using limit = deadlineSignal(clock, LOOKUP_LIMIT, 'the list took too long')
    const stop = AbortSignal.any([signal, limit.signal])
    const recent = await client.recent?.(new Date(since), stop).catch(() => undefined)
    const id = recent && candidateOf(recent, request, since, new Set(this.#names.keys()))
    if (id === undefined) return error
    const found = `Exactly one prediction in the list matches: ${id}. It may be the one that was started here.`
    return new CreateError(`${error.reason} ${found}`, { mayRun: true, cause: error.cause })
  }
}
