import { isFile } from '../output.ts'
import { isTerminal, type Prediction, readStatus, type Status } from '../prediction.ts'
import type { Api, CancelCall, Lookup, Reading, Refusal, Task } from './api.ts'
import {
  contentPath,
  contentUrl,
  type Envelope,
  encodeId,
  envelopeError,
  envelopeFileId,
  envelopeFiles,
  envelopeOf,
  GATEWAY_REFRESH_SECONDS,
  GATEWAY_URL,
  GATEWAY_WORDS,
  isUnknownToGateway,
} from './gateway.ts'
import { at, errorMessage, type Find, first, text } from './places.ts'

/** An API of tasks as a table: where its answers have what. Every place is relative to the vendor's object. */
export interface TaskTable {
  readonly name: string
  /** The path below the root of the gateway; `{id}` is the ID. */
  readonly path: string | ((id: string) => string)
  /** What IDs look like if the path needs more than the task's own: segments between slashes. */
  readonly id?: { accepts(segments: readonly string[]): boolean; readonly rule: string }
  /** Where the vendor's object may be, the likeliest first; `''` is the body. The body only, unless given. */
  readonly layers?: readonly string[]
  /** Where the word is, the likeliest first; none if it is only in the gateway's envelope. */
  readonly status: readonly string[]
  /** Words in lower case that mean something else here than in the shared list, or are only known here. */
  readonly words?: Readonly<Record<string, Word>>
  readonly files: Find<string>
  /** The result of tasks that make no file. */
  readonly text?: Find<string>
  /** Read only of a task that failed, or has no result. */
  readonly error: Find<string>
  readonly errorCode?: Find<string>
  /** `of`: the value at the end. */
  readonly progress?: { readonly find: Find<unknown>; readonly of: 1 | 100 }
  /** ISO 8601, or seconds or milliseconds since the epoch; none if it is only in the gateway's envelope. */
  readonly created?: Find<unknown>
  readonly completed?: Find<unknown>
  /** Whether the file of a task without a link is at the gateway's content path. */
  readonly content?: true
  /** How a file is found that the answer has only the ID of; `{file}` in the path is that ID. */
  readonly lookup?: { readonly id: Find<string>; readonly path: string; readonly file: Find<string> }
  /** Reads a body that refuses the request although its HTTP status is 200. */
  readonly refusal?: (json: unknown) => Refusal | undefined
  /** Whether an empty body says that the ID is not known. */
  readonly emptyIsUnknown?: true
  readonly cancel?: CancelCall
}

/** A status, or an end that needs a sentence of ours. */
type Word = Status | { readonly status: Status; readonly why: string }

/** Runway asks its clients not to poll more often; nobody else says more. */
const POLL_SECONDS = 5

const SEGMENT = /^[A-Za-z0-9][\w:.-]{0,199}$/
const PLAIN_ID: NonNullable<TaskTable['id']> = {
  accepts: (segments) => segments.length === 1,
  rule: 'an ID consists of at most 200 letters, digits, "-", "_", "." and ":"',
}

/** Makes an API of its table. */
export function taskApi(table: TaskTable): Api {
  const { accepts, rule } = table.id ?? PLAIN_ID
  return {
    name: table.name,
    defaultUrl: GATEWAY_URL,
    isId(id) {
      const segments = id.split('/')
      return accepts(segments) && segments.every((segment) => SEGMENT.test(segment))
    },
    idRule: rule,
    path: (id) => (typeof table.path === 'string' ? table.path.replace('{id}', encodeId(id)) : table.path(id)),
    read: (json, task) => readTask(table, json, task),
    isUnknownId: ({ json, empty }) => (empty ? table.emptyIsUnknown === true : isUnknownToGateway(json)),
    cancel: table.cancel,
    linkLife: 'unknown',
    shortestInterval: POLL_SECONDS,
    keyedUrl: contentUrl,
  }
}

function readTask(table: TaskTable, json: unknown, task: Task): Reading {
  const envelope = envelopeOf(json)
  const objects = vendorObjects(table, envelope ? [envelope.inner, envelope.record] : [json])
  const word = envelope ? String(envelope.record.status) : wordOf(table, objects)
  // In a refusal the word is missing or empty.
  if (!envelope && !word?.trim()) {
    if (isUnknownToGateway(json)) return { kind: 'unknown-id' }
    const refusal = table.refusal?.(json)
    if (refusal) return { kind: 'refusal', ...refusal }
  }
  if (word === undefined) {
    const places = table.status.length > 0 ? table.status : ['data.status']
    return { kind: 'other', expected: `the string ${places.join(' or ')}` }
  }
  const said = readWord(table, word)
  const meaning = badEndWithin({ table, objects, envelope, task, status: said.status }) ?? said
  const answer: TaskAnswer = { table, objects, envelope, task, status: meaning.status }
  const lookup = lookupOf(answer)
  return {
    kind: 'prediction',
    prediction: predictionOf(answer, { word, why: meaning.why, awaitsFile: lookup !== undefined }),
    progress: progressOf(answer),
    refresh: envelope ? GATEWAY_REFRESH_SECONDS : undefined,
    lookup,
  }
}

interface TaskAnswer {
  table: TaskTable
  /** What may be the vendor's object, the likeliest first. */
  objects: readonly unknown[]
  envelope: Envelope | undefined
  task: Task
  status: Status
}

/** The bad end that the vendor reports of a task without files, although the gateway calls it a success. */
function badEndWithin(answer: TaskAnswer): Meaning | undefined {
  const { table, envelope, status } = answer
  if (!envelope || status !== 'succeeded' || filesOf(answer).length > 0) return undefined
  const word = wordOf(table, vendorObjects(table, [envelope.inner]))
  const meaning = word === undefined ? undefined : readWord(table, word)
  return meaning?.status === 'failed' || meaning?.status === 'canceled' ? meaning : undefined
}

