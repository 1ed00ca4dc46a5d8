import { at, file, text } from './places.ts'
import { taskApi } from './task-api.ts'

/** Seedance of Doubao, in the format of Volcano Ark (vercel/ai, packages/bytedance). `last_frame_url` is a picture from the video. */
export const seedance = taskApi({
  name: 'seedance',
  path: '/volc/v3/contents/generations/tasks/{id}',
  status: ['status'],
  files: file('content.video_url'),
  error: text('error.message'),
  errorCode: text('error.code'),
  created: at('created_at'),
  completed: at('updated_at'),
})
