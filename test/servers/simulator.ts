/**
 * A predictions API on 127.0.0.1 that behaves like the real ones, and misbehaves on demand. As a program it serves until
 * it is stopped: `node test/servers/simulator.ts --port 8787 --key sk-…`.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { cake } from '../fixtures/pictures.ts'
import type { Certificate } from '../support/certificate.ts'
import { bodyOf, listen } from '../support/listen.ts'
import { type ListManner, listPage } from './prediction-list.ts'
import { serveStream } from './prediction-stream.ts'
import { type ServedFile, serveFile } from './served-file.ts'
import { answerOf, cancelAfterOf, isOver, type Living, type Moment, type Play, stamp } from './simulated-prediction.ts'
import { TaskGateway } from './tasks.ts'
import { gatewayPage, json, play, problem, type Trick } from './tricks.ts'

export type { ListManner } from './prediction-list.ts'
export type { FileTrick, ServedFile } from './served-file.ts'
export type { Moment, Play, StreamManner } from './simulated-prediction.ts'
export type { Trick } from './tricks.ts'

export interface Recorded {
  /** Seconds. */
  at: number
  method: string
  url: string
  httpVersion: string
  headers: IncomingMessage['headers']
  body: string
}

/** A request has arrived whole; a creation has been carried out but not answered; a request has been answered. */
export type RequestMoment = 'arrived' | 'carried out' | 'answered'

/** What a client asks to be created. */
export interface CreationRequest {
  model?: string
  version?: string
  deployment?: string
  input: Record<string, unknown>
}

export interface SimulatorOptions {
  port?: number
  key?: string
  basePath?: string
  /** Serves https with this certificate, and HTTP/2 beside HTTP/1.1 with `http2`. */
  tls?: Certificate
  http2?: boolean
  /** Where clients find it, in the addresses of files and streams: its own origin unless a proxy leads there. */
  publicOrigin?: string
  /** Requests a minute, all together; more are answered with 429. */
  requestsPerMinute?: number
  /** Called at moments of each request; the request waits for what it returns. */
  onMoment?: (moment: RequestMoment, request: Recorded) => void | Promise<void>
  /** What is done with a creation in place of carrying it out. */
  refuse?: (request: CreationRequest) => Trick | undefined
  /** What a created prediction does. */
  onCreate?: (request: CreationRequest) => Omit<Play, 'id' | 'input'>
  /** The status with which cancelling is refused; undefined where it works. */
  cancelRefusal?: number
  /**
   * What a cancel is answered with: the prediction, as by Replicate, or `{}`, as by every version of cog, with status 200
   * for a prediction and 404 for what is none (python/cog/server/http.py).
   */
  cancelAnswer?: 'prediction' | 'empty'
  /** How the list of predictions behaves; may be changed at any time by {@link Simulator.list}. */
  list?: ListManner
  /** Models that are not official: a creation without a version is a 404. */
  communityModels?: readonly string[]
  /** Whether files can be uploaded; no documentation of a gateway names `/files`. */
  uploads?: boolean
}

/** A file that a client uploaded. */
export interface UploadedFile {
  id: string
  name: string
  contentType: string
  bytes: Buffer
}