const vendorObjects = ({ layers = [''] }: TaskTable, roots: readonly unknown[]) =>
  roots.flatMap((root) => layers.flatMap((layer) => at(layer)(root)))

/** What the first of the objects has that has something. */
function findIn<T>(objects: readonly unknown[], find: Find<T> | undefined): T[] {
  for (const object of find ? objects : []) {
    const found = find?.(object) ?? []
    if (found.length > 0) return found
  }
  return []
}

function wordOf({ status }: TaskTable, objects: readonly unknown[]): string | undefined {
  for (const path of status) {
    const word = findIn(objects, at(path)).find((value) => typeof value === 'string')
    if (typeof word === 'string') return word
  }
  return undefined
}

/** What a word means; `why`: a sentence of ours, if it needs one. */
interface Meaning {
  status: Status
  why?: string
}

function readWord({ words = {} }: TaskTable, word: string): Meaning {
  const plain = word.trim().toLowerCase()
  for (const list of [words, GATEWAY_WORDS]) {
    const meaning = Object.hasOwn(list, plain) ? list[plain] : undefined
    if (meaning !== undefined) return typeof meaning === 'string' ? { status: meaning } : meaning
  }
  return { status: readStatus(word).status }
}

function predictionOf(
  answer: TaskAnswer,
  { word, why, awaitsFile }: { word: string; why: string | undefined; awaitsFile: boolean },
): Prediction {
  const { table, objects, envelope, task, status } = answer
  const [model] = findIn(objects, text('model'))
  const created = findIn(envelope ? [envelope.record] : objects, envelope ? at('submit_time') : table.created)
  const completed = findIn(envelope ? [envelope.record] : objects, envelope ? at('finish_time') : table.completed)
  const isDone = status === 'succeeded' && !awaitsFile
  const output = isDone ? outputOf(answer) : null
  // Of a success, what the gateway says is no error: it can be the link.
  const ownError = isDone && output === null ? findIn(objects, table.error)[0] : undefined
  return {
    id: task.id,
    status: status === 'unknown' ? word : status,
    model,
    output,
    error: status === 'failed' || status === 'canceled' ? (why ?? errorOf(answer)) : (ownError ?? null),
    created_at: isoTime(created[0]),
    // Some gateways move the time of the end while a task runs.
    completed_at: isTerminal(status) ? isoTime(completed[0]) : undefined,
  }
}

/** The files in their order, each once; else the text of the result. */
function outputOf(answer: TaskAnswer): string[] | string | null {
  const files = filesOf(answer)
  if (files.length > 0) return [...new Set(files)]
  const { table, objects, task } = answer
  if (table.content) return [task.apiUrl + contentPath(task.id)]
  // A text that is an address would be fetched as a file.
  return findIn(objects, table.text).find((found) => !isFile(found)) ?? null
}

function filesOf({ table, objects, envelope }: TaskAnswer): string[] {
  const files = findIn(objects, table.files)
  if (files.length > 0 || !envelope) return files
  return envelopeFiles.map((find) => find(envelope.record)).find((found) => found.length > 0) ?? []
}

function lookupOf(answer: TaskAnswer): Lookup | undefined {
  const { table, objects, envelope, status } = answer
  if (!table.lookup || status !== 'succeeded' || filesOf(answer).length > 0) return undefined
  const [id] = [...findIn(objects, table.lookup.id), ...(envelope ? envelopeFileId(envelope.record) : [])]
  return id === undefined
    ? undefined
    : { path: table.lookup.path.replace('{file}', encodeURIComponent(id)), file: table.lookup.file }
}

/** Where gateways put the reason of a failure, whatever API the task is of. */
const otherErrors = first(...['error', 'fail_reason', 'failure_reason', 'error_message', 'error_msg'].map(errorMessage))

function errorOf({ table, objects, envelope }: TaskAnswer): string | null {
  const [message] = [...(envelope ? envelopeError(envelope.record) : []), ...findIn(objects, table.error)]
  const [code] = findIn(objects, table.errorCode)
  if (message === undefined) return code ?? findIn(objects, otherErrors)[0] ?? null
  return code === undefined || message.includes(code) ? message : `${message} (code: ${code})`
}

function progressOf({ table, objects, envelope, status }: TaskAnswer): number | undefined {
  if (isTerminal(status)) return undefined
  const [value] = envelope ? at('progress')(envelope.record) : findIn(objects, table.progress?.find)
  const number = typeof value === 'string' ? /^\s*(\d{1,3}(?:\.\d{1,12})?)\s*%?\s*$/.exec(value)?.[1] : value
  if (typeof number !== 'string' && typeof number !== 'number') return undefined
  const fraction = Number(number) / (envelope ? 100 : (table.progress?.of ?? 100))
  return fraction >= 0 && fraction <= 1 ? fraction : undefined
}

/** Seconds since the epoch have had ten digits since 2001, milliseconds thirteen. */
const LEAST_SECONDS = 1e9
const LEAST_MILLISECONDS = 1e12
const MOST_MILLISECONDS = 1e14

/** A time as an API gives it, in the form in which predictions have it; 0 and what makes no sense is no time. */
function isoTime(value: unknown): string | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number') return undefined
  if (Number.isNaN(number)) return Number.isNaN(Date.parse(String(value))) ? undefined : String(value)
  if (!(number >= LEAST_SECONDS && number < MOST_MILLISECONDS)) return undefined
  return new Date(number >= LEAST_MILLISECONDS ? number : number * 1000).toISOString()
}
