import * as z from 'zod/mini'
import { numberOf } from './json/numbers.ts'

/** A field that is read when it has the expected shape and ignored when it has not: only `id` and `status` make a prediction. */
const lenient = <T extends z.core.SomeType>(schema: T) => z.catch(z.optional(schema), undefined)

/**
 * What we read of a prediction's body; other fields pass by unread.
 * Shapes as seen on the wire: {@link https://replicate.com/docs/reference/http#predictions.get}.
 */
export const Prediction = z.object({
  id: z.string(),
  status: z.string(),
  model: lenient(z.string()),
  version: lenient(z.string()),
  /** Any JSON; may be partial while the prediction runs, so it says nothing about the end. */
  output: z.optional(z.unknown()),
  /** Absent, null, `""`, text, text that holds JSON, or an object. Read it through {@link errorText}. */
  error: z.optional(z.unknown()),
  logs: lenient(z.string()),
  metrics: lenient(z.object({ predict_time: z.optional(z.unknown()) })),
  urls: lenient(z.object({ stream: lenient(z.string()) })),
  created_at: lenient(z.string()),
  completed_at: lenient(z.string()),
  /** True once the API has deleted the output, {@link RETENTION}. */
  data_removed: lenient(z.boolean()),
})
export type Prediction = z.infer<typeof Prediction>

const TERMINAL = ['succeeded', 'failed', 'canceled', 'aborted'] as const
/** A status after which a prediction never changes. `aborted`: ended before it started, not charged. */
export type TerminalStatus = (typeof TERMINAL)[number]
/** `unknown` stands for a word that the API does not document: not treated as the end. */
export type Status = TerminalStatus | 'starting' | 'processing' | 'unknown'

/** Words of other gateways and task APIs for the statuses above. */
const SYNONYMS: Readonly<Record<string, Status>> = {
  successful: 'succeeded',
  success: 'succeeded',
  completed: 'succeeded',
  complete: 'succeeded',
  done: 'succeeded',
  finished: 'succeeded',
  ready: 'succeeded',
  succeed: 'succeeded',
  成功: 'succeeded',
  已完成: 'succeeded',
  failure: 'failed',
  fail: 'failed',
  error: 'failed',
  errored: 'failed',
  expired: 'failed',
  timeout: 'failed',
  timed_out: 'failed',
  rejected: 'failed',
  moderated: 'failed',
  nsfw: 'failed',
  blocked: 'failed',
  terminated: 'failed',
  stopped: 'failed',
  killed: 'failed',
  not_found: 'failed',
  失败: 'failed',
  cancelled: 'canceled',
  cancel: 'canceled',
  已取消: 'canceled',
  queued: 'starting',
  pending: 'starting',
  submitted: 'starting',
  created: 'starting',
  waiting: 'starting',
  scheduled: 'starting',
  booting: 'starting',
  in_queue: 'starting',
  not_start: 'starting',
  not_started: 'starting',
  queueing: 'starting',
  preparing: 'starting',
  throttled: 'starting',
  排队中: 'starting',
  running: 'processing',
  in_progress: 'processing',
  started: 'processing',
  generating: 'processing',
  dreaming: 'processing',
  进行中: 'processing',
  处理中: 'processing',
  生成中: 'processing',
}

/** Ends of longer words: `Request Moderated`, `Task not found`. */
const FAILED_ENDINGS = ['_moderated', '_not_found']

/**
 * Reads the word in a prediction's `status`; case and surrounding white space do not count, nor whether blanks, hyphens,
 * underscores or capitals (`TimedOut`) show its parts.
 * @returns the status, and whether the word was the API's own, another's for it, or nobody's
 */
