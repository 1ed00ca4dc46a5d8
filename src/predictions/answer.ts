import { type ApiRequest, BrokenAnswerError, NotAPredictionError } from './errors.ts'
import { Prediction } from './prediction.ts'
import { isRecord } from './text.ts'

/** A prediction as it was answered: what we read of it, and the whole body for those who want more. */
export interface Answer {
  prediction: Prediction
  body: Readonly<Record<string, unknown>>
}

/**
 * Tells a prediction from everything else that comes with status 200.
 * @throws BrokenAnswerError where JSON began and did not end, NotAPredictionError where it is something else
 */
export function readAnswer(request: ApiRequest, text: string): Answer {
  const trimmed = text.trim()
  if (isTooDeep(trimmed)) throw new NotAPredictionError(request, `JSON that is nested deeper than ${DEEPEST} levels`)
  let body: unknown
  try {
    body = JSON.parse(trimmed)
  } catch {
    if (trimmed === '') throw new BrokenAnswerError(request, 'it is empty')
    if (/^[{[]/.test(trimmed))
      throw new BrokenAnswerError(request, `its JSON breaks off or is damaged (${trimmed.length} characters)`)
    if (trimmed.startsWith('<')) {
      throw new NotAPredictionError(
        request,
        'a web page',
        'The path of api-url is probably wrong: many gateways answer unknown paths with their home page.',
      )
    }
    throw new NotAPredictionError(request, `text that is not JSON (${JSON.stringify(trimmed.slice(0, 80))})`)
  }
  if (Array.isArray(body)) throw new NotAPredictionError(request, 'a list')
  if (!isRecord(body)) throw new NotAPredictionError(request, `the JSON value ${trimmed.slice(0, 80)}`)
  const parsed = Prediction.safeParse(body)
  if (parsed.success) return { prediction: parsed.data, body }
  if ('results' in body)
    throw new NotAPredictionError(
      request,
      'the list of all predictions',
      'Check prediction-id: it seems to be lost on the way to the API.',
    )
  const keys = Object.keys(body).slice(0, 8).join(', ').slice(0, 200)
  throw new NotAPredictionError(request, `JSON without a text id and a text status (its keys: ${keys || 'none'})`)
}

/** The deepest nesting that is read. The deepest seen is 3; a serialiser, ours or that of a later step, ends its stack at some thousands. */
const DEEPEST = 500

function isTooDeep(json: string): boolean {
  let depth = 0
  for (let i = 0; i < json.length; i++) {
    const character = json.charCodeAt(i)
    if (character === QUOTE) {
      // To the quote that ends the string: one before which an even number of backslashes stands. Logs are long.
      let backslashes: number
      do {
        i = json.indexOf('"', i + 1)
        if (i < 0) return false
        backslashes = 0
        while (json.charCodeAt(i - 1 - backslashes) === BACKSLASH) backslashes++
      } while (backslashes % 2 === 1)
    } else if (character === BRACE || character === BRACKET) {
      if (++depth > DEEPEST) return true
    } else if (character === BRACE + 2 || character === BRACKET + 2) depth--
  }
  return false
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** `{` and `[`; what closes them stands two places after. */
const BRACE = 0x7b
const BRACKET = 0x5b
