/**
 * A predictions API on 127.0.0.1 that behaves like the real ones, and misbehaves on demand. As a program it serves until
 * it is told to stop: `node test/simulator.ts --port 8787 --key sk-…`.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { cake } from '../fixtures/pictures.ts'

/** What happens to a prediction, in seconds since it was created. Logs are added to those before. */
export interface Moment {
  at: number
  status?: string
  logs?: string
  output?: unknown
  error?: unknown
}

export interface Play {
  id?: string
  model?: string
  version?: string
  input?: Record<string, unknown>
  moments: Moment[]
  /** How the stream of the prediction behaves; `honest` unless told otherwise. */
  stream?: StreamManner
  /** Its time begins with the first request for it, however long a process takes to start. */
  startsWhenSeen?: boolean
  /** Seconds of the way to the API and back, half of them each way; none unless told otherwise. */
  roundTrip?: number
  /** Seconds by which the stream tells the end later than it is. */
  streamLag?: number
  /** Fields that replace those of the body as it would be. */
  body?: Record<string, unknown>
}

/** What the simulator does with one request in place of answering it. */
export type Trick =
  | { status: number; body?: string; headers?: Record<string, string> }
  | { body: string; type?: string }
  | { cutOff: string }
  | { drip: string; every: number }
  | { redirect: string }
  | { after: number; then: Trick }
  | 'reset'
  | 'hang'
  | 'pass'

export type StreamManner = 'honest' | 'silent' | 'short' | 'flood' | 'early' | 'refused' | 'none'

export interface ServedFile {
  body?: Buffer
  /** Bytes of a body that is made as it is read; for files that do not fit into memory. */
  size?: number
  type?: string
  headers?: Record<string, string>
  /** Whether a part can be asked for; true unless told otherwise. */
  ranges?: boolean
  /** One for each request, in order; then the file is served as it is. */
  tricks?: FileTrick[]
}

export type FileTrick = { cutAfter: number } | { stallAfter: number } | { promise: number } | Trick

export interface Recorded {
  at: number
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

export interface SimulatorOptions {
  port?: number
  key?: string
  basePath?: string
  /** Requests a minute, all together; more are answered with 429. */
  requestsPerMinute?: number
  /** What a created prediction does. */
  onCreate?: (request: {
    model?: string
    version?: string
    deployment?: string
    input: Record<string, unknown>
  }) => Omit<Play, 'id' | 'input'>
  /** The status with which cancelling is refused; undefined where it works. */
  cancelRefusal?: number
}

export interface Simulator extends AsyncDisposable {
  readonly key: string
  readonly origin: string
  readonly apiUrl: string
  readonly requests: Recorded[]
  /** Requests to the API itself: those for files and streams left out. */
  apiRequests(): Recorded[]
  /** Adds a prediction that is created now. @returns its id */
  add(play: Play): string
  /** Adds one that has ended. @returns its id */
  ended(body: Record<string, unknown>): string
  /** Tricks for the next requests of one prediction, `*` for any; one after the other. */
  trick(id: string, ...tricks: Trick[]): void
  /** Serves a file. @returns its address */
  file(name: string, file: ServedFile): string
  /** The status of a prediction as it is now. */
  statusOf(id: string): string | undefined
  close(): Promise<void>
}

interface Living extends Play {
  id: string
  born: number
  canceled?: number
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
/** An id as the API makes them: 26 of `[a-z0-9]`. */
export const newId = () => Array.from(randomBytes(26), (byte) => ALPHABET[byte % ALPHABET.length]).join('')

const TERMINAL = new Set(['succeeded', 'failed', 'canceled', 'aborted'])

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { key = 'sk-simulator-0123456789abcdef', basePath = '/replicate/v1', port = 0 } = options
  const predictions = new Map<string, Living>()
  const files = new Map<string, ServedFile>()
  const tricks = new Map<string, Trick[]>()
  const requests: Recorded[] = []
  /** The minute of the limit begins with the first request. */
  let windowStart = Number.NEGATIVE_INFINITY
  let windowCount = 0

