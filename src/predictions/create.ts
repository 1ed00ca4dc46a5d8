import type { Answer } from './answer.ts'
import type { Client, CreateRequest } from './client.ts'
import type { Clock } from './clock.ts'
import { ApiError, BrokenAnswerError, ConnectionError, RefusalError } from './errors.ts'

/** Seconds during which a creation that cannot have been carried out is tried again. */
const PATIENCE = 300
const LONGEST_PAUSE = 30

/** A prediction was not started, or nobody knows whether it was. The message is whole sentences. */
export class CreateError extends Error {
  override readonly name = 'CreateError'
}

/**
 * Starts a prediction. A POST is repeated only where it cannot have been carried out: after a 429, and where no
 * connection could be made. Everything else may have started one that is paid for.
 * @throws CreateError, or the reason of the signal
 */
export async function createPrediction(
  request: CreateRequest,
  options: { client: Client; clock: Clock; signal: AbortSignal; onRetry(error: ApiError, pause: number): void },
): Promise<Answer> {
  const { client, clock, signal } = options
  const start = clock.now()
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted()
    try {
      return await client.create(request, signal)
    } catch (error) {
      if (signal.aborted) throw new CreateError(`${signal.reason.message} ${MAY_RUN}`, { cause: error })
      if (!(error instanceof ApiError)) throw error
      const untouched =
        (error instanceof RefusalError && error.status === 429) || (error instanceof ConnectionError && error.neverSent)
      const pause = Math.max(
        Math.min(LONGEST_PAUSE, 2 ** tries) * (0.75 + 0.5 * Math.random()),
        Math.min(120, error.retryAfter ?? 0),
      )
      const final = !untouched || error.retryability === 'permanent'
      if (final || clock.now() + pause - start > PATIENCE)
        throw new CreateError(explain(error, untouched), { cause: error })
      options.onRetry(error, pause)
      await clock.sleep(pause, signal)
    }
  }
}

const MAY_RUN =
  'The prediction may have been started all the same, so this was not tried again: look for it in the list of predictions before you start another.'

function explain(error: ApiError, untouched: boolean): string {
  if (error instanceof RefusalError && error.fields.length > 0) {
    const faults = error.fields.map(
      ({ field, description }) => `${field.replace(/^input\./, 'input ')}: ${description.replace(/[.\s]+$/, '')}.`,
    )
    return `${error.message}\n${faults.join('\n')}`
  }
  const mayRun =
    !untouched &&
    (error instanceof ConnectionError || error instanceof BrokenAnswerError || error.retryability === 'transient')
  return mayRun && !(error.retryability === 'permanent') ? `${error.message} ${MAY_RUN}` : error.message
}
