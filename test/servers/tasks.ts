/** The task APIs of a gateway: videos, music and pictures that are made while they are polled. Their paths begin at its root. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ServedFile, serveFile } from './served-file.ts'
import { json } from './tricks.ts'

/** A task as it goes on, in seconds since it was added. */
export interface TaskPlay {
  api: keyof typeof SHAPES
  id?: string
  /** When it ends. */
  ends: number
  outcome?: 'succeeded' | 'failed'
  /** Links to what it makes; none means that the film of `videos` is only at its content path. */
  links?: readonly string[]
  /** Whether the gateway puts its own record around the answer; Suno has no other form. */
  enveloped?: boolean
  /** Seconds in which the gateway does not know it yet. */
  unknownFor?: number
  /** The film at the content path. */
  content?: ServedFile
  /** Fields that replace those of the answer, before it is put into an envelope. */
  body?: Record<string, unknown>
}

type Stage = 'queued' | 'running' | 'succeeded' | 'failed' | 'canceled'

interface Living extends TaskPlay {
  id: string
  born: number
  deleted?: boolean
}

/** How far a task is, as its API tells it. */
interface Shown {
  id: string
  stage: Stage
  /** From 0 to 100. */
  percent: number
  links: readonly string[]
}

const REASON = 'The prompt was refused.'
/** 2026-03-01T12:00:00Z, in seconds. */
const CREATED = 1772366400
const word = <T>(stage: Stage, words: Record<Stage, T>): T => words[stage]

/** The answer of each vendor. */
const SHAPES = {
  videos: ({ id, stage, percent, links: [video_url] }: Shown) => ({
    id,
    object: 'video',
    model: 'sora-2',
    status: word(stage, {
      queued: 'queued',
      running: 'in_progress',
      succeeded: 'completed',
      failed: 'failed',
      canceled: 'cancelled',
    }),
    progress: percent,
    created_at: CREATED,
    completed_at: stage === 'succeeded' ? CREATED + 240 : null,
    ...(video_url === undefined || stage !== 'succeeded' ? {} : { video_url }),
    error: stage === 'failed' ? { code: 'moderation_blocked', message: REASON } : null,
  }),
  suno: ({ stage, links }: Shown) =>
    links.map((audio_url, n) => ({
      id: `clip-${n}`,
      status: stage === 'succeeded' ? 'complete' : 'streaming',
      audio_url,
    })),
  midjourney: ({ id, stage, percent, links: [imageUrl] }: Shown) => ({
    id,
    action: 'IMAGINE',
    status: word(stage, {
      queued: 'SUBMITTED',
      running: 'IN_PROGRESS',
      succeeded: 'SUCCESS',
      failed: 'FAILURE',
      canceled: 'CANCEL',
    }),
    progress: `${percent}%`,
    submitTime: CREATED * 1000,
    // The preview of a picture that is drawn.
    imageUrl: stage === 'queued' ? null : imageUrl,
    failReason: stage === 'failed' ? REASON : null,
  }),
  kling: ({ id, stage, links }: Shown) => ({
    code: 0,
    message: 'SUCCEED',
    request_id: 'r-1',
    data: {
      task_id: id.split('/').at(-1),
      task_status: word(stage, {
        queued: 'submitted',
        running: 'processing',
        succeeded: 'succeed',
        failed: 'failed',
        canceled: 'failed',
      }),
      task_status_msg: stage === 'failed' ? REASON : '',
      created_at: CREATED * 1000,
      updated_at: (CREATED + 240) * 1000,
      task_result: stage === 'succeeded' ? { videos: links.map((url) => ({ url, watermark_url: `${url}?mark` })) } : {},
    },
  }),
  runway: ({ id, stage, percent, links }: Shown) => ({
    id,
    createdAt: '2026-03-01T12:00:00.000Z',
    status: word(stage, {
      queued: 'PENDING',
      running: 'RUNNING',
      succeeded: 'SUCCEEDED',
      failed: 'FAILED',
      canceled: 'CANCELLED',
    }),
    ...(stage === 'running' ? { progress: percent / 100 } : {}),
    ...(stage === 'succeeded' ? { output: links } : {}),
    ...(stage === 'failed' ? { failure: REASON, failureCode: 'SAFETY.INPUT.TEXT' } : {}),
  }),
  luma: ({ id, stage, links: [video] }: Shown) => ({
    id,
    created_at: '2026-03-01T12:00:00Z',
    state: word(stage, {
      queued: 'queued',
      running: 'dreaming',
      succeeded: 'completed',
      failed: 'failed',
      canceled: 'failed',
    }),
    ...(stage === 'succeeded' ? { assets: { video, image: `${video}?still` } } : {}),
    failure_reason: stage === 'failed' ? REASON : null,
  }),
  minimax: ({ id, stage }: Shown) => ({
    task_id: id,
    status: word(stage, {
      queued: 'Queueing',
      running: 'Processing',
      succeeded: 'Success',
      failed: 'Fail',
      canceled: 'Fail',
    }),
    file_id: stage === 'succeeded' ? `file-of-${id}` : '',
    base_resp:
      stage === 'failed' ? { status_code: 1027, status_msg: REASON } : { status_code: 0, status_msg: 'success' },
  }),
  seedance: ({ id, stage, links: [video_url] }: Shown) => ({
    id,
    model: 'doubao-seedance',
    status: stage === 'canceled' ? 'cancelled' : stage,
    created_at: CREATED,
    updated_at: CREATED + 240,
    ...(stage === 'succeeded' ? { content: { video_url, last_frame_url: `${video_url}?last` } } : {}),
    ...(stage === 'failed' ? { error: { code: 'SensitiveContent', message: REASON } } : {}),
  }),
  dashscope: ({ id, stage, links: [video_url] }: Shown) => ({
    request_id: 'r-1',
    output: {
      task_id: id,
      task_status: stage === 'queued' ? 'PENDING' : stage.toUpperCase(),
      ...(stage === 'succeeded' ? { video_url } : {}),
      ...(stage === 'failed' ? { code: 'InvalidParameter', message: REASON } : {}),
    },
  }),
}

