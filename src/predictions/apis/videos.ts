import { all, at, file, first, text } from './places.ts'
import { taskApi } from './task-api.ts'

/**
 * The video format of OpenAI (openai-openapi, VideoResource), in which gateways serve Sora, Veo and others. The
 * vendor's object has no link to the video; gateways add one in fields of their own.
 */
export const videos = taskApi({
  name: 'videos',
  path: '/v1/videos/{id}',
  status: ['status'],
  files: first(
    file('video_url'),
    file('metadata.url'),
    file('url'),
    file('video.url'),
    all(file('output'), file('output.*'), file('output.url'), file('output.*.url')),
  ),
  content: true,
  error: first(text('error.message'), text('error')),
  errorCode: text('error.code'),
  progress: { find: at('progress'), of: 100 },
  created: first(at('created_at'), at('created')),
  completed: at('completed_at'),
})
