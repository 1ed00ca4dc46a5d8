import type { Status } from '../prediction.ts'
import { isRecord } from '../text.ts'
import type { Task } from './api.ts'
import { file, text } from './places.ts'

/**
 * What gateways of the new-api family do to every task, whatever API it is of: they may put their own record of the
 * task around the vendor's answer. Read in the sources of QuantumNous/new-api (dto/task.go, model/task.go,
 * relay/relay_task.go).
 */
export interface Envelope {
  /** The gateway's record of the task: its status, progress and times are in it. */
  readonly record: Readonly<Record<string, unknown>>
  /** The vendor's answer as the gateway got it. */
  readonly inner: unknown
}

/** A gateway asks the vendor every 15 s; its answers change no faster. */
export const GATEWAY_REFRESH_SECONDS = 15

/** Where the base address of a gateway is if `api-url` is empty. */
export const GATEWAY_URL = 'https://api.fuhuapi.com'

/** `unknown` is what a gateway calls a task that it has accepted and not passed on yet. */
export const GATEWAY_WORDS: Readonly<Record<string, Status>> = { unknown: 'starting' }

/** The envelope `{code: "success", message, data: {status, …}}`; undefined if the JSON is not one. */
export function envelopeOf(json: unknown): Envelope | undefined {
  if (!isRecord(json) || !isSuccess(json.code) || !isRecord(json.data)) return undefined
  return typeof json.data.status === 'string' ? { record: json.data, inner: json.data.data } : undefined
}

/** The gateway's own link to the result. Older ones keep it in `fail_reason`. */
export const envelopeFiles = [file('result_url'), file('fail_reason')] as const
export const envelopeError = text('fail_reason')
/** A file ID in place of a link, where older gateways keep the result. */
export const envelopeFileId = text('fail_reason')

/**
 * `{"code": "task_not_exist"}`, with status 400; `{"description": "task_no_found ", "code": 4}` of the Midjourney
 * routes; and a task that is `null` in an envelope.
 */
export function isUnknownToGateway(json: unknown): boolean {
  if (!isRecord(json)) return false
  if (json.code === 'task_not_exist') return true
  if (typeof json.description === 'string' && json.description.trim() === 'task_no_found') return true
  return isSuccess(json.code) && json.data === null
}

const isSuccess = (code: unknown) => typeof code === 'string' && code.toLowerCase() === 'success'

/** The path from which a gateway serves the video of a task, with the key. */
export const contentPath = (id: string): string => `/v1/videos/${encodeId(id.split('/').at(-1) ?? '')}/content`

/**
 * The address at which a file is fetched with the key: only the content of the task itself, at the API's own address,
 * whatever the origin of the link. A model or a vendor that chose any other path of the gateway would have the key read
 * what it may read there.
 * @returns undefined if the link needs no key
 */
export function contentUrl(link: string, { id, apiUrl }: Task): string | undefined {
  const url = URL.parse(link)
  const path = contentPath(id)
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:'
  return isWeb && url?.pathname.endsWith(path) ? apiUrl + path : undefined
}

/** An ID as one segment of a path; colons stay as they are. */
export const encodeId = (id: string): string => encodeURIComponent(id).replaceAll('%3A', ':')