export interface Simulator extends AsyncDisposable {
  readonly key: string
  readonly origin: string
  readonly apiUrl: string
  readonly requests: Recorded[]
  readonly list: ListManner
  /** The other APIs of the gateway, below its origin. */
  readonly tasks: TaskGateway
  /** What was uploaded and not deleted, in order. */
  readonly uploaded: UploadedFile[]
  /** Requests to the API itself: those for files and streams left out. */
  apiRequests(): Recorded[]
  /** Adds a prediction that is created now. @returns its id */
  add(play: Play): string
  /** Adds one that has ended. @returns its id */
  ended(body: Record<string, unknown>): string
  /** Adds predictions of others on the same account, which the list shows before older ones. @returns their ids */
  addStrangers(count: number): string[]
  /** Tricks for the next requests of one prediction, `*` for any; one after the other. */
  trick(id: string, ...tricks: Trick[]): void
  /** Serves a file. @returns its address */
  file(name: string, file: ServedFile): string
  /** The status of a prediction as it is now. */
  statusOf(id: string): string | undefined
  /** How many predictions have not ended. */
  running(): number
  close(): Promise<void>
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
/** An id as the API makes them: 26 of `[a-z0-9]`. */
export const newId = () => Array.from(randomBytes(26), (byte) => ALPHABET[byte % ALPHABET.length]).join('')

const seconds = () => performance.now() / 1000
const MAX_UPLOAD_BYTES = 100e6
const DAY_SECONDS = 86_400
const ended = (body: Record<string, unknown>): Play => ({
  moments: [
    { at: 0, status: 'processing' },
    { at: 0, status: 'succeeded' },
  ],
  body,
  ...(typeof body.id === 'string' ? { id: body.id } : {}),
})

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { key = 'sk-simulator-0123456789abcdef', basePath = '/replicate/v1', port = 0, tls, http2 } = options
  const requests: Recorded[] = []
  const listening = await listen(
    async (request, response) => {
      const recorded = record(request)
      requests.push(recorded)
      try {
        const body = await bodyOf(request)
        recorded.body = body.toString()
        await options.onMoment?.('arrived', recorded)
        await api.answer({ recorded, request, response, body })
        await options.onMoment?.('answered', recorded)
      } catch (error) {
        if (!response.destroyed) response.destroy(error instanceof Error ? error : undefined)
      }
    },
    { port, tls, http2 },
  )
  listening.server.keepAliveTimeout = 60_000
  const { origin, close } = listening
  const publicOrigin = options.publicOrigin ?? origin
  const api = new PredictionsApi(publicOrigin, basePath, key, options)
  return {
    key,
    origin,
    apiUrl: `${origin}${basePath}`,
    requests,
    list: api.list,
    tasks: api.tasks,
    uploaded: api.uploaded,
    apiRequests: () => requests.filter(({ url }) => url.startsWith(basePath)),
    add: (play) => api.add(play),
    ended: (body) => api.add(ended(body)),
    addStrangers: (count) =>
      Array.from({ length: count }, (_, i) => api.add(ended({ output: `a text of stranger ${i}` }))),
    trick(id, ...more) {
      api.tricks.set(id, [...(api.tricks.get(id) ?? []), ...more])
    },
    file(name, file) {
      const path = new URL(`/files/${name}`, origin).pathname
      api.files.set(path, file)
      return publicOrigin + path
    },
    statusOf: (id) => api.statusOf(id),
    running: () => [...api.predictions.keys()].filter((id) => !isOver(api.statusOf(id))).length,
    close,
    [Symbol.asyncDispose]: close,
  }
}

const record = (request: IncomingMessage): Recorded => ({
  at: seconds(),
  method: request.method ?? '',
  url: request.url ?? '',
  httpVersion: request.httpVersion,
  headers: request.headers,
  body: '',
})

interface Exchange {
  recorded: Recorded
  request: IncomingMessage
  response: ServerResponse
  body: Buffer
}

class PredictionsApi {
  readonly predictions = new Map<string, Living>()
  readonly files = new Map<string, ServedFile>()
  readonly tricks = new Map<string, Trick[]>()
  readonly uploaded: UploadedFile[] = []
  readonly tasks: TaskGateway
  readonly list: ListManner
  readonly #origin: string
  readonly #basePath: string
  readonly #key: string
  readonly #options: SimulatorOptions
  /** The minute of the limit begins with the first request. */
  #windowStart = Number.NEGATIVE_INFINITY
  #windowCount = 0

  constructor(origin: string, basePath: string, key: string, options: SimulatorOptions) {
    this.#origin = origin
    this.#basePath = basePath
    this.#key = key
    this.#options = options
    this.tasks = new TaskGateway(key)
    this.list = { ...options.list }
  }

  add(play: Play, more: Partial<Living> = {}): string {
    const id = play.id ?? newId()
    this.predictions.set(id, { ...play, ...more, id, born: seconds() })
    return id
  }

