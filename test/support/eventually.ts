import { setTimeout as sleep } from 'node:timers/promises'

/** Seconds that something may take on a machine that is busy with other things. */
const PATIENCE = 60

/** Waits until something is so, however busy the machine is. @param what for the error, if it never comes */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const until = performance.now() + PATIENCE * 1000
  while (!condition()) {
    if (performance.now() > until) throw new Error(`${what} did not come within ${PATIENCE} s`)
    await sleep(10)
  }
}
