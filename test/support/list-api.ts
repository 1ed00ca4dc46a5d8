import assert from 'node:assert/strict'
import { seeded } from './faults.ts'
import { type PlayOptions, playWait, type Reaction, type ScriptedRequest } from './virtual-time.ts'

export interface Simulated {
  id: string
  /** Seconds. */
  starts: number
  ends: number
  end: 'succeeded' | 'failed'
}

/** How the list of the scripted API differs from a good one. */
export interface Manner {
  /** Answers each request for a list, counted from 0; undefined for the list. */
  instead?: (index: number) => Reaction | undefined
  /** Seconds by which it is behind. */
  lag?: number
  hides?: (id: string) => boolean
  /** Predictions of others before ours. */
  strangers?: number
  withoutOutput?: boolean
  /** Calls every prediction that runs failed. */
  claimsFailure?: boolean
  /** Goes on showing predictions that have ended as they were before. */
  hidesEnds?: boolean
  /** Shows each prediction twice: as it is, and as it was when it was created. */
  showsTwice?: boolean
}

const LATENCY = 0.05
export const isList = ({ path }: ScriptedRequest) => /\/predictions(?:\?|$)/.test(path)

/** An API whose predictions go by time; polls and the list see the same, unless told otherwise. */
export function api(predictions: readonly Simulated[], manner: Manner = {}) {
  const body = ({ id, starts, ends, end }: Simulated, at: number, withLogs: boolean) => {
    const running = at < starts ? 'starting' : 'processing'
    const done = at >= ends
    return {
      id,
      status: done ? end : running,
      model: 'octo/model',
      output: done && end === 'succeeded' ? `https://files.test/${id}.png` : null,
      error: done && end === 'failed' ? 'out of memory' : null,
      ...(withLogs ? { logs: at < starts ? '' : 'working\n' } : {}),
      metrics: done ? { predict_time: ends - starts } : {},
    }
  }
  let lists = 0
  return (request: ScriptedRequest): Reaction => {
    const at = request.at + LATENCY / 2
    if (!isList(request)) {
      const prediction = predictions.find(({ id }) => request.path.endsWith(`/${id}`))
      if (!prediction) return { status: 404, body: '{"detail":"Not found"}' }
      return { status: 200, body: JSON.stringify(body(prediction, at, true)) }
    }
    const instead = manner.instead?.(lists++)
    if (instead) return instead
    const strangers = Array.from({ length: manner.strangers ?? 0 }, (_, i) => ({ id: `x${i}`, status: 'succeeded' }))
    const ours = predictions
      .filter(({ id }) => !manner.hides?.(id))
      .map((each) => body(each, at - (manner.lag ?? 0), false))
      .map((each) => (manner.withoutOutput ? { ...each, output: null } : each))
      .map((each) => (manner.claimsFailure && each.status === 'processing' ? { ...each, status: 'failed' } : each))
      .map((each) =>
        manner.hidesEnds && each.status !== 'starting' ? { ...each, status: 'processing', output: null } : each,
      )
      .flatMap((each) => (manner.showsTwice ? [each, { ...each, status: 'starting', output: null }] : [each]))
    const all = [...strangers, ...ours]
    const from = Number(new URL(request.path, 'https://a.test').searchParams.get('cursor') ?? 0)
    const next = from + 100 < all.length ? `https://api.replicate.com/v1/predictions?cursor=${from + 100}` : null
    return { status: 200, body: JSON.stringify({ next, previous: null, results: all.slice(from, from + 100) }) }
  }
}

export function sample(count: number, seed: number, longest = 10): Simulated[] {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, i) => {
    const starts = random() * 5
    return {
      id: `id${i}`,
      starts,
      ends: starts + 2 + random() * longest,
      end: random() < 0.1 ? ('failed' as const) : ('succeeded' as const),
    }
  })
}

export async function play(predictions: readonly Simulated[], manner: Manner = {}, options: PlayOptions = {}) {
  const random = seeded(7)
  const ids = predictions.map(({ id }) => id)
  const played = await playWait(api(predictions, manner), { ids, random, ...options })
  const delays = played.outcomes.map(({ waited }, i) => waited - (predictions[i]?.ends ?? 0))
  return { ...played, lists: played.requests.filter(isList), latest: Math.max(...delays) }
}

/** The words of the server count, whatever a list said. */
export function assertRight(
  predictions: readonly Simulated[],
  outcomes: Awaited<ReturnType<typeof play>>['outcomes'],
): void {
  for (const [i, { id, end }] of predictions.entries()) {
    const outcome = outcomes[i]
    assert.deepEqual([outcome?.id, outcome?.end, outcome?.status], [id, 'ended', end])
    const output = end === 'succeeded' ? `https://files.test/${id}.png` : null
    assert.equal(outcome?.answer?.prediction.output, output)
  }
}
