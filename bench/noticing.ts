/** How soon the end of a prediction is noticed, and for how many requests: the schedule that ships, on an injected clock. */
import { adaptiveSchedule, fixedSchedule, type Schedule } from '../src/replicate/schedule.ts'
import type { Section } from './report.ts'
import { Dice, logAt, MIXES, type Simulated, sample } from './workload.ts'

const COUNT = 8000
const SEED = 20_260

interface Policy {
  name: string
  schedule(random: () => number): Schedule
  push?: boolean
}

/** Waits that grow by half from half a second to five. */
function exponential(): Schedule {
  let wait = 0.5 / 1.5
  return { first: () => 0.5, next: () => (wait = Math.min(5, wait * 1.5)), left: () => undefined }
}
/** A client that has just created a prediction looks after its first interval, ours as soon as it may have ended. */
const every = (seconds: number) => (): Schedule => ({ ...fixedSchedule(seconds), first: () => seconds })

const POLICIES: readonly Policy[] = [
  { name: 'official client: every 500 ms', schedule: every(0.5) },
  { name: 'every 1 s', schedule: every(1) },
  { name: 'every 2 s', schedule: every(2) },
  { name: 'every 5 s', schedule: every(5) },
  { name: 'exponential, 0.5 s to 5 s', schedule: exponential },
  { name: 'ours', schedule: adaptiveSchedule },
  { name: 'ours, with push', schedule: adaptiveSchedule, push: true },
]

/** Plays one prediction under one policy. Times are in seconds after the creation. */
export function play(
  prediction: Simulated,
  { schedule: make, push = false }: Omit<Policy, 'name'>,
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
      rings = Math.max(now + roundTrip(), prediction.ends + prediction.roundTrip / 2 + dice.between(0.02, 0.15))
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

interface Figures {
  requests: number
  mean: number
  p50: number
  p95: number
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const quantile = (values: readonly number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0

function figures(predictions: readonly Simulated[], policy: Policy): Figures {
  const results = predictions.map((prediction, i) => play(prediction, policy, new Dice(i * 31 + 7)))
  const delays = results.map(({ delay }) => delay)
  return {
    requests: mean(results.map(({ requests }) => requests)),
    mean: mean(delays),
    p50: quantile(delays, 0.5),
    p95: quantile(delays, 0.95),
  }
}

export function noticing(): Section {
  const rows: Section['rows'] = []
  for (const mix of Object.keys(MIXES)) {
    const predictions = sample(mix, COUNT, SEED)
    const official = figures(predictions, POLICIES[0] as Policy)
    for (const policy of POLICIES) {
      if (mix !== 'realistic' && !policy.name.startsWith('ours')) continue
      const { requests, mean: delay, p50, p95 } = figures(predictions, policy)
      rows.push({
        mix,
        policy: policy.name,
        requests: requests.toFixed(1),
        'mean s': delay.toFixed(2),
        'p50 s': p50.toFixed(2),
        'p95 s': p95.toFixed(2),
        'requests ×': (requests / official.requests).toFixed(2),
        'delay ×': (delay / official.mean).toFixed(2),
      })
    }
    // The best that a timer without information can do is bounded by the product of both (Keller 1974).
    if (mix !== 'realistic') continue
    for (const kind of new Set(predictions.map((prediction) => prediction.kind))) {
      const some = predictions.filter((prediction) => prediction.kind === kind)
      const theirs = figures(some, POLICIES[0] as Policy)
      for (const policy of POLICIES.slice(-2)) {
        const ours = figures(some, policy)
        rows.push({
          mix: kind,
          policy: policy.name,
          requests: ours.requests.toFixed(1),
          'mean s': ours.mean.toFixed(2),
          'p50 s': ours.p50.toFixed(2),
          'p95 s': ours.p95.toFixed(2),
          'requests ×': (ours.requests / theirs.requests).toFixed(2),
          'delay ×': (ours.mean / theirs.mean).toFixed(2),
        })
      }
    }
  }
  return {
    name: 'noticing',
    title: `Noticing the end: ${COUNT} predictions of each mix, in virtual time, against the official client's 500 ms`,
    rows,
  }
}
