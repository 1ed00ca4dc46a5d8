import type { Answer } from './answer.ts'
import type { Outcome } from './outcome.ts'
import { PredictionWait } from './prediction-wait.ts'
import type { WaitOptions } from './wait-options.ts'
import { WaitStep } from './wait-step.ts'

/** The waits of one step, to which more can be added. Dispose of it when all have ended. */
export interface Waits extends Disposable {
  /**
   * Waits until a prediction has ended or the deadline has come, whichever is first. Never rejects because of the API
   * or of a bug in one wait: every failure is part of the outcome.
   * @param known the answer to its creation
   */
  add(id: string, known?: Answer): Promise<Outcome>
}

/** Opens the waits of a step; its time begins now. */
export function openWaits(options: WaitOptions): Waits {
  const step = new WaitStep(options)
  return {
    add(id, known) {
      const wait = new PredictionWait(id, step, known)
      step.open.add(wait)
      return wait.run()
    },
    [Symbol.dispose]: () => step[Symbol.dispose](),
  }
}

/** Waits for predictions as {@link Waits} do. Outcomes come in the order of the IDs. */
export async function waitForPredictions(ids: readonly string[], options: WaitOptions): Promise<Outcome[]> {
  using waits = openWaits(options)
  return await Promise.all(ids.map((id) => waits.add(id)))
}
