/** The faults that a predictions API has been seen with, and random scripts made of them; for tests and for the soak. */
import { readStatus } from '../../src/predictions/prediction.ts'
import type { Reaction, ScriptedRequest } from './virtual-time.ts'

/** An answer that refuses. */
export const refuses = (status: number, body = '', headers: Record<string, string> = {}): Reaction => ({
  status,
  body,
  headers,
})

/** What `id` is answered with while it has the status. What has ended has an output: without one it is looked at again. */
export const says = (status: string, id = 'abc', more: object = {}): Reaction => ({
  status: 200,
  body: JSON.stringify({ id, status, ...(readStatus(status).status === 'succeeded' ? { output: 'x' } : {}), ...more }),
})

/** Faults that pass by themselves. */
export const PASSING: Readonly<Record<string, Reaction>> = {
  reset: { code: 'ECONNRESET' },
  'connection refused': { code: 'ECONNREFUSED' },
  'keep-alive connection closed by the server': { code: 'UND_ERR_SOCKET' },
  'name not found': { code: 'ENOTFOUND', latency: 0.5 },
  'name server away': { code: 'EAI_AGAIN', latency: 5 },
  'connect time-out': { code: 'UND_ERR_CONNECT_TIMEOUT', latency: 10 },
  'empty body': { status: 200, body: '' },
  'cut-off body': { status: 200, body: '{"id":"abc","status":"succee' },
  'body twice': { status: 200, body: '{"id":"abc","status":"succeeded"}{"id":"abc","status":"succeeded"}' },
  'slow answer': { status: 200, body: '{"id":"abc","status":"processing"}', latency: 45 },
  '408': refuses(408),
  '425': refuses(425),
  'empty 429': refuses(429),
  '429 with seconds': refuses(429, '', { 'retry-after': '3' }),
  '429 with a fraction': refuses(429, '', { 'retry-after': '0.2' }),
  '429 with a day': refuses(429, '', { 'retry-after': '86400' }),
  '429 with a negative': refuses(429, '', { 'retry-after': '-30' }),
  '429 with a past date': refuses(429, '', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }),
  '429 with a phrase': refuses(429, '{"detail":"Your rate limit resets in ~2s."}'),
  '429 with ratelimit-reset': refuses(429, '', { 'ratelimit-reset': '4' }),
  'empty 500': refuses(500),
  'panic 500': refuses(500, '{"error":{"message":"Panic detected","type":"new_api_panic"}}'),
  '502 page': refuses(502, '<html><title>502 Bad Gateway</title>'),
  '503': refuses(503, '{"error":{"message":"无可用渠道"}}'),
  '504': refuses(504),
  '520': refuses(520),
  '522': refuses(522),
  '524': refuses(524),
  '529': refuses(529),
}

/** Faults that stay. */
export const FINAL: Readonly<Record<string, Reaction>> = {
  '400': refuses(400, '{"detail":"bad"}'),
  '401': refuses(401, '{"detail":"key"}'),
  '402': refuses(402),
  '403': refuses(403),
  '405': refuses(405),
  '410': refuses(410),
  '422': refuses(422),
  '501': refuses(501),
  redirect: refuses(302),
  'invalid_request 500': refuses(500, '{"error":{"code":"invalid_request","message":"x"}}'),
  certificate: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
}

/** A small random generator with a seed (a linear congruence), so that a script can be played again. */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}

/** A prediction, the troubles on the way to its end, and the outcome that this demands. */
export interface Script {
  timeout: number
  react(request: ScriptedRequest): Reaction
  /** The outcomes that are right: `ended` with the status, or the timeout. */
  right: { ended: string | undefined; timeout: boolean }
}

/** Makes a random script. Trouble before the first good answer is kept short: a long one may end a wait by itself. */
export function randomScript(random: () => number): Script {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const starts = random() * 60
  const end = starts + random() ** 3 * 3000
  const status = pick(['succeeded', 'failed', 'canceled', 'aborted', 'SUCCESS', 'cancelled'])
  const timeout = 1 + random() ** 2 * 4000
  const missing = random() < 0.3 ? random() * 6 : 0
  const troubles = Array.from({ length: Math.floor(random() * 6) }, () => {
    const from = missing + 15 + random() * end * 1.2
    return { from, to: from + random() ** 2 * 600, kind: pick(Object.values(PASSING)) }
  })
  // Hangs last until the request is given up, a minute and a half later.
  const calm = Math.max(end, missing, ...troubles.map(({ to }) => to)) + 330
  return {
    timeout,
    react({ at }) {
      if (at < missing) return refuses(404)
      const trouble = troubles.find(({ from, to }) => at >= from && at < to)
      if (trouble) return trouble.kind
      if (at >= end) return says(status)
      return says(at >= starts ? 'processing' : 'starting')
    },
    right: {
      ended: timeout >= end ? status : undefined,
      timeout: timeout < calm,
    },
  }
}
