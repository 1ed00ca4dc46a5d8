import { type Answer, type ReadAnswer, readAnswer, readBody } from './answer.ts'
import type { Api, Lookup, Task } from './apis/api.ts'
import { predictions } from './apis/predictions.ts'
import type { Body, StoredText } from './body.ts'
import { NotAPredictionError, RefusedInBodyError } from './errors.ts'
import { type InputFileCalls, inputFileCalls } from './input-files.ts'
import { type ListPage, PAGE_LIMIT, readListPage } from './list-page.ts'
import { createSender, type Sender, type SenderOptions } from './sender.ts'
import { abridged, storedAnswer } from './stored-answer.ts'
import { Turns } from './turns.ts'

/** The calls of a predictions API. */
export interface Client extends InputFileCalls {
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

/** Which page of the list: that after a cursor, or the first one. */
interface ListQuery {
  cursor?: string | undefined
}

const NO_LINK = 'The task succeeded, but the API gives no link to its file.'

/** Reads the answers about predictions: of large ones only a part stays in memory, and files may take a request of their own. */
function createReader({ api = predictions }: SenderOptions, { sendForText }: Sender, turns: Turns) {
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
export function createClient(options: SenderOptions): Client {
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
    ...inputFileCalls(api, sender),
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

function pathOf(target: CreateRequest['target']): string {
  if ('model' in target) return `/models/${target.model}/predictions`
  if ('deployment' in target) return `/deployments/${target.deployment}/predictions`
  return '/predictions'
}

const withFiles = (answer: Answer, files: readonly string[]): Answer => ({
  ...answer,
  prediction: { ...answer.prediction, output: files },
})
