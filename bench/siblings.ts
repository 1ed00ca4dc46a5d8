/** Predictions of one model in one step, in virtual time: what those that have ended tell about the others. */
import { playWait, type ScriptedRequest } from '../test/support/virtual-time.ts'
import { mean } from './noticing.ts'
import type { Section } from './report.ts'
import { Dice } from './workload.ts'

const COUNT = 50
/** Predictions that run at the same time; the others queue. */
const WIDE = 10
const BATCHES = 6
const SEED = 98_431
/** Seconds of a round trip: the middle of those of the mixes. */
const LATENCY = 0.175
const PAGE = 100
/** Seconds between two polls of the official client. */
const OFFICIAL_INTERVAL = 0.5

/** @param sigma spread of the logarithm of run times; odd: share that takes up to three times as long */
const KINDS = [
  { name: 'half a minute', median: 45, sigma: 0.05, odd: 0.03 },
  { name: 'half a minute', median: 45, sigma: 0.15, odd: 0.05 },
  { name: 'half a minute', median: 45, sigma: 0.4, odd: 0.05 },
  { name: 'video', median: 150, sigma: 0.05, odd: 0.03 },
  { name: 'video', median: 150, sigma: 0.15, odd: 0.05 },
  { name: 'video', median: 150, sigma: 0.4, odd: 0.05 },
] as const
type Kind = (typeof KINDS)[number]

interface Planned {
  id: string
  starts: number
  ends: number
}

/** Each starts as soon as one of the places is free. */
function batch({ median, sigma, odd }: Kind, dice: Dice): Planned[] {
  const places = new Array<number>(WIDE).fill(0)
  return Array.from({ length: COUNT }, (_, i) => {
    const place = places.indexOf(Math.min(...places))
    const starts = (places[place] ?? 0) + dice.between(0.05, 0.5)
    const seconds = dice.skewed(median, sigma) * (dice.chance(odd) ? dice.between(1.5, 3) : 1)
    places[place] = starts + seconds
    return { id: `p${i}`, starts, ends: starts + seconds }
  })
}

/** An API whose predictions print nothing, with a list or without one. */
function api(predictions: readonly Planned[], list: boolean) {
  const byId = new Map(predictions.map((each) => [each.id, each]))
  const bodyOf = ({ id, starts, ends }: Planned, at: number) => {
    const open = at < starts ? 'starting' : 'processing'
    const isOver = at >= ends
    const metrics = isOver ? { predict_time: ends - starts } : {}
    return { id, status: isOver ? 'succeeded' : open, model: 'octo/model', output: isOver ? 'x' : null, metrics }
  }
  return ({ path, at }: ScriptedRequest) => {
    const seen = at + LATENCY / 2
    const one = byId.get(path.slice(path.lastIndexOf('/') + 1))
    if (one) return { status: 200, body: JSON.stringify(bodyOf(one, seen)), latency: LATENCY }
    if (!list) return { status: 404, body: '{"detail":"Not found"}', latency: LATENCY }
    const results = predictions.slice(0, PAGE).map((each) => bodyOf(each, seen))
    return { status: 200, body: JSON.stringify({ next: null, previous: null, results }), latency: LATENCY }
  }
}

interface Played {
  requests: number
  delay: number
}

async function playOurs(predictions: readonly Planned[], list: boolean, random: () => number): Promise<Played> {
  const ids = predictions.map(({ id }) => id)
  const { outcomes, requests } = await playWait(api(predictions, list), { ids, random, timeout: 7200 })
  const delays = outcomes.map(({ waited }, i) => waited - (predictions[i]?.ends ?? 0))
  return { requests: requests.length, delay: mean(delays) }
}

/** Polls each at once, then half a second after each answer. */
function playOfficial(predictions: readonly Planned[]): Played {
  const polls = predictions.map(({ ends }) =>
    Math.max(0, Math.ceil((ends - LATENCY / 2) / (OFFICIAL_INTERVAL + LATENCY))),
  )
  const delays = predictions.map(({ ends }, i) => (polls[i] ?? 0) * (OFFICIAL_INTERVAL + LATENCY) + LATENCY - ends)
  return { requests: polls.reduce((sum, each) => sum + each + 1, 0), delay: mean(delays) }
}

export async function siblings(): Promise<Section> {
  const rows: Section['rows'] = []
  for (const kind of KINDS) {
    const batches = Array.from({ length: BATCHES }, (_, i) => batch(kind, new Dice(SEED + i * 131)))
    const official = batches.map(playOfficial)
    for (const list of [false, true]) {
      const ours: Played[] = []
      for (const [i, each] of batches.entries()) ours.push(await playOurs(each, list, new Dice(SEED + i).unit))
      const ratio = (of: (played: Played) => number) => (mean(ours.map(of)) / mean(official.map(of))).toFixed(2)
      rows.push({
        predictions: kind.name,
        'spread σ': String(kind.sigma),
        list: list ? 'yes' : 'no',
        'requests ×': ratio(({ requests }) => requests),
        'delay ×': ratio(({ delay }) => delay),
      })
    }
  }
  const title = `${COUNT} predictions of one model in one step, ${WIDE} of which run at the same time, without logs: ${BATCHES} batches a row in virtual time, against the official client's 500 ms`
  return { name: 'siblings', title, rows }
}