/** Where each task is; the first group of each pattern is its ID. */
const ROUTES: readonly (readonly [TaskPlay['api'], RegExp])[] = [
  ['videos', /^\/v1\/videos\/([^/]+)$/],
  ['suno', /^\/suno\/fetch\/([^/]+)$/],
  ['midjourney', /^\/mj\/task\/([^/]+)\/fetch$/],
  ['kling', /^\/kling\/v1\/videos\/([^/]+\/[^/]+)$/],
  ['runway', /^\/runwayml\/v1\/tasks\/([^/]+)$/],
  ['luma', /^\/dream-machine\/v1\/generations\/([^/]+)$/],
  ['minimax', /^\/v1\/query\/video_generation\?task_id=([^&]+)$/],
  ['seedance', /^\/volc\/v3\/contents\/generations\/tasks\/([^/]+)$/],
  ['dashscope', /^\/api\/v1\/tasks\/([^/]+)$/],
]

/** The tasks of one gateway. */
export class TaskGateway {
  readonly #key: string
  readonly #tasks = new Map<string, Living>()

  constructor(key: string) {
    this.#key = key
  }

  /** Adds a task that is created now. @returns its ID */
  add(task: TaskPlay): string {
    const id = task.id ?? `task-${this.#tasks.size + 1}`
    this.#tasks.set(id, { ...task, id, born: performance.now() / 1000 })
    return id
  }

  /** @returns false if the path is of no task API */
  async answer(url: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const film = /^\/v1\/videos\/([^/]+)\/content$/.exec(url)?.[1]
    const file = /^\/v1\/files\/retrieve\?file_id=file-of-(.+)$/.exec(url)?.[1]
    if (request.method === 'POST' && url === '/v1/videos') {
      if (!this.#isAllowed(request, response)) return true
      const id = this.add({ api: 'videos', ends: 1, content: { body: Buffer.from('a film'), type: 'text/plain' } })
      json(response, 200, answerOf(this.#tasks.get(id) as Living))
      return true
    }
    const route = ROUTES.find(([, pattern]) => pattern.test(url))
    const id = film ?? (file && decodeURIComponent(file)) ?? route?.[1].exec(url)?.[1]
    if (id === undefined) return false
    if (!this.#isAllowed(request, response)) return true
    const task = this.#tasks.get(id)
    const isKnown = task && !task.deleted && age(task) >= (task.unknownFor ?? 0)
    if (!isKnown) json(response, 400, { code: 'task_not_exist', message: 'task_not_exist', data: null })
    else if (film !== undefined) await serveFilm(task, request, response)
    else if (file !== undefined) json(response, 200, { file: { file_id: 1, download_url: task.links?.[0] } })
    else if (task.api === 'runway' && request.method === 'DELETE') {
      task.deleted = true
      response.writeHead(204).end()
    } else json(response, 200, answerOf(task))
    return true
  }

  #isAllowed(request: IncomingMessage, response: ServerResponse): boolean {
    const allowed = request.headers.authorization === `Bearer ${this.#key}`
    if (!allowed) json(response, 401, { error: { message: 'Invalid token', type: 'new_api_error' } })
    return allowed
  }

  /** Whether a call deleted a task. */
  isDeleted(id: string): boolean {
    return this.#tasks.get(id)?.deleted === true
  }
}

const age = (task: Living) => performance.now() / 1000 - task.born

const runningStage = (part: number): Stage => (part < 1 / 4 ? 'queued' : 'running')

function answerOf(task: Living): unknown {
  const passed = age(task)
  const stage: Stage = passed < task.ends ? runningStage(passed / task.ends) : (task.outcome ?? 'succeeded')
  const percent = Math.min(100, Math.round((passed / task.ends) * 100))
  const made = SHAPES[task.api]({ id: task.id, stage, percent, links: task.links ?? [] })
  const inner = task.body ? { ...made, ...task.body } : made
  if (!task.enveloped && task.api !== 'suno') return inner
  const status = word(stage, {
    queued: 'QUEUED',
    running: 'IN_PROGRESS',
    succeeded: 'SUCCESS',
    failed: 'FAILURE',
    canceled: 'FAILURE',
  })
  const over = passed >= task.ends
  const data = {
    task_id: task.id,
    status,
    fail_reason: stage === 'failed' ? REASON : '',
    submit_time: CREATED,
    finish_time: over ? CREATED + 240 : 0,
    progress: `${percent}%`,
    data: inner,
  }
  return { code: 'success', message: '', data }
}

async function serveFilm(task: Living, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (age(task) >= task.ends) return serveFile(task.content, request, response)
  const message = 'Task is not completed yet, current status: IN_PROGRESS'
  json(response, 400, { error: { message, type: 'invalid_request_error' } })
}
