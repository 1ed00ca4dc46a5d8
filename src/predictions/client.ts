import { Buffer } from 'node:buffer'
import type { Dispatcher } from 'undici'
import { type Clock, deadlineSignal } from './clock.ts'
import {
  BrokenAnswerError,
  ConnectionError,
  isCertificateFault,
  NotAPredictionError,
  RefusalError,
  TooLargeError,
} from './errors.ts'
import { peerCertificate } from './network/dispatcher.ts'
import { Prediction } from './prediction.ts'
import { createScrubber } from './redact.ts'

/** A prediction as it was answered: what we read of it, and the whole body for those who want more. */
export interface Answer {
  prediction: Prediction
  body: Readonly<Record<string, unknown>>
}

export interface Client {
  /** Asks for a prediction once. @throws ApiError, or the signal's reason when it was aborted */
  get(id: string, signal: AbortSignal): Promise<Answer>
  /** Asks to cancel a prediction; the answer is what has become of it. Can be repeated. @throws as `get` */
  cancel(id: string, signal: AbortSignal): Promise<Answer>
  /** Starts a prediction, once: a lost answer may be that of one that was created. @throws as `get` */
  create(request: CreateRequest, signal: AbortSignal): Promise<Answer>
}

/** What to run, and with what. */
export interface CreateRequest {
  /** `owner/name` runs an official model or a deployment, a version is what Replicate calls one: 64 hexadecimal digits. */
  target: { model: string } | { version: string } | { deployment: string }
  input: Readonly<Record<string, unknown>>
  /** Sent as `Cancel-After`, such as `5m`: the API cancels the prediction by itself after that time. */
  cancelAfter: string | undefined
}

export interface ClientOptions {
  /** Base of the API, without a slash at its end and without `/predictions`. */
  apiUrl: string
  /** Goes to the origin of `apiUrl` and nowhere else. */
  apiKey: string
  dispatcher: Dispatcher
  clock: Clock
  /** Seconds until a request that is still under way is given up. */
  requestTimeout?: number
}

/** The largest body read, in bytes. The largest seen is 3.1 MB. */
const BODY_LIMIT = 64 * 2 ** 20
/** A gateway documents queries that take 45 s. */
const REQUEST_TIMEOUT = 90

/** The calls of a predictions API. The key is scrubbed from every body before anything else sees it. */
export function createClient({
  apiUrl,
  apiKey,
  dispatcher,
  clock,
  requestTimeout = REQUEST_TIMEOUT,
}: ClientOptions): Client {
  const base = new URL(apiUrl)
  const scrub = createScrubber(apiKey)

  async function send(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    content?: { body: string; headers: Record<string, string> },
  ): Promise<{ request: string; text: string }> {
    const url = `${apiUrl}${path}`
    const request = `${method} ${url}`
    using limit = deadlineSignal(clock, requestTimeout, `nothing whole came within ${requestTimeout} s`)
    let status: number
    let headers: Dispatcher.ResponseData['headers']
    let text: string
    try {
      const response = await dispatcher.request({
        origin: base.origin,
        path: `${base.pathname.replace(/\/$/, '')}${path}`,
        method,
        headers: {
          authorization: `Bearer ${apiKey}`,
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'await-prediction/1',
          ...content?.headers,
        },
        ...(content ? { body: content.body } : {}),
        signal: AbortSignal.any([signal, limit.signal]),
        headersTimeout: 0,
        bodyTimeout: 0,
      })
      status = response.statusCode
      headers = response.headers
      text = await read(response.body, request)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (error instanceof TooLargeError) throw error
      if (limit.signal.aborted) throw new ConnectionError(request, limit.signal.reason)
      throw new ConnectionError(request, error, isCertificateFault(error) ? await peerCertificate(base) : undefined)
    }
    text = scrub(text)
    if (status < 200 || status > 299) throw new RefusalError(request, { status, headers, text })
    return { request, text }
  }

  return {
    async get(id, signal) {
      const { request, text } = await send('GET', `/predictions/${encodeURIComponent(id)}`, signal)
      return readPrediction(request, text)
    },
    // The address is built here: `urls.cancel` of a body is somebody else's choice of a host for the key.
    async cancel(id, signal) {
      const { request, text } = await send('POST', `/predictions/${encodeURIComponent(id)}/cancel`, signal)
      return readPrediction(request, text)
    },
    async create({ target, input, cancelAfter }, signal) {
      const [path, body] =
        'model' in target
          ? [`/models/${target.model}/predictions`, { input }]
          : 'deployment' in target
            ? [`/deployments/${target.deployment}/predictions`, { input }]
            : ['/predictions', { version: target.version, input }]
      const headers = {
        'content-type': 'application/json',
        ...(cancelAfter === undefined ? {} : { 'cancel-after': cancelAfter }),
      }
      const { request, text } = await send('POST', path, signal, { body: JSON.stringify(body), headers })
      return readPrediction(request, text)
    },
  }
}

async function read(body: Dispatcher.ResponseData['body'], request: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_LIMIT) throw new TooLargeError(request, BODY_LIMIT)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size).toString('utf8')
}

/**
 * Tells a prediction from everything else that comes with status 200.
 * @throws BrokenAnswerError where JSON began and did not end, NotAPredictionError where it is something else
 */
export function readPrediction(request: string, text: string): Answer {
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
  if (typeof body !== 'object' || body === null)
    throw new NotAPredictionError(request, `the JSON value ${trimmed.slice(0, 80)}`)
  const parsed = Prediction.safeParse(body)
  if (parsed.success) return { prediction: parsed.data, body: body as Record<string, unknown> }
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
