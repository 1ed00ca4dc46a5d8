import { encodeId } from './gateway.ts'
import { at, file, text } from './places.ts'
import { taskApi } from './task-api.ts'

/** Runway in its own format (runwayml/sdk-node, src/resources/tasks.ts). */
export const runway = taskApi({
  name: 'runway',
  path: '/runwayml/v1/tasks/{id}',
  status: ['status'],
  files: file('output.*'),
  error: text('failure'),
  errorCode: text('failureCode'),
  progress: { find: at('progress'), of: 1 },
  created: at('createdAt'),
  cancel: { method: 'DELETE', path: (id) => `/runwayml/v1/tasks/${encodeId(id)}` },
})
