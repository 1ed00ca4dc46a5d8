import { createHash, type Hash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import * as fileSystem from 'node:fs/promises'
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import { describeFault, isCertificateFault, retryAfterOf } from '../errors.ts'
import { type HostPolicy, HostRefusal } from '../network/addresses.ts'
import { type ForeignNetwork, openForeignNetwork, type ProxyEnvironment } from '../network/dispatcher.ts'
import { outputFiles, outputText } from '../prediction.ts'
import { inspect, MediaError } from './media.ts'

/** A file on disk, whole and verified. */
export interface SavedFile {
  /** The prediction that it belongs to, and its place among that one's files. */
  predictionId: string
  index: number
  /** Absolute. */
  path: string
  name: string
  /** Bytes. */
  size: number
  /** MIME type, by the content where the content tells it. */
  type: string
  /** Hexadecimal. */
  sha256: string
  /** Pixels, of pictures. */
  width?: number
  height?: number
  /** Where it came from: a URL, `data:`, or `text`. */
  source: string
}

/** A file that could not be saved. The message is whole sentences. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly predictionId: string
  readonly source: string

  constructor(item: { predictionId: string; label: string; source: string }, why: string, options?: ErrorOptions) {
    super(`The file ${item.label} of prediction ${item.predictionId} was not saved: ${why}.`, options)
    this.predictionId = item.predictionId
    this.source = item.source
  }
}

/** What saving tells while it lasts. */
export interface SaveObserver {
  saved(file: SavedFile): void
  /** Bytes of a large file that have come, now and then; `total` where the server said it. */
  progress(name: string, bytes: number, total: number | undefined): void
  retrying(label: string, reason: string, pause: number): void
  /** Another file had the name already, and was not overwritten. */
  renamed(name: string, taken: string): void
}

export interface SaveOptions {
  /** Absolute; made when the first file is saved. */
  directory: string
  policy: HostPolicy
  /** The largest file, in bytes. */
  maxFileSize: number
  /** Whether a file of the same name and other content is replaced. */
  overwrite: boolean
  clock: Clock
  signal: AbortSignal
  observer: SaveObserver
  /** Where the proxy is named, if there is one. */
  env: ProxyEnvironment
  /** Seconds without a byte after which a transfer is broken off and taken up again. */
  stall?: number
}

const AT_ONCE = 6
const MOST_FILES = 5000
const REDIRECTS = 5
/** Tries in a row that bring nothing; a try that brings bytes starts the count anew. */
const TRIES = 5
const STALL = 30
/** Seconds between two words about a file that is still coming. */
const PROGRESS_PAUSE = 5
/** Bytes gathered before they are written. */
const WRITE_SIZE = 2 ** 18
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])

/** Bytes received between two collections of the buffers that they came in. */
const COLLECT_EVERY = 8 * 2 ** 20

/**
 * Every read from a socket brings a buffer of its own, which is garbage as soon as it is written; left to itself V8
 * lets 64 MB of them pile up. Collecting the young ones now and then keeps a step that saves a gigabyte under 150 MB,
 * and makes it faster, because the same memory stays in the caches of the processor (`npm run bench -- files`).
 */
function createCollector(): (bytes: number) => void {
  setFlagsFromString('--expose-gc')
  const collect: NodeJS.GCFunction = runInNewContext('gc')
  let since = 0
  return (bytes) => {
    since += bytes
    if (since < COLLECT_EVERY) return
    since = 0
    collect({ type: 'minor' })
  }
}

/** One thing to save. */
interface Item {
  predictionId: string
  index: number
  /** The name without its extension, which depends on the content. */
  stem: string
  source: string
  /** For people: the last part of the URL, shortened. */
  label: string
  text?: string
}

/**
 * Saves the files of outputs, in document order: what has a URL is fetched without any key, `data:` URIs are decoded,
 * and text becomes a file of its own. A file appears under its name only when it is whole. One that fails leaves
 * nothing behind and does not stop the others.
 * @throws the reason of the signal when it is aborted
 */
