import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { type Answer, type ReadAnswer, readAnswer, readBody } from './answer.ts'
import type { Api, Lookup, Task } from './apis/api.ts'
import { predictions } from './apis/predictions.ts'
import { type Body, receive, type StoredText, type TextStore } from './body.ts'
import { type Clock, deadlineSignal } from './clock.ts'
import { parseErrorBodyInTurns } from './error-body.ts'
import {
  ApiError,
  type ApiRequest,
  BrokenAnswerError,
  ConnectionError,
  NotAPredictionError,
  RefusalError,
  RefusedInBodyError,
  TooLargeError,
} from './errors.ts'
import { type Attempt, createHedge } from './hedge.ts'
import { type Headers, headerOf, USER_AGENT } from './http.ts'
import { type ListPage, PAGE_LIMIT, readListPage } from './list-page.ts'
import type { Connections } from './network/dispatcher.ts'
import { isBug } from './network/network-errors.ts'
import type { RequestOptions } from './network/origin-pool.ts'
import { abridged, storedAnswer } from './stored-answer.ts'
import { isRecord } from './text.ts'
import { Turns } from './turns.ts'
import { UnpackError, unpacked } from './unpack.ts'

export interface Client {
  /** Asks for a prediction once, and for its file if that takes a request of its own. @throws ApiError, or the signal's reason when it was aborted */
  get(id: string, signal: AbortSignal): Promise<Answer>
  /**
   * Asks to cancel a prediction; the answer is what has become of it. There are APIs whose call deletes what has ended,
   * so look first, also before a repetition. @throws as `get`
   */
  cancel(id: string, signal: AbortSignal): Promise<Answer>
  /**
   * Reads one page of the list of predictions, newest first; of those that are not wanted only the ID is looked at.
   * Undefined if the API has no list. @throws as `get`
   */
  list?(query: ListQuery, wanted: ReadonlySet<string>, signal: AbortSignal): Promise<ListPage>
  /** The predictions of the account that were created at that time or later, one page. @throws as `get` */
  recent?(since: Date, signal: AbortSignal): Promise<RecentPredictions>
  /**
   * Uploads a file that stands in an input.
   * @returns undefined if what was answered has no URL
   * @throws as `get`
   */
  upload(file: UploadedContent, signal: AbortSignal): Promise<UploadedFile | undefined>
  /** Deletes an uploaded file. Never throws because of the API: it deletes them by itself after a day. */
  deleteUpload(id: string, signal: AbortSignal): Promise<void>
  /**
   * Starts a prediction, once: a lost answer may be that of one that was created.
   * @param unsent gives up a request that has not been sent
   * @throws as `get`, or the reason of `unsent`
   */
  create(request: CreateRequest, signal: AbortSignal, unsent?: AbortSignal): Promise<Answer>
}

/** What the list of predictions shows of the last moments. */
export interface RecentPredictions {
  items: readonly unknown[]
  /** False if there is more than one page. */
  isComplete: boolean
}

/** What to run, and with what. */
export interface CreateRequest {
  /** `owner/name` runs an official model or a deployment, a version is what Replicate calls one: 64 hexadecimal digits. */
  target: { model: string } | { version: string } | { deployment: string }
  input: Readonly<Record<string, unknown>>
  /** Sent as `Cancel-After`, such as `5m`: the API cancels the prediction by itself after that time. */
  cancelAfter: string | undefined
}

/** A file to be uploaded. */
interface UploadedContent {
  /** The name that the API shows. */
  name: string
  /** MIME type. */
  type: string
  content: Buffer
}

/** A file that was uploaded. */
export interface UploadedFile {
  id: string
  /** What stands in the input of the model. */
  url: string
}

/** Which page of the list: that after a cursor, or the first one. */
interface ListQuery {
  cursor?: string | undefined
}

