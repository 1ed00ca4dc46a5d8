import * as z from 'zod/mini'

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
  metrics: lenient(z.object({ predict_time: lenient(z.union([z.number(), z.string()])) })),
  urls: lenient(z.object({ stream: lenient(z.string()), web: lenient(z.string()) })),
  created_at: lenient(z.string()),
  started_at: lenient(z.string()),
  completed_at: lenient(z.string()),
  /** True once the API has deleted the output, an hour after the end. */
  data_removed: lenient(z.boolean()),
})
export type Prediction = z.infer<typeof Prediction>

const TERMINAL = ['succeeded', 'failed', 'canceled', 'aborted'] as const
/** A status after which a prediction never changes. `aborted`: ended before it started, not charged. */
export type TerminalStatus = (typeof TERMINAL)[number]
/** `unknown` stands for a word that the API does not document: not the end, as far as anybody can tell. */
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
  failure: 'failed',
  error: 'failed',
  errored: 'failed',
  cancelled: 'canceled',
  queued: 'starting',
  pending: 'starting',
  submitted: 'starting',
  created: 'starting',
  waiting: 'starting',
  scheduled: 'starting',
  booting: 'starting',
  in_queue: 'starting',
  not_start: 'starting',
  running: 'processing',
  in_progress: 'processing',
  started: 'processing',
  generating: 'processing',
}

/**
 * Reads the word in a prediction's `status`; case and surrounding white space do not count.
 * @returns the status, and whether the word was the API's own, another's for it, or nobody's
 */
export function readStatus(word: string): { status: Status; spelling: 'own' | 'synonym' | 'unknown' } {
  const plain = word.trim().toLowerCase()
  if (plain === 'starting' || plain === 'processing' || isTerminal(plain)) return { status: plain, spelling: 'own' }
  const status = Object.hasOwn(SYNONYMS, plain) ? SYNONYMS[plain] : undefined
  return status ? { status, spelling: 'synonym' } : { status: 'unknown', spelling: 'unknown' }
}

export const statusOf = (prediction: Pick<Prediction, 'status'>): Status => readStatus(prediction.status).status

export const isTerminal = (status: string): status is TerminalStatus => (TERMINAL as readonly string[]).includes(status)

/** The message inside an `error` of any of the shapes seen: text, or an object with `message` or `detail`. `""` where there is none. */
export function errorText(error: unknown): string {
  if (typeof error === 'string') return error.trim()
  if (error === null || error === undefined || error === false) return ''
  if (typeof error === 'object') {
    for (const key of ['message', 'detail'] as const) {
      const text: unknown = (error as Record<string, unknown>)[key]
      if (typeof text === 'string' && text.trim() !== '') return text.trim()
    }
  }
  return JSON.stringify(error)
}

const isUrl = (text: string) => /^https?:\/\/\S+$/.test(text) && URL.canParse(text)
/** With a media type, or parameters, or neither (RFC 2397); a text that begins with "data: a, b" is none. */
const isDataUri = (text: string) => /^data:(?:[\w.+-]+\/[\w.+-]+)?(?:;[\w.+-]+(?:=[^\s,;]*)?)*,/.test(text)
const isFile = (value: unknown): value is string => typeof value === 'string' && (isUrl(value) || isDataUri(value))

/**
 * The files of an output in document order: URLs and `data:` URIs, at any depth, as values of lists and objects.
 * A string is a file only as a whole, untrimmed; in a list of strings either all are files or none is (a language
 * model's tokens may look like URLs). Walks without recursion: depth is the sender's to choose.
 */
export function outputFiles(output: unknown): string[] {
  const files: string[] = []
  const stack: unknown[] = [output]
  while (stack.length > 0) {
    const value = stack.pop()
    if (isFile(value)) files.push(value)
    else if (Array.isArray(value)) {
      const isText = value.some((item) => typeof item === 'string' && !isFile(item))
      for (let i = value.length - 1; i >= 0; i--) if (!isText || typeof value[i] !== 'string') stack.push(value[i])
    } else if (typeof value === 'object' && value !== null)
      for (const item of Object.values(value).reverse()) stack.push(item)
  }
  return files
}

/** The files of an output that have an address: {@link outputFiles} without `data:` URIs. */
export const outputUrls = (output: unknown): string[] => outputFiles(output).filter((file) => !isDataUri(file))

/** The text of an output that is text or a list of tokens; undefined for anything else, files included. */
export function outputText(output: unknown): string | undefined {
  if (typeof output === 'string') return isFile(output) ? undefined : output
  if (!Array.isArray(output) || output.length === 0) return undefined
  if (!output.every((item): item is string => typeof item === 'string')) return undefined
  return output.every((item) => isFile(item)) ? undefined : output.join('')
}

/** Seconds that the model ran, as the API gave them; the API charges by them. Undefined where it gave none. */
export function predictTime(prediction: Prediction): number | undefined {
  const given = prediction.metrics?.predict_time
  const seconds = typeof given === 'string' && given.trim() === '' ? Number.NaN : Number(given)
  return Number.isFinite(seconds) ? seconds : undefined
}

/** Milliseconds since the epoch of an RFC 3339 time stamp with any number of fraction digits; undefined where it is none. */
export function timestamp(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

/**
 * Seconds from the first creation to the last end, by the API's own time stamps.
 * Undefined where one of them is missing or they contradict each other.
 */
export function totalTime(predictions: readonly Prediction[]): number | undefined {
  const created = predictions.map((p) => timestamp(p.created_at))
  const completed = predictions.map((p) => timestamp(p.completed_at))
  const known = (times: (number | undefined)[]): times is number[] => times.every((time) => time !== undefined)
  if (predictions.length === 0 || !known(created) || !known(completed)) return undefined
  const ms = Math.max(...completed) - Math.min(...created)
  return ms < 0 ? undefined : ms / 1000
}

/** True where a prediction succeeded but its output has been deleted since, an hour after the end. */
export const isExpired = (prediction: Prediction): boolean =>
  statusOf(prediction) === 'succeeded' &&
  prediction.data_removed === true &&
  (prediction.output === undefined || prediction.output === null)

/** What the codes at the end of a prediction's error text mean. Source: Replicate's documentation of error codes. */
const CODES: Readonly<Record<string, string>> = {
  PA: 'the platform interrupted it',
  E001: 'the model ran out of memory',
  E1001: 'the model ran out of memory',
  E003: 'demand for the model is high',
  E004: 'the service was unavailable',
  E005: 'the input or the output was flagged as sensitive',
  E6716: 'the model did not start in time',
  E8367: 'it was stopped',
  E8765: 'the health check of the model failed',
  E9243: 'the model could not start',
  E9825: 'the upload of the output failed',
  E9828: 'the API had an internal error',
}

/** What an error code in a failed prediction's text means, in words; undefined where it has none that is documented. */
export function errorMeaning(text: string): string | undefined {
  const code = /\(code: (\w+)\)|\((E\d{3,5})\)\s*\.?$|\b(E\d{3,5})\s*\.?$|^\s*(E\d{3,5})\b/.exec(text)
  const name = code?.slice(1).find((group) => group !== undefined)
  return name !== undefined && Object.hasOwn(CODES, name) ? CODES[name] : undefined
}
