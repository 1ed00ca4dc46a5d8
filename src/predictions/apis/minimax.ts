import type { Refusal } from './api.ts'
import { encodeId } from './gateway.ts'
import { at, type Find, file, first, text } from './places.ts'
import { taskApi } from './task-api.ts'

/** The documented sample of a link has no scheme. */
const link =
  (path: string): Find<string> =>
  (json) =>
    first(file(path), (from) =>
      text(path)(from).flatMap((found) => (/^[\w-]+(?:\.[\w-]+)+(?:\/|$)/.test(found) ? [`https://${found}`] : [])),
    )(json)

/**
 * An unknown error, a timeout, too many requests, an internal error, an error of a service behind it: for these the
 * list of error codes (platform.minimax.io, API reference) advises another try. Other codes of `base_resp` are the
 * key's (1004, 2049), the balance's (1008) or the content's (1026, 1027).
 */
const TRANSIENT_CODES: ReadonlySet<string> = new Set(['1000', '1001', '1002', '1024', '1033'])

/** What `base_resp` says when it does not say that all is well. */
const ifRefused =
  (find: Find<string>): Find<string> =>
  (json) => {
    const [code = '0'] = text('base_resp.status_code')(json)
    return code === '0' ? [] : find(json)
  }
const refusalCode = ifRefused(text('base_resp.status_code'))
const refusalMessage = ifRefused(text('base_resp.status_msg'))

function refusal(json: unknown): Refusal | undefined {
  const [code] = refusalCode(json)
  if (code === undefined) return undefined
  return { code, message: refusalMessage(json)[0] ?? '', transient: TRANSIENT_CODES.has(code) }
}

/**
 * Hailuo of MiniMax (platform.minimax.io, video generation). Version 1 answers with the ID of a file, which a second
 * request turns into a link; version 2 has the link.
 */
export const minimax = taskApi({
  name: 'minimax',
  path: (id) =>
    id.startsWith('v2/')
      ? `/v2/query/video_generation/${encodeId(id.slice('v2/'.length))}`
      : `/v1/query/video_generation?task_id=${encodeId(id)}`,
  id: {
    accepts: ([version, ...rest]) => rest.length === 0 || (version === 'v2' && rest.length === 1),
    rule: 'the ID of a MiniMax task is the ID itself or, for version 2 of its API, v2/<ID>',
  },
  layers: ['task', ''],
  status: ['status'],
  files: first(file('content.url'), link('file.download_url'), file('video_url')),
  lookup: { id: text('file_id'), path: '/v1/files/retrieve?file_id={file}', file: link('file.download_url') },
  error: first(text('error.message'), refusalMessage),
  errorCode: first(text('error.code'), refusalCode),
  created: at('created_at'),
  refusal,
})
