import { all, at, file, text } from './places.ts'
import { taskApi } from './task-api.ts'

/** Wan and others of Alibaba's DashScope (vercel/ai, packages/alibaba). Its own host is https://dashscope.aliyuncs.com. */
export const dashscope = taskApi({
  name: 'dashscope',
  path: '/api/v1/tasks/{id}',
  layers: ['output'],
  status: ['task_status'],
  files: all(file('video_url'), file('results.*.url')),
  error: text('message'),
  errorCode: text('code'),
  created: at('submit_time'),
  completed: at('end_time'),
})