  const server = createServer(async (request, response) => {
    const recorded: Recorded = {
      at: performance.now() / 1000,
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: '',
    }
    requests.push(recorded)
    request.setEncoding('utf8')
    try {
      for await (const chunk of request) recorded.body += chunk
      await route(recorded, request, response)
    } catch (error) {
      if (!response.destroyed) response.destroy(error instanceof Error ? error : undefined)
    }
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function route(recorded: Recorded, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(recorded.url, origin)
    if (pathname.startsWith('/files/')) return serveFile(files.get(pathname), request, response)
    if (pathname.startsWith('/stream/')) return serveStream(predictions.get(pathname.slice(8)), request, response)
    if (!pathname.startsWith(`${basePath}/`)) return html(response)
    if (overLimit())
      return problem(
        response,
        429,
        { detail: 'Request was throttled. Your rate limit resets soon.' },
        { 'retry-after': '1' },
      )
    if (request.headers.authorization !== `Bearer ${key}`) {
      return problem(response, 401, { title: 'Unauthenticated', detail: 'The token is not valid', status: 401 })
    }
    const path = pathname.slice(basePath.length + 1).split('/')
    const id = path[0] === 'predictions' ? (path[1] ?? '') : ''
    const trick = tricks.get(id)?.shift() ?? tricks.get('*')?.shift() ?? 'pass'
    if (trick !== 'pass') {
      const passed = await play(trick, request, response)
      if (!passed) return
    }
    if (request.method === 'POST' && path[0] === 'predictions' && path.length === 1)
      return create(recorded, {}, request, response)
    if (request.method === 'POST' && path[0] === 'models' && path[3] === 'predictions') {
      return create(recorded, { model: `${path[1]}/${path[2]}` }, request, response)
    }
    if (request.method === 'POST' && path[0] === 'deployments' && path[3] === 'predictions') {
      return create(recorded, { deployment: `${path[1]}/${path[2]}` }, request, response)
    }
    if (request.method === 'GET' && pathname.replace(/\/$/, '') === `${basePath}/predictions`) {
      return json(response, 200, { next: null, previous: null, results: [...predictions.values()].map(bodyOf) })
    }
    const prediction = predictions.get(id)
    if (!prediction) return problem(response, 404, { detail: 'There is no such prediction.', status: 404 })
    if (request.method === 'POST' && path[2] === 'cancel') {
      if (options.cancelRefusal !== undefined)
        return problem(response, options.cancelRefusal, { detail: 'This call is not known here.' })
      if (!TERMINAL.has(String(bodyOf(prediction).status))) prediction.canceled = performance.now() / 1000
      return json(response, 200, bodyOf(prediction))
    }
    if (request.method === 'GET' && path.length === 2) {
      const { roundTrip = 0 } = prediction
      if (prediction.startsWhenSeen) {
        prediction.startsWhenSeen = false
        prediction.born = performance.now() / 1000
      }
      if (roundTrip > 0) await sleep(roundTrip * 500)
      const body = bodyOf(prediction)
      if (roundTrip > 0) await sleep(roundTrip * 500)
      return json(response, 200, body)
    }
    problem(response, 405, { detail: `Method "${request.method}" not allowed.` })
  }

  function overLimit(): boolean {
    const { requestsPerMinute } = options
    if (requestsPerMinute === undefined) return false
    const now = performance.now()
    if (now - windowStart >= 60_000) {
      windowStart = now
      windowCount = 0
    }
    return ++windowCount > requestsPerMinute
  }

  /** @returns whether the request is to be answered as if nothing had happened */
  async function play(
    trick: Exclude<Trick, 'pass'> | 'pass',
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<boolean> {
    if (trick === 'pass') return true
    if (trick === 'reset') request.socket.destroy()
    else if (trick === 'hang') await new Promise((resolve) => response.on('close', resolve))
    else if ('after' in trick) {
      await sleep(trick.after * 1000, undefined, { ref: false })
      return play(trick.then, request, response)
    } else if ('cutOff' in trick) {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(trick.cutOff) + 100,
      })
      response.write(trick.cutOff, () => request.socket.destroy())
    } else if ('drip' in trick) {
      response.writeHead(200, { 'content-type': 'application/json' })
      for (const character of trick.drip) {
        response.write(character)
        await sleep(trick.every * 1000, undefined, { ref: false })
      }
      response.end()
    } else if ('redirect' in trick) response.writeHead(302, { location: trick.redirect }).end()
    else if ('status' in trick) {
      response.writeHead(trick.status, { 'content-type': 'application/json', ...trick.headers }).end(trick.body ?? '')
    } else response.writeHead(200, { 'content-type': trick.type ?? 'application/json' }).end(trick.body)
    return false
  }

  async function create(
    recorded: Recorded,
    from: { model?: string; deployment?: string },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    let wanted: { model?: string; version?: string; deployment?: string; input?: unknown }
    try {
      wanted = { ...JSON.parse(recorded.body), ...from }
    } catch {
      return problem(response, 400, { detail: 'The body is not JSON.' })
    }
    if (typeof wanted.input !== 'object' || wanted.input === null || Array.isArray(wanted.input)) {
      return problem(response, 422, {
        title: 'Input validation failed',
        detail: '- input: input is required',
        status: 422,
        invalid_fields: [{ type: 'required', field: 'input', description: 'input is required' }],
      })
    }
    const input = wanted.input as Record<string, unknown>
    if (typeof input.steps === 'string') {
      return problem(response, 422, {
        title: 'Input validation failed',
        detail: '- input.steps: Invalid type',
        status: 422,
        invalid_fields: [
          { type: 'invalid_type', field: 'input.steps', description: 'Invalid type. Expected: integer, given: string' },
        ],
      })
    }
    const plan = options.onCreate?.({ ...wanted, input }) ?? { moments: await quickPicture(origin, files) }
    const id = add({
      model: wanted.model ?? wanted.deployment ?? 'owner/model',
      version: wanted.version ?? 'hidden',
      input,
      ...plan,
    })
    const wait = /^wait(?:=(\d+))?$/.exec(String(request.headers.prefer ?? ''))
    if (!wait) return json(response, 201, bodyOf(living(id)))
    return hold(id, Math.min(60, Number(wait[1] ?? 60)), response)
  }

  async function hold(id: string, seconds: number, response: ServerResponse): Promise<void> {
    const until = performance.now() + seconds * 1000
    while (performance.now() < until && !TERMINAL.has(String(bodyOf(living(id)).status))) await sleep(20)
    const body = bodyOf(living(id))
    json(response, TERMINAL.has(String(body.status)) ? 201 : 202, body)
  }

  const living = (id: string): Living => {
    const prediction = predictions.get(id)
    if (!prediction) throw new Error(`there is no prediction ${id}`)
    return prediction
  }

  function add(play: Play): string {
    const id = play.id ?? newId()
    predictions.set(id, { ...play, id, born: performance.now() / 1000 })
    return id
  }

  function bodyOf(prediction: Living): Record<string, unknown> {
    const stamp = (seconds: number) => new Date(performance.timeOrigin + seconds * 1000).toISOString()
    const now = prediction.canceled ?? performance.now() / 1000
    const past = prediction.moments.filter(({ at }) => at <= now - prediction.born)
    const last = <K extends keyof Moment>(name: K) => past.findLast((moment) => moment[name] !== undefined)?.[name]
    const reached = last('status') ?? 'starting'
    const status = prediction.canceled === undefined || TERMINAL.has(reached) ? reached : 'canceled'
    const started = past.find((moment) => moment.status !== undefined && moment.status !== 'starting')
    const over = TERMINAL.has(status)
    const ended =
      prediction.canceled ?? prediction.born + (past.findLast((moment) => moment.status !== undefined)?.at ?? 0)
    const began = started ? prediction.born + started.at : undefined
    const streams = prediction.stream === 'none' ? {} : { stream: `${origin}/stream/${prediction.id}` }
    return {
      id: prediction.id,
      model: prediction.model ?? 'owner/model',
      version: prediction.version ?? 'hidden',
      input: prediction.input ?? {},
      logs: past.map((moment) => moment.logs ?? '').join(''),
      output: last('output') ?? null,
      data_removed: false,
      error: last('error') ?? null,
      source: 'api',
      status,
      created_at: stamp(prediction.born),
      ...(began === undefined ? {} : { started_at: stamp(began) }),
      ...(over ? { completed_at: stamp(ended) } : {}),
      urls: {
        cancel: `https://api.replicate.com/v1/predictions/${prediction.id}/cancel`,
        get: `https://api.replicate.com/v1/predictions/${prediction.id}`,
        web: `https://replicate.com/p/${prediction.id}`,
        ...streams,
      },
      metrics: over && began !== undefined ? { predict_time: Number((ended - began).toFixed(6)) } : {},
      ...prediction.body,
    }
  }

  async function serveStream(
    prediction: Living | undefined,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const manner = prediction?.stream ?? 'honest'
    if (!prediction || manner === 'refused' || manner === 'none')
      return problem(response, 404, { detail: 'There is no such stream.' })
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
    const gone = new Promise<void>((resolve) => request.on('close', resolve).socket.on('close', resolve))
    const event = (name: string, data: string) =>
      response.write(`event: ${name}\nid: ${Date.now()}:0\ndata: ${data}\n\n`)
    if (manner === 'silent') return gone
    response.write(': hi\n\n')
    if (manner === 'short') return void response.end()
    if (manner === 'early') event('done', '{}')
    if (manner === 'flood') {
      while (!response.destroyed) {
        event('output', 'x'.repeat(1000))
        await sleep(0)
      }
      return
    }
    let logs = 0
    const quiet = performance.now()
    while (!response.destroyed) {
      const body = bodyOf(prediction)
      const text = String(body.logs)
      if (text.length > logs) event('logs', text.slice(logs).replaceAll('\n', ' '))
      logs = text.length
      if (TERMINAL.has(String(body.status))) {
        if (prediction.streamLag !== undefined) await sleep(prediction.streamLag * 1000)
        if (body.status === 'succeeded') event('output', JSON.stringify(body.output))
        event(
          'done',
          body.status === 'succeeded' ? '{}' : `{"reason":"${body.status === 'failed' ? 'error' : 'canceled'}"}`,
        )
        response.end()
        return
      }
      if (performance.now() - quiet > 30_000) return void response.end(':408: 408 Request Timeout\n\n')
      await sleep(25)
    }
  }

  async function serveFile(
    file: ServedFile | undefined,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (!file) return problem(response, 404, { detail: 'There is no such file.' })
    const trick = file.tricks?.shift()
    if (
      trick === 'reset' ||
      trick === 'hang' ||
      (typeof trick === 'object' && !('cutAfter' in trick) && !('stallAfter' in trick) && !('promise' in trick))
    ) {
      await play(trick, request, response)
      return
    }
    const size = file.body?.length ?? file.size ?? 0
    const etag = `"${size}-${files.size}"`
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
    const condition = request.headers['if-range']
    const from =
      range && file.ranges !== false && (condition === undefined || condition === etag) ? Number(range[1]) : 0
    const shape: { cutAfter?: number; stallAfter?: number; promise?: number } = typeof trick === 'object' ? trick : {}
    if (from > size) {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
      return
    }
    const headers: Record<string, string | number> = {
      'content-type': file.type ?? 'application/octet-stream',
      'content-length': shape.promise ?? size - from,
      etag,
      ...(file.ranges === false ? {} : { 'accept-ranges': 'bytes' }),
      ...(from > 0 ? { 'content-range': `bytes ${from}-${size - 1}/${size}` } : {}),
      ...file.headers,
    }
    if (headers['transfer-encoding'] !== undefined) delete headers['content-length']
    response.writeHead(from > 0 ? 206 : 200, headers)
    const stop = shape.cutAfter ?? shape.stallAfter ?? size
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    for (let at = from; at < stop && !response.destroyed; ) {
      const end = Math.min(stop, at + 65_536)
      const chunk = file.body ? file.body.subarray(at, end) : Buffer.alloc(end - at, at % 251)
      at = end
      if (!response.write(chunk)) await once(response, 'drain', { signal: gone.signal }).catch(() => {})
    }
    if ('cutAfter' in shape || 'stallAfter' in shape) {
      // Destroying a socket drops what it has not sent yet.
      await sleep(10)
    }
    if ('cutAfter' in shape) request.socket.destroy()
    else if ('stallAfter' in shape) await new Promise((resolve) => response.on('close', resolve))
    else response.end()
  }

  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }

