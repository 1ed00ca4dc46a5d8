import { all, at, file, text } from './places.ts'
import { taskApi } from './task-api.ts'

/** Wan and others of Alibaba's DashScope (vercel/ai, packages/alibaba). Its own host is https://dashscope.aliyuncs.com. */
export const dashscope = taskApi({
  name: 'dashscope',
  path: '/api/v1/tasks/{id}',
  layers: ['output'],
  status: ['task_status'],
  words: {
    // The API reference of DashScope: the ID is invalid or has expired; IDs are valid for 24 hours.
    unknown: {
      status: 'failed',
      why: 'DashScope does not know this task: the ID is wrong, or the task is older than 24 hours.',
    },
  },
  files: all(file('video_url'), file('results.*.url')),
  error: text('message'),
  errorCode: text('code'),
  created: at('submit_time'),
  completed: at('end_time'),
})