export function readStatus(word: string): { status: Status; spelling: 'own' | 'synonym' | 'unknown' } {
  // First as it is: a list of a thousand has thousands of them in a second.
  if (isOwn(word)) return { status: word, spelling: 'own' }
  const known = readPlain(word)
  return known.spelling === 'unknown' ? readPlain(word.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_')) : known
}

function readPlain(word: string): ReturnType<typeof readStatus> {
  const plain = word
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, '_')
  if (isOwn(plain)) return { status: plain, spelling: 'own' }
  const isFailure = FAILED_ENDINGS.some((ending) => plain.endsWith(ending))
  const status = Object.hasOwn(SYNONYMS, plain) ? SYNONYMS[plain] : isFailure && 'failed'
  return status ? { status, spelling: 'synonym' } : { status: 'unknown', spelling: 'unknown' }
}

const isOwn = (word: string): word is Exclude<Status, 'unknown'> => isRunning(word) || isTerminal(word)

export const statusOf = (prediction: Pick<Prediction, 'status'>): Status => readStatus(prediction.status).status

export const isTerminal = (status: string): status is TerminalStatus => (TERMINAL as readonly string[]).includes(status)

/** Whether a status is known, and not the end. */
export const isRunning = (status: string): status is 'starting' | 'processing' =>
  status === 'starting' || status === 'processing'

/** Milliseconds since the epoch at which it ended, by the API's own timestamp; undefined if it has none. */
export const completedAt = (prediction: Prediction): number | undefined => timestamp(prediction.completed_at)

/**
 * Seconds since it ended, by the API's own timestamp; 0 if that is ahead of the date, undefined if there is none.
 * @param date now, in milliseconds since the epoch
 */
export function ageOf(prediction: Prediction, date: number): number | undefined {
  const end = completedAt(prediction)
  return end === undefined ? undefined : Math.max(0, date - end) / 1000
}

/** What servers write if there is no time: the first year or day of their calendar. */
const ZERO_TIME = /^\s*(?:000[01]-|1970-01-01)/

/** Whether there is a time of the end, in whatever form. */
export const hasCompletedAt = ({ completed_at: time = '' }: Prediction): boolean =>
  Number(time) !== 0 && !ZERO_TIME.test(time)

/** True if there is no output at all: not an empty list, not an empty text. */
export const hasNoOutput = ({ output }: Prediction): boolean => output === undefined || output === null

/** Seconds that the model ran, as the API gave them; the API charges by them. Undefined if it gave none. */
export function predictTime(prediction: Prediction): number | undefined {
  const given = prediction.metrics?.predict_time
  const seconds = typeof given === 'string' && given.trim() !== '' ? Number(given) : numberOf(given)
  // A negative one stands for an unknown time.
  return Number.isFinite(seconds) && Number(seconds) >= 0 ? seconds : undefined
}

const WITHOUT_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/

/**
 * Milliseconds since the epoch of an RFC 3339 timestamp with any number of fraction digits; undefined if it is not one.
 * Without a time zone it is one of UTC, not of the machine. Servers in Go write the year 1 if there is no time.
 */
export function timestamp(text: string | undefined): number | undefined {
  const ms = Date.parse(WITHOUT_ZONE.test(text ?? '') ? `${text}Z` : (text ?? ''))
  return ms > 0 ? ms : undefined
}

/**
 * Seconds from the first creation to the last end, by the API's own timestamps.
 * Undefined if one of them is missing or they contradict each other.
 */
export function totalTime(predictions: readonly Prediction[]): number | undefined {
  const created = predictions.map((p) => timestamp(p.created_at))
  const completed = predictions.map((p) => timestamp(p.completed_at))
  const known = (times: (number | undefined)[]): times is number[] => times.every((time) => time !== undefined)
  if (predictions.length === 0 || !known(created) || !known(completed)) return undefined
  const ms = Math.max(...completed) - Math.min(...created)
  return ms < 0 ? undefined : ms / 1000
}

/** When the API deletes inputs, outputs, files and logs, as the end of a clause, and in seconds. */
export const RETENTION = 'one hour after the end'
export const RETENTION_SECONDS = 3600

/** True if a prediction succeeded but its output has been deleted since. */
export const isExpired = (prediction: Prediction): boolean =>
  statusOf(prediction) === 'succeeded' && prediction.data_removed === true && hasNoOutput(prediction)
