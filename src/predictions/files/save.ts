import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import { type HostPolicy, HostRefusal } from '../network/addresses.ts'
import { openUntrustedNetwork, type ProxyEnvironment, type UntrustedNetwork } from '../network/dispatcher.ts'
import { describeFault } from '../network/network-errors.ts'
import { outputFiles, outputText } from '../output.ts'
import { decodeDataUri } from './data-uri.ts'
import { PermanentError, tooLarge } from './file-error.ts'
import { createCollector } from './garbage.ts'
import { inspect, MediaError } from './media.ts'
import { Names } from './names.ts'
import { type Received, Transfer } from './transfer.ts'

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
  const network = openUntrustedNetwork(options.policy, options.env)
  const names = new Names(options.directory)
  const collectGarbage = createCollector()
  try {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const [i, item] of queue) ordered[i] = await saveOne(item, { ...options, network, names, collectGarbage })
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

type Context = SaveOptions & { network: UntrustedNetwork; names: Names; collectGarbage: (bytes: number) => void }

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
    const name = await context.names.place(temporary, `${item.stem}.${media.extension}`, sha256, {
      ...context,
      renamed: context.observer.renamed,
    })
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

function whyNot(error: unknown, directory: string): string {
  if (error instanceof PermanentError) return error.message
  if (error instanceof MediaError) return `it ${error.message}`
  if (error instanceof HostRefusal) return error.message
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return `the disk is full (${code}, ${directory})`
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return `${directory} cannot be written to (${code})`
  if (code === 'EBUSY') return `another program holds a file of that name open (${code}, ${directory})`
  if (code === 'ENOTDIR' || code === 'EEXIST') return `${directory} is not a folder (${code})`
  return describeFault(error)
}

/** Fills an empty file with what an item holds. */
async function fill(file: FileHandle, item: Item, context: Context): Promise<Received> {
  if (item.text === undefined) return new Transfer(new URL(item.source), file, { ...context, label: item.label }).run()
  const { bytes, type } =
    item.source === 'text' ? { bytes: Buffer.from(item.text), type: 'text/plain' } : decodeDataUri(item.text)
  if (bytes.length > context.maxFileSize) throw tooLarge(bytes.length, context.maxFileSize)
  await file.writeFile(bytes)
  return { size: bytes.length, hash: createHash('sha256').update(bytes), claimed: { type, extension: '' } }
}