export async function saveOutputs(
  predictions: readonly { id: string; output?: unknown }[],
  options: SaveOptions,
): Promise<{ files: SavedFile[]; failures: FileError[] }> {
  const items = itemsOf(predictions)
  const results: (SavedFile | FileError)[] = []
  for (const item of items.slice(MOST_FILES)) {
    results.push(new FileError(item, `a step saves ${MOST_FILES} files at the most, and there are ${items.length}`))
  }
  const queue = items.slice(0, MOST_FILES).entries()
  const ordered: (SavedFile | FileError)[] = []
  const network = openForeignNetwork(options.policy, options.env)
  const names = new Names(options.directory)
  const received = createCollector()
  try {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const [i, item] of queue) ordered[i] = await saveOne(item, { ...options, network, names, received })
      }),
    )
  } finally {
    await network.close()
  }
  const all = [...ordered, ...results]
  return {
    files: all.flatMap((result) => (result instanceof FileError ? [] : [result])),
    failures: all.flatMap((result) => (result instanceof FileError ? [result] : [])),
  }
}

function itemsOf(predictions: readonly { id: string; output?: unknown }[]): Item[] {
  // Two ids that differ only by case would be one file on Windows and macOS.
  const folded = Map.groupBy(predictions, ({ id }) => id.toLowerCase())
  return predictions.flatMap(({ id, output }) => {
    const alone = (folded.get(id.toLowerCase())?.length ?? 0) < 2
    const base = alone ? id : `${id}-${createHash('sha256').update(id).digest('hex').slice(0, 8)}`
    const sources = outputFiles(output)
    const width = String(Math.max(0, sources.length - 1)).length
    const files = sources.map(
      (source, index): Item => ({
        predictionId: id,
        index,
        stem: `${base}-${String(index).padStart(width, '0')}`,
        source: source.startsWith('data:') ? 'data:' : source,
        label: labelOf(source),
        ...(source.startsWith('data:') ? { text: source } : {}),
      }),
    )
    const text = outputText(output)
    if (text !== undefined) {
      files.push({ predictionId: id, index: 0, stem: `${base}-text`, source: 'text', label: 'with its text', text })
    }
    return files
  })
}

function labelOf(source: string): string {
  if (source.startsWith('data:')) return 'in a data: URI'
  const { hostname, pathname } = new URL(source)
  const last = pathname.split('/').at(-1) ?? ''
  return `${hostname}/…/${last.length > 60 ? `…${last.slice(-60)}` : last}`
}

type Context = SaveOptions & { network: ForeignNetwork; names: Names; received: (bytes: number) => void }

async function saveOne(item: Item, context: Context): Promise<SavedFile | FileError> {
  const { directory, signal } = context
  signal.throwIfAborted()
  const temporary = path.join(directory, `.${item.stem}.${randomBytes(6).toString('hex')}.part`)
  try {
    await mkdir(directory, { recursive: true })
    const file = await open(temporary, 'wx+')
    let media: Awaited<ReturnType<typeof inspect>>
    let size: number
    let sha256: string
    try {
      const received = await fill(file, item, context)
      size = received.size
      sha256 = received.hash.digest('hex')
      media =
        item.source === 'text' ? { type: 'text/plain', extension: 'txt' } : await inspect(file, size, received.claimed)
    } finally {
      await file.close()
    }
    const name = await context.names.place(temporary, `${item.stem}.${media.extension}`, sha256, context)
    const { extension: _, ...described } = media
    const { predictionId, index, source } = item
    const saved = { predictionId, index, path: path.join(directory, name), name, size, ...described, sha256, source }
    context.observer.saved(saved)
    return saved
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    if (signal.aborted) throw signal.reason
    return new FileError(item, whyNot(error, directory), { cause: error })
  }
}

/** A failure that no other try would mend, as the rest of a sentence. */
class Final extends Error {}

function whyNot(error: unknown, directory: string): string {
  if (error instanceof Final) return error.message
  if (error instanceof MediaError) return `it ${error.message}`
  if (error instanceof HostRefusal) return error.message
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return `the disk is full (${code}, ${directory})`
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return `${directory} cannot be written to (${code})`
  if (code === 'EBUSY') return `another program holds a file of that name open (${code}, ${directory})`
  if (code === 'ENOTDIR' || code === 'EEXIST') return `${directory} is not a folder (${code})`
  return describeFault(error)
}

