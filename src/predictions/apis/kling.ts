import { isRecord } from '../text.ts'
import { encodeId } from './gateway.ts'
import { all, at, file, first, text } from './places.ts'
import { taskApi } from './task-api.ts'

const FAMILIES: ReadonlySet<string> = new Set(['videos', 'images', 'audio'])
/** Too many requests, too many at once; recalled, not read in Kling's documentation. */
const LIMIT_CODES: ReadonlySet<unknown> = new Set([1302, 1303])

/**
 * Kling (answers on the wire; vercel/ai, packages/klingai). The path of a task has the kind of work in it. `code` 0
 * says that the query went well, not the task. `watermark_url` is the same video with a watermark.
 */
export const kling = taskApi({
  name: 'kling',
  path(id) {
    const segments = id.split('/').map(encodeId)
    return `/kling/v1/${FAMILIES.has(segments[0] ?? '') ? '' : 'videos/'}${segments.join('/')}`
  },
  id: {
    accepts: ({ length }) => length >= 2 && length <= 4,
    rule: 'the ID of a Kling task must be prefixed with its kind, as in text2video/<ID> or images/generations/<ID>',
  },
  layers: ['data', ''],
  status: ['task_status', 'status'],
  files: first(
    all(file('task_result.videos.*.url'), file('task_result.images.*.url'), file('task_result.audios.*.url')),
    file('url'),
  ),
  error: first(text('task_status_msg'), text('error.message')),
  created: at('created_at'),
  completed: at('updated_at'),
  refusal(json) {
    if (!isRecord(json) || typeof json.code !== 'number' || json.code === 0) return undefined
    return { code: String(json.code), message: text('message')(json)[0] ?? '', transient: LIMIT_CODES.has(json.code) }
  },
})