export interface ClientOptions {
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

const NO_LINK = 'The task succeeded, but the API gives no link to its file.'

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
interface Sender {
  send(call: Call, signal: AbortSignal): Promise<{ request: ApiRequest; status: number; body: Body }>
  sendForText(call: Call, signal: AbortSignal): Promise<{ request: ApiRequest; status: number; text: string }>
}

/** @param turns Of large bodies only one at a time is in memory. */
function createSender(options: ClientOptions, turns: Turns): Sender {
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

/** Reads the answers about predictions: of large ones only a part stays in memory, and files may take a request of their own. */
function createReader({ api = predictions }: ClientOptions, { sendForText }: Sender, turns: Turns) {
  /** Looks up the link to the file of a task, which the API gives only at another path. */
  async function filesOf({ path, file }: Lookup, signal: AbortSignal): Promise<string[]> {
    const { request, text } = await sendForText({ method: 'GET', path }, signal)
    const { body } = await readBody(request, text, api)
    const files = file(body)
    if (files.length === 0) {
      const reading = api.read(body, { id: '', apiUrl: '' })
      if (reading.kind === 'refusal') throw new RefusedInBodyError(request, reading)
      throw new NotAPredictionError(request, 'JSON without a link to the file', { advice: NO_LINK })
    }
    return files
  }

  /** Reads an answer, and looks up its files if that takes a request of its own. */
  async function answerOf(
    body: Body,
    read: (text: string) => Promise<ReadAnswer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { lookup, ...answer } = await (typeof body === 'string' ? read(body) : largeAnswer(body, read))
    return lookup ? withFiles(answer, await filesOf(lookup, signal)) : answer
  }

  /** Reads an answer and keeps only a part of it in memory, unless its output is not in the body. */
  async function largeAnswer(body: StoredText, read: (text: string) => Promise<ReadAnswer>): Promise<ReadAnswer> {
    const stored = storedAnswer(body, read, turns)
    try {
      return await stored.use(async (whole) =>
        whole.lookup ? whole : { ...abridged(whole), stored, lookup: undefined },
      )
    } catch (error) {
      await stored.close()
      throw error
    }
  }

  return answerOf
}

/** The calls of a predictions API. What they return and throw may hold the key: it is removed where text leaves the process. */
export function createClient(options: ClientOptions): Client {
  const { api = predictions, apiUrl } = options
  const turns = new Turns()
  const sender = createSender(options, turns)
  const { send, sendForText } = sender
  const answerOf = createReader(options, sender, turns)
  const taskOf = (id: string): Task => ({ id, apiUrl })

  return {
    async get(id, signal) {
      const { request, body } = await send({ method: 'GET', path: api.path(id) }, signal)
      return await answerOf(body, (text) => readAnswer(request, text, api, taskOf(id)), signal)
    },
    async cancel(id, signal) {
      if (!api.cancel) throw new Error(`the API ${api.name} cannot cancel tasks`)
      const { method, path } = api.cancel
      const { request, text } = await sendForText({ method, path: path(id) }, signal)
      if (method === 'DELETE' && text === '') return { prediction: { id, status: 'canceled' }, body: {} }
      return await readAnswer(request, text, api, taskOf(id))
    },
    ...(api.list === undefined ? {} : listCalls(api.list, api, sender)),
    ...uploadCalls(api, sender),
    async create({ target, input, cancelAfter }, signal, unsent) {
      const body = 'version' in target ? { version: target.version, input } : { input }
      const headers = {
        'content-type': 'application/json',
        ...(cancelAfter === undefined ? {} : { 'cancel-after': cancelAfter }),
      }
      const { request, text } = await sendForText(
        { method: 'POST', path: pathOf(target), body: JSON.stringify(body), headers, unsent },
        signal,
      )
      return await readAnswer(request, text)
    },
  }
}

/** The calls about the list of predictions at a path. */
const listCalls = (path: string, api: Api, { sendForText }: Sender): Pick<Client, 'list' | 'recent'> => ({
  async list(query, wanted, signal) {
    const search = query.cursor === undefined ? '' : `?${new URLSearchParams({ cursor: query.cursor })}`
    const { request, text } = await sendForText({ method: 'GET', path: path + search, limit: PAGE_LIMIT }, signal)
    return await readListPage(request, text, wanted, api)
  },
  async recent(since, signal) {
    const search = new URLSearchParams({ created_after: since.toISOString() })
    const { request, text } = await sendForText({ method: 'GET', path: `${path}?${search}`, limit: PAGE_LIMIT }, signal)
    const { body } = await readBody(request, text, api)
    const { results, next } = body
    if (!Array.isArray(results)) throw new NotAPredictionError(request, 'JSON that is not a list of predictions')
    return { items: results, isComplete: next === null || next === undefined }
  },
})

/** The calls about files of inputs. */
const uploadCalls = (api: Api, { send, sendForText }: Sender): Pick<Client, 'upload' | 'deleteUpload'> => ({
  async upload(file, signal) {
    const { request, status, text } = await sendForText({ method: 'POST', path: '/files', ...multipart(file) }, signal)
    return status === 201 ? uploadedFile((await readBody(request, text, api)).body) : undefined
  },
  async deleteUpload(id, signal) {
    try {
      await send({ method: 'DELETE', path: `/files/${encodeURIComponent(id)}` }, signal)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
    }
  },
})

function pathOf(target: CreateRequest['target']): string {
  if ('model' in target) return `/models/${target.model}/predictions`
  if ('deployment' in target) return `/deployments/${target.deployment}/predictions`
  return '/predictions'
}

const callOf = ({ method, body }: Call): NonNullable<ApiRequest['call']> => {
  if (method === 'GET') return 'get'
  return body === undefined ? 'cancel' : 'create'
}

/** The body of a form with one file (RFC 7578). */
function multipart({ name, type, content }: UploadedContent): { body: Buffer; headers: Record<string, string> } {
  const boundary = randomUUID()
  const fileName = name.replaceAll(/["\\\r\n]/g, (character) => encodeURIComponent(character))
  const disposition = `form-data; name="content"; filename="${fileName}"`
  const head = `--${boundary}\r\ncontent-disposition: ${disposition}\r\ncontent-type: ${type}\r\n\r\n`
  return {
    body: Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  }
}

/** What `POST /files` answered; undefined if it has no URL to pass on. */
function uploadedFile({ id, urls }: Record<string, unknown>): UploadedFile | undefined {
  const url = isRecord(urls) ? urls.get : undefined
  return typeof id === 'string' && typeof url === 'string' && URL.canParse(url) ? { id, url } : undefined
}

const withFiles = (answer: Answer, files: readonly string[]): Answer => ({
  ...answer,
  prediction: { ...answer.prediction, output: files },
})

/** A whole answer, whatever its status. */
interface Reply {
  status: number
  headers: Headers
  body: Body
}

/** Makes single requests with the key, and reads their answers whole. */
function createExchange({ apiUrl, apiKey, dispatcher, onRequest, store }: ClientOptions) {
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
