import type { Buffer } from 'node:buffer'
import type { Api } from './apis/api.ts'
import { predictions } from './apis/predictions.ts'
import { type Body, receive, type TextStore } from './body.ts'
import { type Clock, deadlineSignal } from './clock.ts'
import { parseErrorBodyInTurns } from './error-body.ts'
import { type ApiRequest, BrokenAnswerError, ConnectionError, RefusalError, TooLargeError } from './errors.ts'
import { type Attempt, createHedge } from './hedge.ts'
import { type Headers, headerOf, USER_AGENT } from './http.ts'
import type { Connections } from './network/dispatcher.ts'
import { isBug } from './network/network-errors.ts'
import type { RequestOptions } from './network/origin-pool.ts'
import type { Turns } from './turns.ts'
import { UnpackError, unpacked } from './unpack.ts'

/** Where requests go, and with what. */
export interface SenderOptions {
  /** What is waited for; predictions unless given. */
  api?: Api
  /** Base of the API, without a slash at its end and without the path of a prediction. */
  apiUrl: string
  /** Goes to the origin of `apiUrl` and nowhere else. */
  apiKey: string
  dispatcher: Pick<Connections, 'request'>
  clock: Clock
  /** Seconds until a request that is still under way is given up. */
  requestTimeout?: number
  /** Takes large bodies; without it they stay in memory. */
  store?: TextStore
  /** Gets every request when it is over, for a debug log. */
  onRequest?(trace: RequestTrace): void
}

/** One request that is over. */
interface RequestTrace {
  method: string
  path: string
  /** Of the answer; undefined if there was none, also because another request of the same call was answered first. */
  status: number | undefined
  ms: number
}

/** The largest body read, in bytes. The largest seen is 3.1 MB. */
const BODY_LIMIT = 64 * 2 ** 20
/** A gateway documents queries that take 45 s. */
const REQUEST_TIMEOUT = 90

/** What a request is made of, beside the key. */
interface Call {
  method: ApiRequest['method']
  path: string
  body?: string | Buffer
  headers?: Record<string, string>
  /** The largest body that is read, in bytes. */
  limit?: number
  /** Gives up a request that has not been sent. */
  unsent?: AbortSignal | undefined
}

/** Makes the calls. They throw an `ApiError`, unless the answer is a success, or the reason of the signal. */
export interface Sender {
  send(call: Call, signal: AbortSignal): Promise<{ request: ApiRequest; status: number; body: Body }>
  sendForText(call: Call, signal: AbortSignal): Promise<{ request: ApiRequest; status: number; text: string }>
}

/** @param turns of large bodies only one at a time is in memory. */
export function createSender(options: SenderOptions, turns: Turns): Sender {
  const { api = predictions, apiUrl, clock, requestTimeout = REQUEST_TIMEOUT } = options
  const exchange = createExchange(options)
  const hedge = createHedge(clock)

  const wholeText = (body: Body): string | Promise<string> =>
    typeof body === 'string' ? body : turns.run(() => body.read().finally(() => body.close()))

  const refusalOf = async (request: ApiRequest, { status, headers, body }: Reply): Promise<RefusalError> => {
    const text = await wholeText(body)
    const json = await parseErrorBodyInTurns(text)
    const unknownId = api.isUnknownId({ json, empty: false })
    return new RefusalError(request, { status, headers, text, body: json, unknownId })
  }

  const send: Sender['send'] = async (call, signal) => {
    const { method, path } = call
    const request: ApiRequest = { method, url: `${apiUrl}${path}`, path, call: callOf(call) }
    using limit = deadlineSignal(clock, requestTimeout, `no complete response within ${requestTimeout} s`)
    const stop = AbortSignal.any([signal, limit.signal])
    try {
      const attempt: Attempt<Reply> = (each, silence) =>
        exchange(request, call, each, AbortSignal.any([silence, limit.signal]))
      // Only what is safe to repeat: a second POST could start a second prediction.
      const { status, headers, body } = await (call.method === 'GET'
        ? hedge.run(attempt, stop)
        : hedge.single(attempt, stop))
      if (status < 200 || status > 299) throw await refusalOf(request, { status, headers, body })
      return { request, status, body }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (limit.signal.aborted) throw new ConnectionError(request, limit.signal.reason)
      throw error
    }
  }

  return {
    send,
    async sendForText(call, signal) {
      const { request, status, body } = await send(call, signal)
      return { request, status, text: await wholeText(body) }
    },
  }
}

const callOf = ({ method, body }: Call): NonNullable<ApiRequest['call']> => {
  if (method === 'GET') return 'get'
  return body === undefined ? 'cancel' : 'create'
}

/** A whole answer, whatever its status. */
interface Reply {
  status: number
  headers: Headers
  body: Body
}

/** Makes single requests with the key, and reads their answers whole. */
function createExchange({ apiUrl, apiKey, dispatcher, onRequest, store }: SenderOptions) {
  const base = new URL(apiUrl)
  const prefix = base.pathname.replace(/\/$/, '')
  return async (request: ApiRequest, call: Call, signal: AbortSignal, silence: AbortSignal): Promise<Reply> => {
    const start = performance.now()
    let status: number | undefined
    try {
      const options: RequestOptions = {
        origin: base.origin,
        path: `${prefix}${call.path}`,
        method: call.method,
        headers: {
          authorization: `Bearer ${apiKey}`,
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': USER_AGENT,
          ...call.headers,
        },
        ...(call.body === undefined ? {} : { body: call.body }),
        signal,
        unsent: call.unsent,
        silence,
        // The signal is the limit.
        headersTimeout: 0,
        bodyTimeout: 0,
      }
      const { statusCode, headers, body } = await dispatcher.request(options)
      status = statusCode
      const limit = call.limit ?? BODY_LIMIT
      const contentType = headerOf(headers, 'content-type')
      return { status, headers, body: await receive(unpacked(body, headers), request, { limit, store, contentType }) }
    } catch (error) {
      if (call.unsent?.aborted && error === call.unsent.reason) throw error
      throw explain(error, request, signal)
    } finally {
      onRequest?.({ method: call.method, path: `${prefix}${call.path}`, status, ms: performance.now() - start })
    }
  }
}

/** What a failed exchange means: an error of the network is an ApiError, a bug stays what it is. */
function explain(error: unknown, request: ApiRequest, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof TooLargeError) return error
  if (error instanceof UnpackError) return new BrokenAnswerError(request, error.message)
  return isBug(error) ? error : new ConnectionError(request, error)
}
