import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { play, problem, type Trick } from './tricks.ts'

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

interface Shape {
  cutAfter?: number
  stallAfter?: number
  promise?: number
}

export type FileTrick = { cutAfter: number } | { stallAfter: number } | { promise: number } | Trick

const CHUNK_BYTES = 65_536
/** Milliseconds in which a client has read what was sent, also on a busy machine. */
const READ_MS = 250

const isShape = (trick: FileTrick): trick is Exclude<FileTrick, Trick> =>
  typeof trick === 'object' && ('cutAfter' in trick || 'stallAfter' in trick || 'promise' in trick)

export async function serveFile(
  file: ServedFile | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!file) return problem(response, 404, { detail: 'There is no such file.' })
  const trick = file.tricks?.shift() ?? 'pass'
  if (!isShape(trick) && !(await play(trick, request, response))) return
  const shape: Shape = isShape(trick) ? trick : {}
  const size = file.body?.length ?? file.size ?? 0
  const from = startOf(file, size, request)
  if (from > size) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
    return
  }
  response.writeHead(from > 0 ? 206 : 200, headersOf(file, size, from, shape.promise))
  await send(file, from, shape.cutAfter ?? shape.stallAfter ?? size, response)
  // An end of the connection takes what has arrived and was not read yet: the client has time to read it.
  if ('cutAfter' in shape) await sleep(READ_MS)
  if ('cutAfter' in shape) request.socket.destroy()
  else if ('stallAfter' in shape) await new Promise((resolve) => response.on('close', resolve))
  else response.end()
}

const etagOf = (file: ServedFile, size: number) =>
  `"${file.body ? createHash('sha256').update(file.body).digest('hex').slice(0, 16) : size}"`

/** The byte at which the answer begins: a part is given only of the file that the condition names. */
function startOf(file: ServedFile, size: number, request: IncomingMessage): number {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
  const condition = request.headers['if-range']
  const same = condition === undefined || condition === etagOf(file, size)
  return range && file.ranges !== false && same ? Number(range[1]) : 0
}

function headersOf(file: ServedFile, size: number, from: number, promised: number | undefined) {
  const headers: Record<string, string | number> = {
    'content-type': file.type ?? 'application/octet-stream',
    'content-length': promised ?? size - from,
    etag: etagOf(file, size),
    ...(file.ranges === false ? {} : { 'accept-ranges': 'bytes' }),
    ...(from > 0 ? { 'content-range': `bytes ${from}-${size - 1}/${size}` } : {}),
    ...file.headers,
  }
  if (headers['transfer-encoding'] !== undefined) delete headers['content-length']
  return headers
}

async function send(file: ServedFile, from: number, stop: number, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  for (let at = from; at < stop && !response.destroyed; ) {
    const end = Math.min(stop, at + CHUNK_BYTES)
    const chunk = file.body ? file.body.subarray(at, end) : Buffer.alloc(end - at, at % 251)
    at = end
    if (!response.write(chunk)) await once(response, 'drain', { signal: gone.signal }).catch(() => {})
  }
}