  statusOf(id: string): string | undefined {
    const prediction = this.predictions.get(id)
    return prediction && String(this.#now(prediction).status)
  }

  async answer(exchange: Exchange): Promise<void> {
    const { recorded, request, response } = exchange
    const { pathname } = new URL(recorded.url, this.#origin)
    if (pathname.startsWith('/files/')) return serveFile(this.files.get(pathname), request, response)
    if (pathname.startsWith('/stream/')) {
      const prediction = this.predictions.get(pathname.slice('/stream/'.length))
      return serveStream(prediction, (each) => this.#now(each), request, response)
    }
    if (!pathname.startsWith(`${this.#basePath}/`)) {
      if (!(await this.tasks.answer(recorded.url, request, response))) gatewayPage(response)
      return
    }
    if (this.#overLimit()) {
      const detail = 'Request was throttled. Your rate limit resets soon.'
      return problem(response, 429, { detail }, { 'retry-after': '1' })
    }
    if (request.headers.authorization !== `Bearer ${this.#key}`)
      return problem(response, 401, { title: 'Unauthenticated', detail: 'The token is not valid', status: 401 })
    const path = pathname.slice(this.#basePath.length + 1).split('/')
    const id = path[0] === 'predictions' ? (path[1] ?? '') : ''
    const trick = this.tricks.get(id)?.shift() ?? this.tricks.get('*')?.shift() ?? 'pass'
    if (await play(trick, request, response)) await this.#route(path.filter(Boolean), exchange)
  }

  /** The calls of the API, by their method and path. */
  async #route(path: readonly string[], exchange: Exchange): Promise<void> {
    const { request, response } = exchange
    const [resource, a = '', b = '', c] = path
    const call = `${request.method} ${resource} ${path.length}`
    if (call === 'POST predictions 1') return this.#create({}, exchange)
    if (call === 'GET predictions 1') return this.#list(exchange)
    if (call === 'GET predictions 2') return this.#get(a, response)
    if (call === 'POST predictions 3' && b === 'cancel') return this.#cancel(a, response)
    if (call === 'POST models 4' && c === 'predictions') return this.#create({ model: `${a}/${b}` }, exchange)
    if (call === 'POST deployments 4' && c === 'predictions') return this.#create({ deployment: `${a}/${b}` }, exchange)
    if (request.method === 'GET' && resource === 'models') return this.#model(path.slice(1), response)
    if (call === 'GET deployments 3') return json(response, 200, deploymentOf(a, b))
    if (resource === 'files' && this.#options.uploads !== false) return this.#files(a, exchange)
    if (resource === 'predictions' && !this.predictions.has(a)) return this.#unknown(response)
    problem(response, 405, { detail: `Method "${request.method}" not allowed.` })
  }

  #unknown(response: ServerResponse): void {
    problem(response, 404, { detail: 'There is no such prediction.', status: 404 })
  }

  #now(prediction: Living, now = seconds()): Record<string, unknown> {
    return answerOf(prediction, now, this.#origin)
  }

  #see(prediction: Living): void {
    if (!prediction.startsWhenSeen) return
    prediction.startsWhenSeen = false
    prediction.born = seconds()
  }

  async #get(id: string, response: ServerResponse): Promise<void> {
    const prediction = this.predictions.get(id)
    if (!prediction) return this.#unknown(response)
    const { roundTrip = 0 } = prediction
    this.#see(prediction)
    if (roundTrip > 0) await sleep(roundTrip * 500)
    const body = this.#now(prediction)
    if (roundTrip > 0) await sleep(roundTrip * 500)
    json(response, 200, body)
  }

  #cancel(id: string, response: ServerResponse): void {
    const { cancelRefusal, cancelAnswer = 'prediction' } = this.#options
    const prediction = this.predictions.get(id)
    if (!prediction && cancelAnswer === 'empty') return void json(response, 404, {})
    if (!prediction) return void this.#unknown(response)
    if (cancelRefusal !== undefined)
      return void problem(response, cancelRefusal, { detail: 'This call is not known here.' })
    if (!isOver(this.#now(prediction).status)) prediction.canceled = seconds()
    json(response, 200, cancelAnswer === 'empty' ? {} : this.#now(prediction))
  }

  #list({ recorded, response }: Exchange): void {
    const { answer = 'served', lag = 0, hides = () => false, nextBase = this.#origin + this.#basePath } = this.list
    if (answer === 'page') return void gatewayPage(response)
    if (answer === 'missing') return void problem(response, 404, { detail: 'Not found.' })
    if (answer === 'other') return void json(response, 200, { success: true, data: [] })
    const now = seconds() - lag
    const shown = [...this.predictions.values()].filter(({ id, born }) => born <= now && !hides(id))
    for (const prediction of shown) this.#see(prediction)
    const items = shown.map((prediction) => this.#now(prediction, now))
    json(response, 200, listPage(items, new URL(recorded.url, this.#origin).searchParams, nextBase))
  }

  async #create(from: { model?: string; deployment?: string }, exchange: Exchange): Promise<void> {
    const { recorded, request, response } = exchange
    let wanted: { model?: string; version?: string; deployment?: string; input?: unknown }
    try {
      wanted = { ...JSON.parse(recorded.body), ...from }
    } catch {
      return problem(response, 400, { detail: 'The body is not JSON.' })
    }
    const fault = inputFault(wanted.input)
    if (fault) return problem(response, 422, fault)
    if (from.model !== undefined && this.#options.communityModels?.includes(from.model))
      return problem(response, 404, { detail: 'The requested resource could not be found.', status: 404 })
    const header = request.headers['cancel-after']
    const cancelAfter = header === undefined ? undefined : cancelAfterOf(String(header))
    if (header !== undefined && cancelAfter === undefined)
      return problem(response, 422, { detail: 'Cancel-After is not a duration of at least 5 seconds.', status: 422 })
    const input = wanted.input as Record<string, unknown>
    const refusal = this.#options.refuse?.({ ...wanted, input }) ?? 'pass'
    if (!(await play(refusal, request, response))) return
    const plan = this.#options.onCreate?.({ ...wanted, input }) ?? { moments: await this.#quickPicture() }
    const model = wanted.model ?? wanted.deployment ?? 'owner/model'
    const id = this.add(
      { model, version: wanted.version ?? 'hidden', input, ...plan },
      cancelAfter === undefined ? {} : { cancelAfter },
    )
    await this.#options.onMoment?.('carried out', recorded)
    const wait = /^wait(?:=(\d+))?$/.exec(String(request.headers.prefer ?? ''))
    await this.#answerCreation(id, wait ? Math.min(60, Number(wait[1] ?? 60)) : undefined, response)
  }

  /** @param hold seconds that the client lets the answer wait for the end, as `Prefer: wait` says */
  async #answerCreation(id: string, hold: number | undefined, response: ServerResponse): Promise<void> {
    const prediction = this.predictions.get(id)
    if (!prediction) return
    const until = seconds() + (hold ?? 0)
    while (seconds() < until && !isOver(this.#now(prediction).status)) await sleep(20)
    const body = this.#now(prediction)
    json(response, hold === undefined || isOver(body.status) ? 201 : 202, body)
  }

  /** A prediction that draws the same picture in a second. */
  async #quickPicture(): Promise<Moment[]> {
    const path = '/files/cake/out-0.png'
    if (!this.files.has(path)) this.files.set(path, { body: await cake('png'), type: 'image/png' })
    return [
      { at: 0.2, status: 'processing', logs: 'Using seed: 4711\n' },
      { at: 1, status: 'succeeded', output: [this.#origin + path] },
    ]
  }

  /** What the official clients look up before they run `owner/name:version`. */
  #model([owner, name, versions, id]: readonly string[], response: ServerResponse): void {
    if (owner === undefined || name === undefined)
      return void json(response, 200, { next: null, previous: null, results: [] })
    const version = versionOf(id ?? createHash('sha256').update(`${owner}/${name}`).digest('hex'))
    if (versions === 'versions' && id !== undefined) return void json(response, 200, version)
    if (versions === 'versions') return void json(response, 200, { next: null, previous: null, results: [version] })
    json(response, 200, {
      url: `https://replicate.com/${owner}/${name}`,
      owner,
      name,
      description: 'Draws cakes.',
      visibility: 'public',
      github_url: null,
      paper_url: null,
      license_url: null,
      run_count: 1,
      cover_image_url: null,
      default_example: null,
      latest_version: this.#options.communityModels?.includes(`${owner}/${name}`) ? version : null,
    })
  }

  async #files(id: string, exchange: Exchange): Promise<void> {
    const { request, response } = exchange
    if (request.method === 'POST' && id === '') return this.#upload(exchange)
    const shown = (file: UploadedFile) => fileAnswer(file, this.#origin + this.#basePath)
    if (request.method === 'GET' && id === '')
      return json(response, 200, { next: null, previous: null, results: this.uploaded.map(shown) })
    const at = this.uploaded.findIndex((file) => file.id === id)
    const file = this.uploaded[at]
    if (!file) return problem(response, 404, { detail: 'File not found' })
    if (request.method === 'GET') return json(response, 200, shown(file))
    if (request.method !== 'DELETE') return problem(response, 405, { detail: 'Method not allowed.' })
    this.uploaded.splice(at, 1)
    response.writeHead(204, { 'content-type': 'text/plain; charset=UTF-8' }).end()
  }

  async #upload({ request, response, body }: Exchange): Promise<void> {
    const headers = { 'content-type': request.headers['content-type'] ?? '' }
    const form = await new Response(new Uint8Array(body), { headers }).formData().catch(() => new FormData())
    const content = form.get('content')
    if (!(content instanceof File)) return problem(response, 422, { detail: 'content is required', status: 422 })
    if (content.size > MAX_UPLOAD_BYTES)
      return problem(response, 413, { detail: 'Files must be less than 100MB in size' })
    const file: UploadedFile = {
      id: Buffer.from(newId()).toString('base64url'),
      name: String(form.get('filename') ?? content.name),
      contentType: String(form.get('type') ?? (content.type || 'application/octet-stream')),
      bytes: Buffer.from(await content.arrayBuffer()),
    }
    this.uploaded.push(file)
    json(response, 201, fileAnswer(file, this.#origin + this.#basePath))
  }

  #overLimit(): boolean {
    const { requestsPerMinute } = this.#options
    if (requestsPerMinute === undefined) return false
    const now = seconds()
    if (now - this.#windowStart >= 60) {
      this.#windowStart = now
      this.#windowCount = 0
    }
    return ++this.#windowCount > requestsPerMinute
  }
}

/** The body with which Replicate refuses an input; undefined where it takes it. */
function inputFault(input: unknown): object | undefined {
  const refusal = (detail: string, type: string, field: string, description: string) => ({
    title: 'Input validation failed',
    detail,
    status: 422,
    invalid_fields: [{ type, field, description }],
  })
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return refusal('- input: input is required', 'required', 'input', 'input is required')
  if (!('steps' in input) || typeof input.steps !== 'string') return undefined
  const description = 'Invalid type. Expected: integer, given: string'
  return refusal('- input.steps: Invalid type', 'invalid_type', 'input.steps', description)
}

const versionOf = (id: string) => ({
  id,
  created_at: '2026-01-01T00:00:00.000000Z',
  cog_version: '0.23.1',
  openapi_schema: {
    openapi: '3.0.2',
    info: { title: 'Cog', version: '0.1.0' },
    paths: {},
    components: {
      schemas: {
        Input: { type: 'object', title: 'Input', properties: { prompt: { type: 'string', title: 'Prompt' } } },
        Output: { type: 'array', title: 'Output', items: { type: 'string', format: 'uri' } },
      },
    },
  },
})

/** As Replicate's openapi.json describes it (`deployments.get`): the Python client looks one up before it runs it. */
const deploymentOf = (owner: string, name: string) => ({
  owner,
  name,
  current_release: {
    number: 1,
    model: 'owner/painter',
    version: createHash('sha256').update('owner/painter').digest('hex'),
    created_at: '2026-01-01T00:00:00.000000Z',
    created_by: { type: 'organization', username: owner, name: owner, avatar_url: null, github_url: null },
    configuration: { hardware: 'gpu-t4', min_instances: 0, max_instances: 1 },
  },
})

/** A file as recorded by the Python client (tests/cassettes/file-operations.yaml): it expires a day after its creation. */
function fileAnswer({ id, name, contentType, bytes }: UploadedFile, base: string) {
  const digest = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
  return {
    id,
    name,
    content_type: contentType,
    size: bytes.length,
    etag: digest('md5'),
    checksums: { sha256: digest('sha256'), md5: digest('md5') },
    metadata: {},
    created_at: stamp(seconds()),
    expires_at: stamp(seconds() + DAY_SECONDS),
    urls: { get: `${base}/files/${id}` },
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8787' }, key: { type: 'string' } } })
  const simulator = await startSimulator({
    port: Number(values.port),
    ...(values.key === undefined ? {} : { key: values.key }),
  })
  console.log(simulator.apiUrl)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => simulator.close())
}
