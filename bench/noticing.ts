/** How soon the end of a prediction is noticed, and for how many requests: the schedule that ships, on an injected clock. */
import { adaptiveSchedule, fixedSchedule, type Schedule } from '../src/predictions/schedule.ts'
import type { Section } from './report.ts'
import { Dice, logAt, MIXES, type Simulated, sample } from './workload.ts'

const COUNT = 8000
const SEED = 20_260
/** Seconds, from and to, by which a stream tells the end later than it is, the way to us left out. */
export const RING = [0.02, 0.15] as const

export interface Policy {
  name: string
  schedule(random: () => number): Schedule
  /** Whether there is a stream, and if so, whether it tells the end or speaks once and never again. */
  push?: boolean | 'mute'
}

/** Waits that grow by half from half a second to five. */
function exponential(): Schedule {
  let wait = 0.5 / 1.5
  return { first: () => 0.5, next: () => (wait = Math.min(5, wait * 1.5)), left: () => undefined }
}
/** The official client looks at once, then after each interval (`wait` of its package `replicate`), as loops in shells do. */
const every = (seconds: number) => () => fixedSchedule(seconds)

export const OFFICIAL: Policy = { name: 'official client: every 500 ms', schedule: every(0.5) }
export const OURS: Policy = { name: 'this action', schedule: adaptiveSchedule }
export const PUSHED: Policy = { name: 'this action, with push', schedule: adaptiveSchedule, push: true }
const MUTE: Policy = {
  name: 'this action, with a stream that never signals the end',
  schedule: adaptiveSchedule,
  push: 'mute',
}
const POLICIES: readonly Policy[] = [
  OFFICIAL,
  { name: 'every 1 s', schedule: every(1) },
  { name: 'every 2 s', schedule: every(2) },
  { name: 'every 5 s', schedule: every(5) },
  { name: 'exponential, 0.5 s to 5 s', schedule: exponential },
  OURS,
  PUSHED,
  MUTE,
]

/** Plays one prediction under one policy. Times are in seconds after the creation. */
function play(
  prediction: Simulated,
  { schedule: make, push = false }: Policy,
  dice: Dice,
): { requests: number; delay: number } {
  const roundTrip = () =>
    prediction.roundTrip * Math.exp(0.15 * dice.normal()) + (dice.chance(0.01) ? dice.between(0.3, 2) : 0)
  const schedule = make(dice.unit)
  // The stream opens after the first look has told its address, and rings a moment after the end.
  let rings = Number.POSITIVE_INFINITY
  let now = prediction.roundTrip / 2
  // The wait is given the id by an earlier step: the official client's own loop starts after the creation too.
  let wait = schedule.first(1)
  let streams = 0
  for (let requests = 1; ; requests++) {
    const woken = rings > now && rings <= now + wait
    const sent = woken ? rings : now + wait
    const trip = roundTrip()
    now = sent + trip
    const seen = sent + trip / 2
    if (seen >= prediction.ends) return { requests: requests + streams, delay: now - prediction.ends }
    if (push && streams === 0) {
      streams = 1
      const told = Math.max(now + roundTrip(), prediction.ends + prediction.roundTrip / 2 + dice.between(...RING))
      if (push !== 'mute') rings = told
    }
    wait = schedule.next({
      now,
      started: seen >= prediction.starts,
      logs: logAt(prediction, seen),
      sharers: 1,
      streaming: streams === 1 && requests > 1,
      woken,
    })
  }
}

export interface Figures {
  requests: number
  mean: number
  p50: number
  p95: number
}

export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const quantile = (values: readonly number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0

/** The same predictions under one policy, one after the other. */
export function figures(predictions: readonly Simulated[], policy: Policy): Figures {
  const results = predictions.map((prediction, i) => play(prediction, policy, new Dice(i * 31 + 7)))
  const delays = results.map(({ delay }) => delay)
  return {
    requests: mean(results.map(({ requests }) => requests)),
    mean: mean(delays),
    p50: quantile(delays, 0.5),
    p95: quantile(delays, 0.95),
  }
}

/**
 * The least mean delay, in seconds, of a timer that knows how the durations of a mix are distributed, and nothing of
 * the single prediction, at a given number of requests for each. With a density of looks n(t), a density of ends f(t)
 * and a share S(t) that still runs, requests are ∫nS and the delay is ∫f/2n; their product is least if n = √(f/2S):
 * half the square of ∫√(fS) (Keller 1974). Half a round trip comes on top.
 */
function timerBound(predictions: readonly Simulated[], requests: number): number {
  const ends = predictions.map((prediction) => prediction.ends).toSorted((a, b) => a - b)
  const steps = Math.min(100, Math.floor(ends.length / 20))
  let integral = 0
  for (let i = 0; i < steps; i++) {
    const from = ends[Math.floor((i * ends.length) / steps)] ?? 0
    const to = ends[Math.min(ends.length - 1, Math.floor(((i + 1) * ends.length) / steps))] ?? 0
    // Between two quantiles the ends are taken as spread evenly: f is the share over the width.
    integral += Math.sqrt(((to - from) / steps) * (1 - (i + 0.5) / steps))
  }
  return integral ** 2 / (2 * requests) + mean(predictions.map(({ roundTrip }) => roundTrip)) / 2
}

export function noticing(): Section {
  const rows: Section['rows'] = []
  const add = (mix: string, policy: Policy, predictions: readonly Simulated[], official: Figures) => {
    const { requests, mean: delay, p50, p95 } = policy === OFFICIAL ? official : figures(predictions, policy)
    rows.push({
      mix,
      policy: policy.name,
      requests: requests.toFixed(1),
      'mean s': delay.toFixed(2),
      'p50 s': p50.toFixed(2),
      'p95 s': p95.toFixed(2),
      'requests ×': (requests / official.requests).toFixed(2),
      'delay ×': (delay / official.mean).toFixed(2),
      'bound s': timerBound(predictions, requests).toFixed(2),
    })
  }
  for (const mix of Object.keys(MIXES)) {
    const predictions = sample(mix, COUNT, SEED)
    const official = figures(predictions, OFFICIAL)
    for (const policy of mix === 'realistic' ? POLICIES : [OURS, PUSHED]) add(mix, policy, predictions, official)
  }
  const realistic = Map.groupBy(sample('realistic', COUNT, SEED), ({ kind }) => kind)
  for (const [kind, predictions] of realistic) {
    const official = figures(predictions, OFFICIAL)
    for (const policy of [OURS, PUSHED]) add(kind, policy, predictions, official)
  }
  return {
    name: 'noticing',
    title: `Delay until the end is noticed: ${COUNT} predictions of each mix, in virtual time, against the official client's 500 ms`,
    rows,
  }
}