interface Received {
  size: number
  hash: Hash
  claimed: { type: string; extension: string }
}

/** Fills an empty file with what an item holds. */
async function fill(file: FileHandle, item: Item, context: Context): Promise<Received> {
  if (item.text === undefined) return new Transfer(file, item, context).run()
  const { bytes, type } =
    item.source === 'text' ? { bytes: Buffer.from(item.text), type: 'text/plain' } : decodeDataUri(item.text)
  if (bytes.length > context.maxFileSize) throw tooLarge(bytes.length, context.maxFileSize)
  await file.writeFile(bytes)
  return { size: bytes.length, hash: createHash('sha256').update(bytes), claimed: { type, extension: '' } }
}

const tooLarge = (size: number | undefined, limit: number) =>
  new Final(
    `it is larger than max-file-size allows (${size === undefined ? 'more than ' : `${size} bytes, allowed are `}${limit} bytes)`,
  )

/** Decodes a `data:` URI (RFC 2397), base64 or percent-encoded. @throws Final where it cannot be decoded */
function decodeDataUri(uri: string): { bytes: Buffer; type: string } {
  const comma = uri.indexOf(',')
  const [type = '', ...parameters] = uri
    .slice('data:'.length, comma)
    .split(';')
    .map((part) => part.trim().toLowerCase())
  const data = uri.slice(comma + 1)
  if (!parameters.includes('base64')) return { bytes: percentDecoded(data), type: type || 'text/plain' }
  const base64 = data
    .replace(/\s|%0a|%0d|%20/gi, '')
    .replace(/%2b/gi, '+')
    .replace(/%2f/gi, '/')
    .replace(/%3d/gi, '=')
  if (base64 === '' || /[^\w+/=-]/.test(base64)) throw new Final('its data: URI holds no base64')
  return { bytes: Buffer.from(base64, 'base64'), type: type === 'image/jpg' ? 'image/jpeg' : type }
}

/** The bytes of a percent-encoded text; a percent sign that encodes nothing stands for itself (URL Standard, percent-decode). */
function percentDecoded(text: string): Buffer {
  const parts = text.split(/((?:%[0-9a-f]{2})+)/i)
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 1 ? Buffer.from(part.replaceAll('%', ''), 'hex') : Buffer.from(part))),
  )
}

/** A transfer that is cut off, stalls or is put off can be taken up again where it stopped. */
class Broken extends Error {
  /** Seconds that the server asked to wait. */
  readonly retryAfter: number | undefined
  constructor(reason: string, retryAfter?: number) {
    super(reason)
    this.retryAfter = retryAfter
  }
}

/** The download of one URL into one file, over as many requests as it takes. */
class Transfer {
  readonly #file: FileHandle
  readonly #item: Item
  readonly #context: Context
  #size = 0
  #hash = createHash('sha256')
  /** What tells that a later answer is about the same bytes: a strong ETag, else the date. */
  #validator: string | undefined
  #type = ''
  #lastWord: number

  constructor(file: FileHandle, item: Item, context: Context) {
    this.#file = file
    this.#item = item
    this.#context = context
    this.#lastWord = context.clock.now()
  }

