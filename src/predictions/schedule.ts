import { progressOf } from './progress.ts'
import { REQUESTS_PER_SECOND } from './rate-limiter.ts'
import { jittered } from './retry.ts'
import type { RunTimes } from './run-times.ts'

/** What is known when a good answer has come that is not the end. Times in seconds since the wait began. */
export interface Observation {
  now: number
  /** The prediction has left the queue. */
  started: boolean
  logs: string
  /** Predictions that are polled at the same time on the same account. */
  sharers: number
  /** A stream is open that has sent something, so its end signal can be expected. */
  streaming: boolean
  /** The stream has signalled that something happened. */
  woken: boolean
  /** What the step knows of the other predictions of the same model; undefined if there are none. */
  siblings?: Siblings | undefined
  /** Seconds in which the API has nothing new to say. */
  refresh?: number | undefined
}

/** The other predictions of one model in one step. */
export interface Siblings {
  /** Of those that have succeeded. */
  runs: RunTimes
  /** How many have not ended, this one included. */
  open: number
}

/** When to poll one prediction. Pure but for what it remembers: seconds in, seconds out. */
export interface Schedule {
  /** Seconds until the first poll. */
  first(sharers: number): number
  /** Seconds until the next poll. */
  next(observation: Observation): number
  /** Seconds to the end as the log predicts it; undefined if it predicts nothing. */
  left(now: number): number | undefined
}

/** Up to this many predictions are polled on one account without regard for each other. */
export const SHARERS_FREE = 40

/** In the queue: this share of the time waited, with a minimum and a maximum in seconds. */
const QUEUE = { part: 0.2, least: 0.75, most: 5 }
/** Running, and nothing is known about the end: seconds times √t, at least and at most. */
const UNKNOWN_END = { root: 0.3, least: 0.5, most: 0.73 }
/** A predicted end lies ahead: this part of the time left, and never longer than the larger of two terms. */
const BEFORE_PREDICTED_END = { part: 0.6, least: 1.2, root: 0.14 }
/** Around the predicted end: a fixed pause and one by √t (the longer the run, the longer its tail), growing past it. */
const AROUND_END = { fixed: 0.1, root: 0.02, growth: 0.02 }
/** With a stream: the pause that guards against one that never signals, and the pauses around a predicted end. */
const GUARD = { least: 2, root: 0.6 }
const AROUND_END_WITH_STREAM = { fixed: 0.1, root: 0.05, growth: 0.05 }
/** After the end signal of a stream, which can come before the API knows of the end. */
const AFTER_SIGNAL = { part: 0.04, least: 0.2 }
/** At most EXTRA_POLLS polls more than one every SECONDS_PER_POLL seconds. */
const SECONDS_PER_POLL = 0.75
const EXTRA_POLLS = 10
/**
 * Of siblings: the widest spread of their run times that is informative; the share of the time left to sleep, and
 * the longest sleep; how dense polls are around the usual end, with the shortest and the longest pause; and the pauses
 * in the queue.
 */
const SIBLINGS = {
  widest: 0.4,
  part: 0.7,
  least: 1,
  root: 0.12,
  inside: 0.125,
  densest: 0.25,
  sparsest: 0.55,
  queuePart: 0.2,
  queueMost: 8,
}
/** While no sibling has ended, each polls less: from `after` seconds of run time on, as if `share` of them shared one poll. */
const SCOUTS = { after: 10, share: 4 }

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value))
/** The part of each of many that share a limit, spread so that they do not come together. */
const share = (sharers: number, random: () => number) =>
  sharers > SHARERS_FREE ? jittered(sharers / REQUESTS_PER_SECOND, random) : 0

/** What is remembered between two polls of one prediction. */
interface Memory {
  lastPoll: number
  polls: number
  /** When it left the queue, halfway between the two polls in which that was seen. */
  started: number | undefined
  /** When the log predicts the end. */
  end: number | undefined
  /** The last mark of the log that was read. */
  seen: string | undefined
  /** When the stream signalled last. */
  signalled: number | undefined
  /** Predicted ends that passed and were followed by another prediction. */
  broken: number
  /** The mark from which the speed of percentages is measured, and the fraction of the last one. */
  reference: { now: number; fraction: number; last: number } | undefined
}

/** Moves the predicted end if the log has a new mark. A bar that misleads costs requests, not delay. */
function predictEnd(memory: Memory, logs: string, now: number): void {
  const mark = progressOf(logs)
  if (mark === undefined || mark.at === memory.seen) return
  memory.seen = mark.at
  const { reference } = memory
  let { left } = mark
  if (left === undefined && reference && mark.fraction > reference.fraction) {
    left = ((1 - mark.fraction) * (now - reference.now)) / (mark.fraction - reference.fraction)
  }
  const isNew = !reference || mark.fraction < reference.last
  memory.reference = isNew
    ? { now, fraction: mark.fraction, last: mark.fraction }
    : { ...reference, last: mark.fraction }
  if (mark.fraction >= 1) memory.end = Math.min(memory.end ?? now, now)
  else if (left !== undefined) {
    if (memory.end !== undefined && memory.end <= now) memory.broken++
    memory.end = now + left
  }
}

