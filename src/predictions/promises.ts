/** How a promise came out. */
export type Settled<T> = { value: T } | { error: unknown }

/** A promise that never rejects. */
export const settled = <T>(promise: Promise<T>): Promise<Settled<T>> =>
  promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  )

/**
 * Waits for a promise, but no longer than until the signal. For callers that go on after the signal, as after a
 * deadline: it is no error.
 * @returns undefined if the signal came first
 */
export async function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) {
    // An error that comes too late is ignored, as it is by the race below.
    promise.catch(() => {})
    return undefined
  }
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>()
  const abort = () => resolve(undefined)
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/**
 * Waits for a promise as {@link beforeAbort} does, for callers that end with the signal: it is an error.
 * @param discard takes a result that comes after the signal
 * @throws the reason of the signal if it came first
 */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  discard: (late: T) => void = () => {},
): Promise<T> {
  const result = await beforeAbort(settled(promise), signal)
  if (result === undefined) {
    promise.then(discard, () => {})
    throw signal.reason
  }
  if ('error' in result) throw result.error
  return result.value
}
