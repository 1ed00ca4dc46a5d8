import { jsonStart } from './json.ts'
import { isProgressLine } from './progress.ts'
import { clip, sentences } from './text.ts'

/** Characters of an error that are read. The longest seen is a traceback of some thousands. */
const LONGEST_ERROR = 2 ** 16

/** The message inside an `error` of any of the shapes seen: text, or an object with `message` or `detail`. `""` if there is none. */
export function errorText(error: unknown): string {
  if (typeof error === 'string') return clip(error.trim(), LONGEST_ERROR)
  if (error === null || error === undefined || error === false) return ''
  if (typeof error === 'object') {
    for (const key of ['message', 'detail'] as const) {
      const text: unknown = (error as Record<string, unknown>)[key]
      if (typeof text === 'string' && text.trim() !== '') return clip(text.trim(), LONGEST_ERROR)
    }
  }
  return isEmpty(error) ? '' : clip(jsonStart(error, LONGEST_ERROR), LONGEST_ERROR)
}

/** `{}` and `[]` stand for no error with some gateways. */
const isEmpty = (error: unknown) => typeof error === 'object' && error !== null && Object.keys(error).length === 0

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

/** Codes of errors of the platform, after which the same input may succeed. */
const PLATFORM_CODES: ReadonlySet<string> = new Set([
  'PA',
  'E1000',
  'E003',
  'E004',
  'E6716',
  'E8765',
  'E9243',
  'E9825',
  'E9828',
])

/** True for the text of an error whose code says that the platform was the cause, not the input or the model. */
export function isPlatformError(text: string): boolean {
  const code = errorCodeIn(text)
  return code !== undefined && PLATFORM_CODES.has(code)
}

const OUT_OF_MEMORY = 'Request less, such as a smaller size or fewer outputs.'
/** What to do, for codes that do not stand for an error of the platform. */
const ADVICE: Readonly<Record<string, string>> = {
  E001: OUT_OF_MEMORY,
  E1001: OUT_OF_MEMORY,
  E005: 'Change the input.',
}

/** What an error code in a failed prediction's text means and what to do about it, in sentences; `""` if none is documented. */
export function errorMeaning(text: string): string {
  const code = errorCodeIn(text) ?? ''
  if (!Object.hasOwn(CODES, code)) return ''
  const advice = PLATFORM_CODES.has(code) ? 'The same input may succeed later.' : ADVICE[code]
  return sentences(`This code means that ${CODES[code]}.`, advice)
}

/** The code at the end or the start of a prediction's error text; undefined if it has none. */
function errorCodeIn(text: string): string | undefined {
  const code = /\(code: (\w+)\)|\((E\d{3,5})\)\s*\.?$|\b(E\d{3,5})\s*\.?$|^\s*(E\d{3,5})\b/.exec(text)
  return code?.slice(1).find((group) => group !== undefined)
}