/** The pause while nothing indicates when the end will be. */
function unknownEnd(memory: Memory, { now, siblings }: Observation): number {
  const { started } = memory
  if (started === undefined) return clamp(QUEUE.part * now, QUEUE.least, QUEUE.most)
  const pause = clamp(UNKNOWN_END.root * Math.sqrt(now - started), UNKNOWN_END.least, UNKNOWN_END.most)
  if (siblings?.runs.count !== 0 || now - started <= SCOUTS.after) return pause
  const scouts = Math.max(1, siblings.open / SCOUTS.share)
  return Math.min(pause * Math.sqrt(scouts), longestForSiblings(now - started))
}

const longestForSiblings = (elapsed: number) => Math.max(SIBLINGS.least, SIBLINGS.root * Math.sqrt(elapsed))

/**
 * The pause that the run times of siblings suggest: long before their usual end, dense around it; undefined if they
 * indicate nothing, or differ too much to be informative.
 */
function untilSiblingsEnd(memory: Memory, { now, siblings }: Observation, otherwise: number): number | undefined {
  const usual = siblings?.runs.usual
  if (usual === undefined || usual.spread > SIBLINGS.widest) return undefined
  const { from, to, middle, spread } = usual
  if (memory.started === undefined) {
    return Math.max(otherwise, Math.min(SIBLINGS.queuePart * from, SIBLINGS.queueMost))
  }
  const elapsed = now - memory.started
  const inside = clamp(
    SIBLINGS.inside * Math.sqrt(middle * spread),
    SIBLINGS.densest,
    Math.min(SIBLINGS.sparsest, otherwise),
  )
  if (elapsed < from) return clamp(SIBLINGS.part * (from - elapsed), inside, longestForSiblings(elapsed))
  return elapsed <= to ? inside : undefined
}

/** The pause around a predicted end, sparser with each prediction of the log that was broken. */
const dense = (memory: Memory, law: { fixed: number; root: number }, root: number) =>
  (law.fixed + law.root * root) * Math.sqrt(1 + memory.broken)

/** Only a guard: the end will be signalled, unless the stream never does. */
function withStream(memory: Memory, { now }: Observation, root: number): number {
  const guard = Math.max(GUARD.least, GUARD.root * Math.sqrt(now))
  const { end } = memory
  if (end === undefined) return guard
  const densest = dense(memory, AROUND_END_WITH_STREAM, root)
  if (end > now) return clamp(BEFORE_PREDICTED_END.part * (end - now), Math.min(densest, guard), guard)
  return Math.min(densest + AROUND_END_WITH_STREAM.growth * (now - end), guard)
}

function untilPredictedEnd(
  memory: Memory,
  { end, now, otherwise, root }: { end: number; now: number; otherwise: number; root: number },
): number {
  const densest = dense(memory, AROUND_END, root)
  if (end <= now) return Math.min(densest + AROUND_END.growth * (now - end), otherwise)
  const longest = Math.max(BEFORE_PREDICTED_END.least, BEFORE_PREDICTED_END.root * root)
  return clamp(BEFORE_PREDICTED_END.part * (end - now), Math.min(densest, otherwise), longest)
}

function pauseOf(memory: Memory, observation: Observation): number {
  const { now } = observation
  const root = memory.started === undefined ? 0 : Math.sqrt(now - memory.started)
  const otherwise = unknownEnd(memory, observation)
  if (memory.signalled !== undefined) {
    return clamp(AFTER_SIGNAL.part * (now - memory.signalled), AFTER_SIGNAL.least, otherwise)
  }
  if (observation.streaming) return withStream(memory, observation, root)
  if (memory.end !== undefined) return untilPredictedEnd(memory, { end: memory.end, now, otherwise, root })
  return untilSiblingsEnd(memory, observation, otherwise) ?? otherwise
}

/**
 * Polls when the end is likely: rarely while a progress bar shows that it is far off, often around the predicted end,
 * and every half second, soon three quarters of one, when nothing is known. A stream leaves only a guard.
 */
export function adaptiveSchedule(random: () => number = Math.random): Schedule {
  const memory: Memory = {
    lastPoll: 0,
    polls: 0,
    started: undefined,
    end: undefined,
    seen: undefined,
    signalled: undefined,
    broken: 0,
    reference: undefined,
  }
  return {
    first: (sharers) => (sharers > SHARERS_FREE ? (sharers / REQUESTS_PER_SECOND) * random() : 0),
    next(observation) {
      const { now } = observation
      memory.polls++
      if (memory.started === undefined && observation.started) memory.started = (memory.lastPoll + now) / 2
      memory.lastPoll = now
      predictEnd(memory, observation.logs, now)
      if (observation.woken) memory.signalled = now
      let pause = pauseOf(memory, observation) * (0.9 + 0.2 * random())
      if (memory.polls > EXTRA_POLLS + now / SECONDS_PER_POLL) {
        pause = Math.max(pause, unknownEnd(memory, observation), SECONDS_PER_POLL)
      }
      return Math.max(pause, share(observation.sharers, random))
    },
    left: (now) => (memory.end !== undefined && memory.end > now ? memory.end - now : undefined),
  }
}

/** Another schedule, but no faster than at the given interval, nor than the API has something new to say. */
export function pacedSchedule(schedule: Schedule, shortest: number): Schedule {
  return {
    ...schedule,
    next: (observation) => Math.max(schedule.next(observation), shortest, observation.refresh ?? 0),
  }
}

/** Polls at the interval that the user chose. */
export function fixedSchedule(seconds: number): Schedule {
  return { first: () => 0, next: () => seconds, left: () => undefined }
}
