import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { jsonParts, jsonStart, stringifyJson } from '../json/write.ts'
import { type HostPolicy, HostRefusal } from '../network/host-policy.ts'
import { describeNetworkError } from '../network/network-errors.ts'
import type { UntrustedNetwork } from '../network/untrusted-network.ts'
import { outputText } from '../output.ts'
import type { Claim } from './extensions.ts'
import { describeDiskError, PermanentError, WebPageError } from './file-error.ts'
import type { FileNames, Kind, NamedPrediction } from './file-name.ts'
import type { Folder } from './folder.ts'
import type { Hosts } from './hosts.ts'
import type { Item } from './items.ts'
import { inspect, type Media } from './media.ts'
import type { Names } from './names.ts'
import { PartFile } from './part-file.ts'
import type { Ending } from './patience.ts'
import type { SizeLimits } from './size-limits.ts'
import { Transfer } from './transfer.ts'

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
  /** MIME type, by the content if it is recognized. */
  type: string
  /** Hexadecimal. */
  sha256: string
  /** Pixels, of pictures. */
  width?: number
  height?: number
  /** Where it came from: a URL, `data:`, `text` or `json`. */
  source: string
}

/** Something that could not be saved. The message is whole sentences. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly predictionId: string

  /**
   * @param label what was not saved: `File 2 (cdn.example.com/…/a.png)`
   * @param cause why, as a clause or as what was thrown
   * @param folder where it was to be saved
   */
  constructor(predictionId: string, label: string, cause: unknown, folder = '') {
    const why = (typeof cause === 'string' ? cause : whyNot(cause, folder)).replace(/\.$/, '')
    super(`${label} of prediction ${predictionId} ${label.endsWith('s') ? 'were' : 'was'} not saved: ${why}.`, {
      cause,
    })
    this.predictionId = predictionId
  }
}

function whyNot(error: unknown, folder: string): string {
  if (error instanceof PermanentError || error instanceof HostRefusal) return error.message
  return describeDiskError(error, folder) ?? describeNetworkError(error)
}

/** What is reported while files are saved. */
export interface SaveObserver {
  saved(file: SavedFile): void
  retrying(label: string, reason: string, pause: number): void
  /** A file that was there before the step has the name `taken`, and was not overwritten. */
  renamed(name: string, taken: string): void
}

/**
 * Where the file of a link is fetched with the key, and the header with which; undefined if it is fetched without it.
 * Such a URL is never one that somebody else chose.
 */
export type KeyedFiles = (link: string, id: string) => { url: string; authorization: string } | undefined

/** What all files of a step are saved with. */
export interface Tools {
  network: UntrustedNetwork
  hosts: Hosts
  folder: Folder
  names: Names
  fileNames: FileNames
  limits: SizeLimits
  policy: HostPolicy
  keyed: KeyedFiles
  overwrite: boolean
  clock: Clock
  signal: AbortSignal
  observer: SaveObserver
  stall?: number
  collectGarbage(bytes: number): void
  /** Those under way, for a line about them now and then. */
  transfers: Set<{ label: string; transfer: Transfer }>
}

/** A web page in place of a file: what to do with it depends on the other files of its prediction. */
export interface Page {
  label: string
  /** Saves it as a file. @throws PermanentError if it cannot be */
  keep(): Promise<SavedFile>
  drop(): Promise<void>
}

/** Bytes that are there without any request. */
export interface Content {
  /** In parts, for an output of JSON can be as large as an answer. */
  bytes: Buffer[]
  type: string
  /** Set if the type is ours. */
  extension?: string
}

/** What indentation may add is small up to this many characters. */
const LONGEST_INDENTED = 2 ** 20

/** A text, or JSON, as the bytes of a file; what is long takes turns of the event loop. */
export async function contentOf(output: unknown, kind: Kind): Promise<Content> {
  if (kind === 'text') return { bytes: [Buffer.from(outputText(output) ?? '')], type: 'text/plain', extension: 'txt' }
  return { bytes: await jsonBytes(output), type: 'application/json', extension: 'json' }
}