  return {
    key,
    origin,
    apiUrl: `${origin}${basePath}`,
    requests,
    apiRequests: () => requests.filter(({ url }) => url.startsWith(basePath)),
    add,
    ended: (body) =>
      add({
        moments: [
          { at: 0, status: 'processing' },
          { at: 0, status: 'succeeded' },
        ],
        body,
        ...(typeof body.id === 'string' ? { id: body.id } : {}),
      }),
    trick(id, ...more) {
      tricks.set(id, [...(tricks.get(id) ?? []), ...more])
    },
    file(name, file) {
      const path = new URL(`/files/${name}`, origin).pathname
      files.set(path, file)
      return origin + path
    },
    statusOf: (id) => (predictions.has(id) ? String(bodyOf(living(id)).status) : undefined),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** A prediction that draws the same picture in a second. */
async function quickPicture(origin: string, files: Map<string, ServedFile>): Promise<Moment[]> {
  const path = '/files/cake/out-0.png'
  if (!files.has(path)) files.set(path, { body: await cake('png'), type: 'image/png' })
  return [
    { at: 0.2, status: 'processing', logs: 'Using seed: 4711\n' },
    { at: 1, status: 'succeeded', output: [origin + path] },
  ]
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

function problem(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  json(response, status, body, { 'content-type': 'application/problem+json', ...headers })
}

/** What many gateways answer to a path that they do not know. */
function html(response: ServerResponse): void {
  response
    .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    .end('<!doctype html><html><head><title>Gateway</title></head><body></body></html>')
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
