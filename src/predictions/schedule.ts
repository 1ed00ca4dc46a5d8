import { progressOf } from './progress.ts'
import { REQUESTS_PER_SECOND } from './rate-limiter.ts'

/** What is known when a good answer has come that is not the end. Times in seconds since the wait began. */
export interface Look {
  now: number
  /** The prediction has left the queue. */
  started: boolean
  logs: string
  /** Predictions that are asked about at once on the same account. */
  sharers: number
  /** A stream is open that has spoken, so the end will be told. */
  streaming: boolean
  /** The stream has told that something happened. */
  woken: boolean
}

/** When to look at one prediction. Pure but for what it remembers: seconds in, seconds out. */
export interface Schedule {
  /** Seconds until the first look. */
  first(sharers: number): number
  /** Seconds until the next look. */
  next(look: Look): number
  /** Seconds to the end as the log predicts it; undefined where it predicts nothing. */
  left(now: number): number | undefined
}

/** Up to so many predictions an account is asked about without regard for the others. */
export const SHARERS_FREE = 40

/** Of the time that a bar promises, so much is slept before looking again. */
const AHEAD = 0.6
/** Past the predicted end, the wait is this part of the time past it: dense at first, then thinner. */
const FAN = 0.04
const SHORTEST_WAIT = 0.2
/** Never many more requests than a client that asks every so many seconds would make, and so many more. */
const PACE = 0.75
const SLACK = 10

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value))
/** Nothing is known about the end. The square root is the best law for a duration of unknown scale (Keller 1974). */
const alert = (elapsed: number) => Math.max(0.45, 0.05 * Math.sqrt(elapsed))
/** Something says that the end is not near, or will tell when it is there. */
const calm = (elapsed: number) => Math.max(2, 0.4 * Math.sqrt(elapsed))
/** The prediction has not even started. */
const queued = (elapsed: number) => clamp(0.12 * elapsed, 0.45, 5)
/** The end will be told; a look now and then guards against a stream that lies. */
const lazy = (now: number, end: number | undefined) => {
  if (end === undefined) return calm(now)
  return end > now ? clamp(AHEAD * (end - now), 0.4, calm(now)) : clamp(0.11 * (now - end), 0.33, calm(now))
}
/** The part of each of many that share a limit, spread so that they do not come together. */
const share = (sharers: number, random: () => number) =>
  sharers > SHARERS_FREE ? (sharers / REQUESTS_PER_SECOND) * (0.75 + 0.5 * random()) : 0

/**
 * Asks when the end is likely: seldom while a progress bar says that it is far, densely where the bar has promised it,
 * and by a slowly growing interval where nothing is known. A bar that misleads costs requests, not delay: only a mark
 * that is new moves the prediction.
 */
export function adaptiveSchedule(random: () => number = Math.random): Schedule {
  let lastLook = 0
  let looks = 0
  let started: number | undefined
  let end: number | undefined
  let seen: string | undefined
  /** When the stream rang last. */
  let rung: number | undefined
  /** The mark from which the speed of percentages is measured, and the fraction of the last one. */
  let reference: { now: number; fraction: number; last: number } | undefined

  /** Moves the predicted end where the log has a new mark. */
  const predict = (logs: string, now: number) => {
    const mark = progressOf(logs)
    if (mark === undefined || mark.at === seen) return
    seen = mark.at
    let { left } = mark
    if (left === undefined && reference && mark.fraction > reference.fraction) {
      left = ((1 - mark.fraction) * (now - reference.now)) / (mark.fraction - reference.fraction)
    }
    if (!reference || mark.fraction < reference.last) reference = { now, fraction: mark.fraction, last: mark.fraction }
    reference.last = mark.fraction
    if (mark.fraction >= 1) end = Math.min(end ?? now, now)
    else if (left !== undefined) end = now + left
  }

  return {
    first: (sharers) => (sharers > SHARERS_FREE ? (sharers / REQUESTS_PER_SECOND) * random() : 0),
    next({ now, started: hasStarted, logs, sharers, streaming, woken }) {
      looks++
      // It started somewhere between the two looks.
      if (started === undefined && hasStarted) started = (lastLook + now) / 2
      lastLook = now
      predict(logs, now)
      if (woken) rung = now

      const blind = started === undefined ? queued(now) : alert(now - started)
      let wait: number
      if (rung !== undefined) wait = clamp(FAN * (now - rung), SHORTEST_WAIT, blind)
      else if (streaming) wait = lazy(now, end)
      else if (end === undefined) wait = blind
      else if (end > now) wait = clamp(AHEAD * (end - now), SHORTEST_WAIT, calm(now - (started ?? 0)))
      else wait = clamp(FAN * (now - end), SHORTEST_WAIT, blind)
      if (looks > SLACK + now / PACE) wait = Math.max(wait, blind, PACE)
      return Math.max(wait * (0.9 + 0.2 * random()), share(sharers, random))
    },
    left: (now) => (end !== undefined && end > now ? end - now : undefined),
  }
}

/** Asks every so many seconds, as the user wants it. */
export function fixedSchedule(seconds: number): Schedule {
  return { first: () => 0, next: () => seconds, left: () => undefined }
}
