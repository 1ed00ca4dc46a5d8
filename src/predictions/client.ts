import { Buffer } from 'node:buffer'
import type { Dispatcher } from 'undici'
import { type Answer, readAnswer } from './answer.ts'
import { type Clock, deadlineSignal } from './clock.ts'
import { type ApiRequest, ConnectionError, RefusalError, TooLargeError } from './errors.ts'
import { USER_AGENT } from './http.ts'
import { peerCertificate } from './network/certificate.ts'
import { isCertificateFault } from './network/network-errors.ts'
import { createRedactor } from './redact.ts'

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
  const scrub = createRedactor(apiKey)

  async function send(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    content?: { body: string; headers: Record<string, string> },
  ): Promise<{ request: ApiRequest; text: string }> {
    const url = `${apiUrl}${path}`
    const request: ApiRequest = { method, url }
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
          'user-agent': USER_AGENT,
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
      return readAnswer(request, text)
    },
    // The address is built here: `urls.cancel` of a body is somebody else's choice of a host for the key.
    async cancel(id, signal) {
      const { request, text } = await send('POST', `/predictions/${encodeURIComponent(id)}/cancel`, signal)
      return readAnswer(request, text)
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
      return readAnswer(request, text)
    },
  }
}

async function read(body: Dispatcher.ResponseData['body'], request: ApiRequest): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_LIMIT) throw new TooLargeError(request, BODY_LIMIT)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size).toString('utf8')
}
