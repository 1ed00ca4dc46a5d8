import type { Answer } from './answer.ts'
import { predictions } from './apis/predictions.ts'
import type { Client, CreateRequest } from './client.ts'
import { type Clock, delayedSignal } from './clock.ts'
import { ApiError, ConnectionError, isSuccessWithoutPrediction, NotAPredictionError, RefusalError } from './errors.ts'
import { jsonStart } from './json/write.ts'
import { backOff, retry } from './retry.ts'
import { clip, isRecord, sentence, sentences } from './text.ts'

/** Seconds during which a creation that cannot have been carried out is tried again. */
const PATIENCE = 300
/** Seconds of a back-off, and seconds that a hint of the API is obeyed, at most. */
const LONGEST_BACK_OFF = 30
const LONGEST_OBEYED_HINT = 120
/** Seconds that the answer to a request that was sent is waited for after the signal: without its ID, a prediction cannot be canceled. */
const ANSWER_GRACE = 1

/** A prediction was not started, or it is unknown whether it was. The message consists of complete sentences. */
export class CreateError extends Error {
  override readonly name = 'CreateError'
  /** True if a prediction may have been started all the same. */
  readonly mayRun: boolean
  /** The message without the advice for that case. */
  readonly reason: string

  constructor(reason: string, { mayRun, ...options }: ErrorOptions & { mayRun: boolean }) {
    super(sentences(reason, mayRun && MAY_RUN), options)
    this.mayRun = mayRun
    this.reason = reason
  }
}

const MAY_RUN =
  'The prediction may have been started anyway, so the request was not retried. Look for it in the list of predictions before you start another one.'

export interface CreateOptions {
  client: Pick<Client, 'create'>
  clock: Clock
  signal: AbortSignal
  /** Seconds during which refusals are waited out; five minutes unless given. */
  patience?: number | undefined
  /** Seconds during which no connection can be made, and no answer comes; five minutes at most unless given. */
  connectPatience?: number | undefined
  random?: () => number
  onRetry(error: ApiError, pause: number): void
  /** A prediction was started, but the answer was not all that it should be. */
  warn(message: string): void
}

/**
 * Starts a prediction. A POST is repeated only if it cannot have been carried out: after a 429, and if no connection
 * could be made. Everything else, a 503 included, may have started one that is paid for.
 * @throws CreateError, also if the answer has no usable ID, or the reason of the signal if nothing was sent
 */
export async function createPrediction(request: CreateRequest, options: CreateOptions): Promise<Answer> {
  const { clock, signal, random = Math.random, patience = PATIENCE } = options
  // A host that was never reached may be a typing error.
  const { connectPatience = Math.min(patience, PATIENCE) } = options
  const start = clock.now()
  let wasAnswered = false
  const pauseAfter = (error: unknown, count: number): number | undefined => {
    if (!(error instanceof ApiError) || !isUntouched(error) || error.retryability !== 'transient') return undefined
    if (signal.aborted) return undefined
    const own = backOff(count, { most: LONGEST_BACK_OFF, random })
    const pause = Math.max(own, Math.min(LONGEST_OBEYED_HINT, error.retryAfter ?? 0))
    wasAnswered ||= !(error instanceof ConnectionError)
    const limit = wasAnswered ? patience : connectPatience
    return clock.now() + pause - start > limit ? undefined : pause
  }
  try {
    const onRetry = (error: unknown, pause: number) => options.onRetry(error as ApiError, pause)
    return await retry(() => createOnce(request, options), { clock, signal, pauseAfter, onRetry })
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    throw new CreateError(explain(error), { mayRun: mayRun(error), cause: error })
  }
}

/** @throws CreateError, ApiError, or the reason of the signal if nothing was sent */
async function createOnce(request: CreateRequest, { client, clock, signal, warn }: CreateOptions): Promise<Answer> {
  signal.throwIfAborted()
  using late = delayedSignal(clock, signal, ANSWER_GRACE)
  try {
    return checked(await client.create(request, late.signal, signal))
  } catch (error) {
    if (error instanceof CreateError) throw error
    if (late.signal.aborted) {
      const reason = `There was no response to the create request: ${sentence(signal.reason.message)}`
      throw new CreateError(reason, { mayRun: true, cause: error })
    }
    const started = startedWithoutStatus(error)
    if (started === undefined) throw error
    warn(
      `The response to the create request has no status. It has the ID ${started.prediction.id}, so the prediction is treated as started.`,
    )
    return started
  }
}

/** Whether the creation cannot have been carried out, so that repeating it is safe. */
const isUntouched = (error: ApiError) =>
  (error instanceof RefusalError && error.status === 429) || (error instanceof ConnectionError && error.neverSent)

/** Whether a prediction may run although no answer says so: what came was a success, or nothing that says no. */
function mayRun(error: ApiError): boolean {
  if (isUntouched(error)) return false
  return isSuccessWithoutPrediction(error) || error.retryability === 'transient'
}

/** Characters quoted of an answer that is not understood. */
const LONGEST_ANSWER = 500

/**
 * What was answered, and after it the errors of single fields of the input, one a line. An answer that is not understood
 * is quoted: it may say why, or have the ID in another place.
 */
function explain(error: ApiError): string {
  if (error instanceof NotAPredictionError && error.body !== undefined) {
    return `${error.message} The response was ${sentence(clip(jsonStart(error.body, LONGEST_ANSWER), LONGEST_ANSWER))}`
  }
  const fields = error instanceof RefusalError ? error.fields : []
  const fieldErrors = fields.map(
    ({ field, description }) => `${field.replace(/^input\./, 'input ')}: ${description.replace(/[.\s]+$/, '')}.`,
  )
  return [error.message, ...fieldErrors].join('\n')
}

/** Words that need no quotes anywhere: a status, and the name of a model with or without a version. */
const STATUS = /^[\w .-]{1,60}$/
const MODEL = /^[\w.-]{1,100}\/[\w.-]{1,100}(?::[\w.-]{1,128})?$/

/**
 * The answer to a creation as its outputs may have it: workflows put them into expressions, where any other text of the
 * API could do harm.
 * @throws CreateError if its ID cannot be one
 */
function checked(answer: Answer): Answer {
  const { id, status, model } = answer.prediction
  if (!predictions.isId(id)) {
    const shown = JSON.stringify(clip(id, LONGEST_SHOWN))
    throw new CreateError(`The response to the create request has the invalid ID ${shown}.`, { mayRun: true })
  }
  const prediction = {
    ...answer.prediction,
    status: STATUS.test(status) ? status : 'unknown',
    model: model !== undefined && MODEL.test(model) ? model : undefined,
  }
  return { ...answer, prediction }
}

const LONGEST_SHOWN = 100

/** Objects in which gateways put an answer. */
const LAYERS = ['data', 'prediction', 'result'] as const

/** The prediction of an answer that is not valid but has its ID; undefined if it has no ID. */
function startedWithoutStatus(error: unknown): Answer | undefined {
  if (!(error instanceof NotAPredictionError) || error.body === undefined) return undefined
  const { body } = error
  const objects = [body, ...LAYERS.map((layer) => body[layer])].filter(isRecord)
  const id = objects.map((object) => object.id).find((value) => typeof value === 'string' && predictions.isId(value))
  return typeof id === 'string' ? { prediction: { id, status: 'starting' }, body } : undefined
}
