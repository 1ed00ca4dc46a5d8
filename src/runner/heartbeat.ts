import type { Clock } from '../predictions/clock.ts'
import { messageOf } from './failure.ts'
import { warn } from './print.ts'

/** Seconds between two heartbeats: a bit less than the 30 that are promised. */
export const HEARTBEAT = 25

/**
 * Calls now and then, so that a long step prints something, until it is disposed of. What the call throws ends the
 * calls, with a warning.
 */
export function startHeartbeat(beat: () => void, clock: Clock): Disposable {
  const stop = new AbortController()
  const loop = async () => {
    try {
      for (;;) {
        await clock.sleep(HEARTBEAT, stop.signal)
        beat()
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error
    }
  }
  loop().catch((error) => warn(`A bug in this action stopped the regular status lines: ${messageOf(error)}`))
  return { [Symbol.dispose]: () => stop.abort() }
}
