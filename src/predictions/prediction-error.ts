import { jsonStart } from './json/write.ts'
import { isProgressLine } from './progress.ts'
import { clip, sentences } from './text.ts'

/** Characters of an error that are read. The longest seen is a traceback of some thousands. */
const LONGEST_ERROR = 2 ** 16

/** Values that stand for no error. */
const NOTHING: ReadonlySet<unknown> = new Set([null, '', 0, false])

/** The message inside an `error` of any of the shapes seen: text, or an object with `message` or `detail`. `""` if there is none. */
export function errorText(error: unknown): string {
  if (typeof error === 'string') return clip(error.trim(), LONGEST_ERROR)
  if (error === undefined || NOTHING.has(error)) return ''
  if (typeof error === 'object') {
    for (const key of ['message', 'detail'] as const) {
      const text: unknown = (error as Record<string, unknown>)[key]
      if (typeof text === 'string' && text.trim() !== '') return clip(text.trim(), LONGEST_ERROR)
    }
  }
  return isEmpty(error) ? '' : clip(jsonStart(error, LONGEST_ERROR), LONGEST_ERROR)
}

/** `{}`, `[]` and an object whose fields are all empty, such as `{"code": 0, "message": ""}`, stand for no error with some gateways. */
const isEmpty = (error: unknown) =>
  typeof error === 'object' && error !== null && Object.values(error).every((value) => NOTHING.has(value))

/** Characters of a log that are read for its last line, and characters of that line that are quoted. */
const LOG_TAIL = 20_000
const LONGEST_LINE = 300

/**
 * The last line of a log with content; `""` if there is none. Lines of progress bars do not explain an end.
 */
export function lastLogLine(logs: string | undefined): string {
  const lines = (logs ?? '').slice(-LOG_TAIL).split(/[\r\n]+/)
  const last = lines.findLast((line) => /[\p{L}\p{N}]/u.test(line) && !isProgressLine(line))
  return clip(last?.trim() ?? '', LONGEST_LINE)
}

interface ErrorCode {
  /** What happened, as a clause; undefined if it is undocumented. */
  meaning?: string
  advice?: string
  /** The platform was the cause, not the input or the model: the same input may succeed. */
  isPlatformError?: true
}

const PLATFORM: ErrorCode = { isPlatformError: true, advice: 'The same input may succeed later.' }
const OUT_OF_MEMORY: ErrorCode = {
  meaning: 'the model ran out of memory',
  advice: 'Request less, such as a smaller size or fewer outputs.',
}

/** What the codes in a prediction's error text mean. Source: Replicate's documentation of error codes. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['PA', { meaning: 'the platform interrupted it', ...PLATFORM }],
  ['E001', OUT_OF_MEMORY],
  ['E003', { meaning: 'demand for the model is high', ...PLATFORM }],
  ['E004', { meaning: 'the service was unavailable', ...PLATFORM }],
  ['E005', { meaning: 'the input or the output was flagged as sensitive', advice: 'Change the input.' }],
  ['E1000', PLATFORM],
  ['E1001', OUT_OF_MEMORY],
  ['E6716', { meaning: 'the model did not start in time', ...PLATFORM }],
  ['E8367', { meaning: 'it was stopped' }],
  ['E8765', { meaning: 'the health check of the model failed', ...PLATFORM }],
  ['E9243', { meaning: 'the model could not start', ...PLATFORM }],
  ['E9825', { meaning: 'the upload of the output failed', ...PLATFORM }],
  ['E9828', { meaning: 'the API had an internal error', ...PLATFORM }],
])

/** True for the text of an error whose code says that the platform was the cause, not the input or the model. */
export const isPlatformError = (text: string): boolean => codeIn(text)?.isPlatformError === true

/** What an error code in a failed prediction's text means and what to do about it, in sentences; `""` if none is documented. */
export function errorMeaning(text: string): string {
  const { meaning, advice } = codeIn(text) ?? {}
  return meaning === undefined ? '' : sentences(`This code means that ${meaning}.`, advice)
}

/** The code at the end or the start of a prediction's error text; undefined if it has none that is known. */
function codeIn(text: string): ErrorCode | undefined {
  const code = /\(code: (\w+)\)|\((E\d{3,5})\)\s*\.?$|\b(E\d{3,5})\s*\.?$|^\s*(E\d{3,5})\b/.exec(text)
  return CODES.get(code?.slice(1).find((group) => group !== undefined) ?? '')
}
