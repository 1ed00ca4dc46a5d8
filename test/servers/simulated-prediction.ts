/** What a simulated prediction is at a moment of its life: functions of the plan and the time, which is in seconds. */

/** What happens to a prediction, in seconds since it was created. Logs are added to those before. */
export interface Moment {
  at: number
  status?: string
  logs?: string
  output?: unknown
  error?: unknown
}

export type StreamManner = 'honest' | 'silent' | 'short' | 'flood' | 'early' | 'refused' | 'none'

export interface Play {
  id?: string
  model?: string
  version?: string
  input?: Record<string, unknown>
  moments: Moment[]
  /** How the stream of the prediction behaves; `honest` unless told otherwise. */
  stream?: StreamManner
  /** Its time begins with the first request for it, however long a process takes to start. */
  startsWhenSeen?: boolean
  /** Seconds of the way to the API and back, half of them each way; none unless told otherwise. */
  roundTrip?: number
  /** Seconds by which the stream tells the end later than it is. */
  streamLag?: number
  /** Fields that replace those of the body as it would be. */
  body?: Record<string, unknown>
}

export interface Living extends Play {
  id: string
  born: number
  canceled?: number
  /** Seconds after the creation at which the API ends it by itself. */
  cancelAfter?: number
}

const TERMINAL = new Set(['succeeded', 'failed', 'canceled', 'aborted'])

export const isOver = (status: unknown) => TERMINAL.has(String(status))

/** The moment as the API writes it. */
export const stamp = (seconds: number) => new Date(performance.timeOrigin + seconds * 1000).toISOString()

/** The status by the plan, before anybody ended it early. */
const plannedStatus = (past: readonly Moment[]) =>
  past.findLast((moment) => moment.status !== undefined)?.status ?? 'starting'

/**
 * When and how a prediction was ended from outside. A deadline that comes while it runs cancels it, one that comes before
 * that aborts it (replicate.com/changelog/2025-10-16).
 */
function interruption(prediction: Living, now: number): { at: number; status: string } | undefined {
  const { born, canceled, cancelAfter } = prediction
  const deadline = cancelAfter === undefined ? Number.POSITIVE_INFINITY : born + cancelAfter
  const at = Math.min(canceled ?? Number.POSITIVE_INFINITY, deadline)
  if (at > now) return undefined
  const reached = plannedStatus(prediction.moments.filter((moment) => born + moment.at <= at))
  if (isOver(reached)) return undefined
  return { at, status: at === deadline && reached === 'starting' ? 'aborted' : 'canceled' }
}

/** The prediction as the API answers with it. @param now seconds */
export function answerOf(prediction: Living, now: number, origin: string): Record<string, unknown> {
  const { id, born, cancelAfter } = prediction
  const interrupted = interruption(prediction, now)
  const past = prediction.moments.filter(({ at }) => born + at <= (interrupted?.at ?? now))
  const last = <K extends keyof Moment>(name: K) => past.findLast((moment) => moment[name] !== undefined)?.[name]
  const status = interrupted?.status ?? plannedStatus(past)
  const started = past.find((moment) => moment.status !== undefined && moment.status !== 'starting')
  const began = started && born + started.at
  const ended = interrupted?.at ?? born + (past.findLast((moment) => moment.status !== undefined)?.at ?? 0)
  return {
    id,
    model: prediction.model ?? 'owner/model',
    version: prediction.version ?? 'hidden',
    input: prediction.input ?? {},
    logs: past.map((moment) => moment.logs ?? '').join(''),
    output: last('output') ?? null,
    data_removed: false,
    error: last('error') ?? null,
    source: 'api',
    status,
    created_at: stamp(born),
    ...(cancelAfter === undefined ? {} : { deadline: stamp(born + cancelAfter) }),
    ...(began === undefined ? {} : { started_at: stamp(began) }),
    ...(isOver(status) ? { completed_at: stamp(ended) } : {}),
    urls: {
      cancel: `https://api.replicate.com/v1/predictions/${id}/cancel`,
      get: `https://api.replicate.com/v1/predictions/${id}`,
      web: `https://replicate.com/p/${id}`,
      ...(prediction.stream === 'none' ? {} : { stream: `${origin}/stream/${id}` }),
    },
    metrics: isOver(status) && began !== undefined ? { predict_time: Number((ended - began).toFixed(6)) } : {},
    ...prediction.body,
  }
}

const UNITS = { h: 3600, m: 60, s: 1 }

/**
 * Seconds of a `Cancel-After` header: `90`, `90s`, `1h30m45s`; at least five (Replicate's HTTP reference).
 * @returns undefined if it is no such duration
 */
export function cancelAfterOf(header: string): number | undefined {
  const parts = /^(?:(?<h>\d+)h)?(?:(?<m>\d+)m)?(?:(?<s>\d+)s?)?$/.exec(header.trim())?.groups
  if (!parts || header.trim() === '') return undefined
  const seconds = Object.entries(UNITS).reduce((sum, [unit, size]) => sum + Number(parts[unit] ?? 0) * size, 0)
  return seconds < 5 ? undefined : seconds
}
