import { all, at, type Find, file, first, text } from './places.ts'
import { taskApi } from './task-api.ts'

/** These actions turn a picture or a prompt into words: their picture is the one that they were given. */
const ACTIONS_WITH_TEXT: ReadonlySet<unknown> = new Set(['DESCRIBE', 'SHORTEN'])

const ofAction =
  <T>(withText: boolean, find: Find<T>): Find<T> =>
  (task) =>
    ACTIONS_WITH_TEXT.has(at('action')(task)[0]) === withText ? find(task) : []

/** Midjourney behind the proxy that gateways took over (novicezk/midjourney-proxy, docs/api.md; new-api, dto/midjourney.go). */
export const midjourney = taskApi({
  name: 'midjourney',
  path: '/mj/task/{id}/fetch',
  // One gateway wraps the task in `data`.
  layers: ['', 'data'],
  status: ['status'],
  words: {
    // Seen right after a face swap was accepted.
    '': 'starting',
    modal: {
      status: 'failed',
      why: 'Midjourney waits for a person to confirm this task (MODAL), so it never ends by itself. Submit its modal action (POST /mj/submit/modal), then wait for the ID in the response.',
    },
  },
  files: ofAction(
    false,
    first(
      all(file('videoUrl'), file('videoUrls.*.url')),
      file('imageUrl'),
      all(file('video_url'), file('video_urls.*')),
    ),
  ),
  text: first(text('properties.finalPrompt'), ofAction(true, text('promptEn'))),
  error: text('failReason'),
  progress: { find: at('progress'), of: 100 },
  created: at('submitTime'),
  completed: at('finishTime'),
  // The original proxy answers 200 with nothing.
  emptyIsUnknown: true,
})
