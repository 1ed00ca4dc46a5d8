import { type Clock, systemClock } from '../../src/predictions/clock.ts'

/** The machine's clock, `times` times as fast: patience of minutes passes in seconds, with real servers and files. */
export const fastClock = (times: number): Clock => ({
  now: () => systemClock.now() * times,
  sleep: (seconds, signal) => systemClock.sleep(seconds / times, signal),
})
