import type { Simulator } from '../servers/simulator.ts'
import type { TaskPlay } from '../servers/tasks.ts'
import { type RunResult, runAction } from './run-action.ts'

type ApiName = TaskPlay['api']
type Inputs = Record<string, string>

export const TASK_APIS = [
  'videos',
  'suno',
  'midjourney',
  'kling',
  'runway',
  'luma',
  'minimax',
  'seedance',
  'dashscope',
] as const satisfies readonly ApiName[]

/** An ID as the API has them. */
export const taskId = (api: ApiName): string => (api === 'kling' ? 'text2video/878106242831892400' : `task:${api}-1`)

export const taskInputs = ({ key, origin }: Simulator, api: string, id: string, more: Inputs = {}): Inputs => ({
  api,
  'prediction-id': id,
  'api-key': key,
  'api-url': origin,
  'poll-interval': '200ms',
  timeout: '30s',
  ...more,
})

/** Runs the root action for a task. */
export const waitForTask = (...args: Parameters<typeof taskInputs>): Promise<RunResult> =>
  runAction({ inputs: taskInputs(...args) })

/** Of each request for a path, whether it had the key. */
export const keysFor = ({ requests, key }: Simulator, part: string): boolean[] =>
  requests.filter(({ url }) => url.includes(part)).map(({ headers }) => headers.authorization === `Bearer ${key}`)