async function jsonBytes(output: unknown): Promise<Buffer[]> {
  const isShort = jsonStart(output, LONGEST_INDENTED).length <= LONGEST_INDENTED
  if (isShort) return [Buffer.from(`${stringifyJson(output, 2)}\n`)]
  const bytes: Buffer[] = []
  let pieces: string[] = []
  const flush = () => {
    bytes.push(Buffer.from(pieces.join('')))
    pieces = []
  }
  let size = 0
  for (const piece of jsonParts(output)) {
    pieces.push(piece)
    size += piece.length
    if (size < LONGEST_INDENTED) continue
    flush()
    size = 0
    await nextTurn()
  }
  pieces.push('\n')
  flush()
  return bytes
}

/** Saves what is there already. @throws PermanentError or what the file system throws */
export async function saveContent(
  item: Item,
  prediction: NamedPrediction,
  { bytes, type, extension }: Content,
  tools: Tools,
): Promise<SavedFile> {
  const size = bytes.reduce((sum, { length }) => sum + length, 0)
  const allowance = tools.limits.open()
  allowance.expect(size)
  await using part = new PartFile(tools.folder)
  try {
    await part.write(bytes, 0)
    const hash = createHash('sha256')
    for (const each of bytes) hash.update(each)
    const sha256 = hash.digest('hex')
    const media =
      extension === undefined
        ? await part.use((file) => inspect(file, size, { type, names: [] }, true))
        : { type, extension }
    return await place(part, { item, prediction, size, sha256, media }, tools)
  } catch (error) {
    allowance.release()
    throw error
  }
}

/**
 * Fetches a file.
 * @throws PermanentError, HostRefusal, what the file system throws, or the reason of the signal
 */
export async function saveLink(
  item: Item,
  prediction: NamedPrediction,
  ending: Ending,
  tools: Tools,
): Promise<SavedFile | Page> {
  const { observer, policy, transfers } = tools
  const keyed = tools.keyed(item.source, prediction.id)
  const part = new PartFile(tools.folder)
  const allowance = tools.limits.open()
  const drop = async () => {
    allowance.release()
    await part[Symbol.asyncDispose]()
  }
  const transfer = new Transfer(new URL(keyed?.url ?? item.source), part, {
    ...tools,
    allowance,
    ending,
    apiUrl: policy.apiUrl,
    authorization: keyed?.authorization,
    retrying: (reason, pause) => observer.retrying(item.label, reason, pause),
  })
  const listed = { label: item.label, transfer }
  transfers.add(listed)
  try {
    const { size, sha256, claim, lengthKnown, isPage } = await transfer.run()
    const keep = () => finish(part, { item, prediction, size, sha256 }, { claim, lengthKnown }, tools)
    if (isPage) {
      await part.rest()
      return { label: item.label, keep, drop }
    }
    return await keep()
  } catch (error) {
    await drop()
    if (!(error instanceof WebPageError)) throw error
    return { label: item.label, keep: () => Promise.reject(error), drop }
  } finally {
    transfers.delete(listed)
  }
}

async function finish(
  part: PartFile,
  file: Omit<Placing, 'media'>,
  { claim, lengthKnown }: { claim: Claim; lengthKnown: boolean },
  tools: Tools,
): Promise<SavedFile> {
  await using own = part
  await own.cut(file.size)
  const media = await own.use((handle) => inspect(handle, file.size, claim, lengthKnown))
  return await place(own, { ...file, media }, tools)
}

interface Placing {
  item: Item
  prediction: NamedPrediction
  size: number
  sha256: string
  media: Media
}

/** Gives a whole file its name. */
async function place(
  part: PartFile,
  { item, prediction, size, sha256, media }: Placing,
  { fileNames, folder, names, observer, overwrite, clock }: Tools,
): Promise<SavedFile> {
  await part.rest()
  const { extension, ...described } = media
  const stem = fileNames.stem(prediction, item.kind)
  // A template that ends with the extension already has it.
  const wanted = stem.toLowerCase().endsWith(`.${extension}`) ? stem : `${stem}.${extension}`
  const options = { overwrite, clock, renamed: (name: string, taken: string) => observer.renamed(name, taken) }
  const name = await names.place(part.path, wanted, sha256, options)
  const { index, source } = item
  const file = { predictionId: prediction.id, index, path: path.join(folder.path, name), name, size, ...described }
  const saved = { ...file, sha256, source }
  observer.saved(saved)
  return saved
}
