import type { Answer } from './answer.ts'
import { isBug } from './network/network-errors.ts'
import { ageOf, hasNoOutput, type Prediction, statusOf } from './prediction.ts'
import type { WaitOptions } from './wait-options.ts'

/** Seconds before each further poll for an output that may be a moment late. */
const SECOND_LOOKS: readonly number[] = [2, 2.5]
/** Seconds since the end during which an output may still be missing. */
const JUST_ENDED = 60

/**
 * Whether a prediction has succeeded a moment ago, but has no output yet.
 * @param ranAgo seconds since it was seen running; undefined if it never was
 * @param date now, in milliseconds since the epoch
 */
export function isOutputLate(prediction: Prediction, ranAgo: number | undefined, date: number): boolean {
  if (statusOf(prediction) !== 'succeeded' || !hasNoOutput(prediction) || prediction.data_removed === true) return false
  if (ranAgo !== undefined && ranAgo <= JUST_ENDED) return true
  return (ageOf(prediction, date) ?? 0) <= JUST_ENDED
}

/**
 * Polls again for an output that may be a moment late. Never throws because of the API.
 * @returns the first answer that has one; undefined if none has, or none came before the signal
 */
export async function lookAgain(
  id: string,
  { client, clock, limiter }: Pick<WaitOptions, 'client' | 'clock' | 'limiter'>,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  for (const pause of SECOND_LOOKS) {
    try {
      await clock.sleep(pause, signal)
      await limiter.take(signal)
      const answer = await client.get(id, signal)
      if (statusOf(answer.prediction) === 'succeeded' && !hasNoOutput(answer.prediction)) return answer
    } catch (thrown) {
      if (isBug(thrown)) throw thrown
    }
  }
  return undefined
}
