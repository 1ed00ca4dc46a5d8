import type { Api, LinkLife, Lookup, Task } from './apis/api.ts'
import { predictions } from './apis/predictions.ts'
import { describePage, isChallenge, isPage, messageIn } from './error-body.ts'
import {
  type ApiError,
  type ApiRequest,
  BrokenAnswerError,
  NotAPredictionError,
  RefusedInBodyError,
  TooDeepError,
  TooManyPartsError,
  UnknownIdError,
} from './errors.ts'
import { JsonTooDeepError, JsonTooManyPartsError } from './json/limits.ts'
import { isJsonObject } from './json/numbers.ts'
import { type ParsedJson, parseJsonInTurns } from './json/parse.ts'
import type { OutputView } from './output.ts'
import type { Prediction } from './prediction.ts'
import { clip } from './text.ts'

/** A prediction as it was answered: what we read of it, and the whole body for those who want more. */
export interface Answer {
  prediction: Prediction
  body: Readonly<Record<string, unknown>>
  /** Whether the body held `NaN` or `Infinity`, which JSON does not have; they are read as null. */
  hadNonFinite?: boolean
  /** From 0 to 1, if the API reports it as a number. */
  progress?: number | undefined
  /** Seconds in which the API has nothing new to say. */
  refresh?: number | undefined
  /** As documented unless given. */
  linkLife?: LinkLife
  /** Where the whole answer can be read again, if it is so large that only a part of it is here. */
  stored?: StoredAnswer
  /** Characters of the log that are missing before what is kept of it. */
  logStart?: number
  /** What is shown of its output, if the output itself is not kept in memory. */
  view?: OutputView
}

/** A large answer. Only a part of it is kept in memory. */
export interface StoredAnswer<Whole extends Answer = Answer> {
  /**
   * Reads it whole and acts with it. Only one such answer is in memory at a time: `act` must not wait for the network
   * or for another one.
   * @throws an error of the file system
   */
  use<T>(act: (answer: Whole) => Promise<T>): Promise<T>
  /** The body as JSON, in parts. @throws an error of the file system */
  json(): AsyncIterable<Buffer>
  /** The same answer with another body. @throws an error of the file system */
  withBody(body: unknown): Promise<StoredAnswer<Whole>>
  /** Removes it. */
  close(): Promise<void>
}

/** An answer, and what must still be looked up to make it whole. */
export interface ReadAnswer extends Answer {
  lookup: Lookup | undefined
}

/** The text in which progress is looked for: the log, or the number of the API as a log would show it. */
export const progressLog = ({ prediction, progress }: Answer): string =>
  progress === undefined ? (prediction.logs ?? '') : `${Number((progress * 100).toFixed(2))} %`

/**
 * Tells a prediction, or a task that reads as one, from everything else that comes with status 200. Takes turns of the
 * event loop if the text is long.
 * @throws BrokenAnswerError if JSON began and did not end, UnknownIdError, RefusedInBodyError, and NotAPredictionError
 * if it is something else
 */
export async function readAnswer(
  request: ApiRequest,
  text: string,
  api: Api = predictions,
  task: Task = { id: '', apiUrl: '' },
): Promise<ReadAnswer> {
  const { body, hadNonFinite } = await readBody(request, text, api)
  const reading = api.read(body, task)
  switch (reading.kind) {
    case 'prediction': {
      const { prediction, progress, refresh, lookup } = reading
      return { prediction, body, hadNonFinite, progress, refresh, lookup, linkLife: api.linkLife }
    }
    case 'unknown-id':
      throw new UnknownIdError(request)
    case 'refusal':
      throw new RefusedInBodyError(request, reading)
  }
  if ('results' in body) {
    const advice = 'Check prediction-id: the API responded as if the request had no ID.'
    throw new NotAPredictionError(request, 'the list of all predictions', { advice, body })
  }
  const keys = clip(Object.keys(body).slice(0, NAMED_KEYS).join(', '), LONGEST_KEYS)
  // The error of a creation quotes the answer itself.
  const said = request.call === 'create' ? undefined : messageIn(body)
  throw new NotAPredictionError(request, `JSON without ${reading.expected} (its keys: ${keys || 'none'})`, {
    said,
    body,
    ...adviceOf(api),
  })
}

/** What to check if an answer is no task; of predictions the error itself says it. */
const adviceOf = (api: Api): { advice?: string } =>
  api === predictions
    ? {}
    : { advice: `Check that the task is one of api: ${api.name}, and that api-url is the root URL of the gateway.` }

/** Characters quoted of text that is not an answer. */
const LONGEST_QUOTE = 80
/** Keys, and characters of them, that are named of JSON that is not an answer. */
const NAMED_KEYS = 8
const LONGEST_KEYS = 200

/** @throws as {@link readAnswer} */
export async function readBody(
  request: ApiRequest,
  text: string,
  api: Api,
): Promise<{ body: Record<string, unknown>; hadNonFinite: boolean }> {
  const trimmed = text.trim()
  if (trimmed === '' && api.isUnknownId({ json: undefined, empty: true })) throw new UnknownIdError(request)
  let json: ParsedJson
  try {
    json = await parseJsonInTurns(trimmed)
  } catch (error) {
    throw unreadable({ request, api }, trimmed, error)
  }
  const { value, hadNonFinite } = json
  if (Array.isArray(value)) throw new NotAPredictionError(request, 'a JSON array', adviceOf(api))
  if (!isJsonObject(value)) {
    throw new NotAPredictionError(request, `the JSON value ${clip(trimmed, LONGEST_QUOTE)}`, adviceOf(api))
  }
  return { body: value, hadNonFinite }
}

/** What it means that a text cannot be parsed. */
function unreadable({ request, api }: { request: ApiRequest; api: Api }, text: string, error: unknown): ApiError {
  if (error instanceof JsonTooDeepError) return new TooDeepError(request, error.levels)
  if (error instanceof JsonTooManyPartsError) return new TooManyPartsError(request, error.message)
  if (text === '') return new BrokenAnswerError(request, 'it is empty')
  if (/^[{[]/.test(text)) {
    return new BrokenAnswerError(request, `its JSON is incomplete or damaged (${text.length} characters)`)
  }
  if (isPage(text)) return pageError(request, text)
  const start = JSON.stringify(clip(text, LONGEST_QUOTE))
  return new NotAPredictionError(request, `text that is not JSON (${start})`, adviceOf(api))
}

function pageError(request: ApiRequest, page: string): NotAPredictionError {
  const advice = isChallenge({}, page)
    ? 'A service in front of the API, such as Cloudflare, mistakes the runner for a bot.'
    : 'The path of api-url is probably wrong: many gateways return their home page for unknown paths.'
  return new NotAPredictionError(request, describePage(page), { advice, scope: 'account' })
}