  async run(): Promise<Received> {
    const { clock, signal, observer } = this.#context
    for (let tries = 1; ; tries++) {
      const before = this.#size
      try {
        await this.#receive()
        const extension = /\.(\w{1,8})$/.exec(new URL(this.#item.source).pathname)?.[1]?.toLowerCase() ?? ''
        return { size: this.#size, hash: this.#hash, claimed: { type: this.#type, extension } }
      } catch (error) {
        if (signal.aborted || !(error instanceof Broken)) throw error
        if (this.#size > before) tries = 0
        if (tries === TRIES) throw new Final(`${error.message}, ${TRIES} times in a row`)
        const pause = Math.max(0.5 * 2 ** tries * (0.75 + 0.5 * Math.random()), Math.min(60, error.retryAfter ?? 0))
        observer.retrying(this.#item.label, error.message, pause)
        await clock.sleep(pause, signal)
      }
    }
  }

  async #receive(): Promise<void> {
    const { maxFileSize } = this.#context
    const { statusCode, headers, body } = await this.#ask()
    try {
      const header = (name: string) => [headers[name]].flat()[0]
      if (statusCode === 416 && this.#size > 0) {
        this.#startOver()
        throw new Broken('the server does not have the rest of it')
      }
      if (statusCode !== 200 && statusCode !== 206) refuse(statusCode, headers)
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header('content-range') ?? '')
      if (statusCode === 200 && this.#size > 0) this.#startOver()
      if (statusCode === 206 && Number(range?.[1]) !== this.#size) {
        this.#startOver()
        throw new Broken('the server sent another part than was asked for')
      }
      if (header('content-encoding') !== undefined && header('content-encoding') !== 'identity') {
        throw new Final(`the server packed it (${header('content-encoding')}) although it was asked not to`)
      }
      const etag = header('etag')
      this.#validator = etag !== undefined && !etag.startsWith('W/') ? etag : header('last-modified')
      this.#type = /^[\w.+-]+\/[\w.+-]+/.exec(header('content-type') ?? '')?.[0].toLowerCase() ?? ''
      const length = header('content-length')
      const total = length === undefined ? undefined : this.#size + Number(length)
      if (total !== undefined && total > maxFileSize) throw tooLarge(total, maxFileSize)
      await this.#write(body, total)
      if (total !== undefined && this.#size !== total)
        throw new Broken(`it broke off after ${this.#size} of ${total} bytes`)
    } finally {
      body.on('error', () => {}).destroy()
    }
  }

  /** Writes what comes; on a fault, what has come until then counts. */
  async #write(body: Dispatcher.ResponseData['body'], total: number | undefined): Promise<void> {
    const { maxFileSize, observer, clock, signal } = this.#context
    let gathered: Buffer[] = []
    let bytes = 0
    const flush = async () => {
      for (const chunk of gathered) this.#hash.update(chunk)
      const { bytesWritten } = bytes === 0 ? { bytesWritten: 0 } : await this.#file.writev(gathered, this.#size)
      if (bytesWritten < bytes) throw new Final(`the disk is full (${bytesWritten} of ${bytes} bytes were written)`)
      this.#size += bytes
      this.#context.received(bytes)
      gathered = []
      bytes = 0
    }
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        gathered.push(chunk)
        bytes += chunk.length
        if (this.#size + bytes > maxFileSize) throw tooLarge(undefined, maxFileSize)
        if (bytes < WRITE_SIZE) continue
        await flush()
        if (clock.now() - this.#lastWord < PROGRESS_PAUSE) continue
        this.#lastWord = clock.now()
        observer.progress(this.#item.label, this.#size, total)
      }
    } catch (error) {
      if (error instanceof Final || signal.aborted) throw error
      await flush()
      throw new Broken(`it broke off after ${this.#size} bytes: ${describeFault(error)}`)
    }
    await flush()
  }

  #startOver(): void {
    this.#size = 0
    this.#hash = createHash('sha256')
  }

  /** Asks for the file, or the rest of it, and follows redirects by hand: each hop is a host that somebody else chose. */
  async #ask(): Promise<Dispatcher.ResponseData> {
    const { network, signal, stall = STALL } = this.#context
    let url = new URL(this.#item.source)
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const dispatcher = await network.to(url)
      let answer: Dispatcher.ResponseData
      try {
        answer = await dispatcher.request({
          origin: url.origin,
          path: url.pathname + url.search,
          method: 'GET',
          headers: {
            accept: '*/*',
            'accept-encoding': 'identity',
            'user-agent': 'await-prediction/1',
            ...(this.#size > 0 && this.#validator !== undefined
              ? { range: `bytes=${this.#size}-`, 'if-range': this.#validator }
              : {}),
          },
          signal,
          headersTimeout: stall * 2000,
          bodyTimeout: stall * 1000,
        })
      } catch (error) {
        if (signal.aborted) throw error
        const refusal = causeOf(error, HostRefusal)
        if (refusal) throw refusal
        if (isCertificateFault(error)) throw new Final(`${url.hostname}: ${describeFault(error)}`)
        throw new Broken(describeFault(error))
      }
      if (![301, 302, 303, 307, 308].includes(answer.statusCode)) return answer
      answer.body.on('error', () => {}).destroy()
      const location = [answer.headers.location].flat()[0]
      const next = location === undefined ? null : URL.parse(location, url.href)
      if (!next) throw new Final(`it was redirected (${answer.statusCode}) to nowhere`)
      url = next
    }
    throw new Final(`it was redirected more than ${REDIRECTS} times`)
  }
}

function causeOf<T>(error: unknown, type: abstract new (...args: never) => T): T | undefined {
  for (let current = error; current instanceof Error; current = current.cause)
    if (current instanceof type) return current
  return undefined
}

function refuse(status: number, headers: Dispatcher.ResponseData['headers']): never {
  if (PASSING.has(status)) throw new Broken(`the server answered ${status}`, retryAfterOf(headers))
  if (status === 403 || status === 404 || status === 410) {
    throw new Final(
      `the server answered ${status}: it has probably expired, for files are deleted one hour after the prediction ended. Only a new prediction brings them back`,
    )
  }
  throw new Final(`the server answered ${status}`)
}

/** The names of one folder: nothing that is there is overwritten unnoticed, and nothing saved is lost over a name. */
class Names {
  readonly #directory: string
  /** One placing after the other, so that two files cannot take the same free name. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Gives a whole file its name. @returns the name it got */
  place(temporary: string, name: string, sha256: string, options: SaveOptions): Promise<string> {
    const placed = this.#last.then(() => this.#place(temporary, name, sha256, options))
    this.#last = placed.catch(() => {})
    return placed
  }

  async #place(
    temporary: string,
    wanted: string,
    sha256: string,
    { overwrite, observer, clock }: SaveOptions,
  ): Promise<string> {
    const { name: stem, ext } = path.parse(wanted)
    for (let n = 1; ; n++) {
      const name = n === 1 ? wanted : `${stem}-${n}${ext}`
      const target = path.join(this.#directory, name)
      const there = await lstat(target).catch(() => undefined)
      if (!there && (await moveNew(temporary, target, clock))) {
        if (n > 1) observer.renamed(name, wanted)
        return name
      }
      if (there?.isFile() && (await sha256Of(target)) === sha256) {
        await rm(temporary)
        return name
      }
      // Renaming replaces a symbolic link itself, never what it points to.
      if (overwrite && !there?.isDirectory()) {
        await whenFree(() => rename(temporary, target), clock)
        return name
      }
    }
  }
}

/**
 * Moves a file to a name that must be free.
 * @param moves those of the file system; they differ between systems, so a test can give others
 * @returns false where the name is taken
 */
export async function moveNew(
  from: string,
  to: string,
  clock: Clock,
  moves: Pick<typeof fileSystem, 'link' | 'rename' | 'rm'> = fileSystem,
): Promise<boolean> {
  try {
    await moves.link(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    // Some file systems have no links; on those, nobody else makes a file of our names between the look and the move.
    await whenFree(() => moves.rename(from, to), clock)
    return true
  }
  // The file is in its place, whatever becomes of its first name.
  await whenFree(() => moves.rm(from), clock).catch(() => {})
  return true
}

const HELD: ReadonlySet<string | undefined> = new Set(['EACCES', 'EBUSY', 'EPERM'])

/** Windows does not move a file for the seconds in which a scanner for viruses reads it. */
async function whenFree(move: () => Promise<void>, clock: Clock): Promise<void> {
  for (let pause = 0.05; ; pause *= 2) {
    try {
      return await move()
    } catch (error) {
      if (!HELD.has((error as NodeJS.ErrnoException).code) || pause > 2) throw error
      await clock.sleep(pause)
    }
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
