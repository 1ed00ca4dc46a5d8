import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { type ZipEntry, zipStream } from './zip.ts'

export interface ArtifactFile extends ZipEntry {
  /** Its media type. */
  type: string
}

/** What becomes one artifact. */
export interface Content {
  name: string
  /** The zipped files, by name in the zip, or the one file that is uploaded unzipped. */
  files: readonly ZipEntry[]
  isZip: boolean
  mediaType: string
  /** The same as a zip, for a service that does not take the type. */
  zipped?: Content
}

export interface ContentRequest {
  /** The name of the zip; files that are not zipped have their own. */
  name: string
  files: readonly ArtifactFile[]
  archive: boolean
}

/** One zip of all files, or every file unzipped; as a separate zip if the protocol supports only zips. */
export function contentsOf({ name, files, archive }: ContentRequest, protocol: 7 | 4): Content[] {
  const zip = (zipName: string, entries: readonly ZipEntry[]): Content => ({
    name: zipName,
    files: entries.toSorted(byName),
    isZip: true,
    mediaType: 'application/zip',
  })
  if (archive) return [zip(name, files)]
  return files.map((file) => {
    const zipped = zip(file.name, [file])
    if (protocol === 4) return zipped
    return { name: file.name, files: [file], isZip: false, mediaType: mediaTypeOf(file.type), zipped }
  })
}

const byName = (a: ZipEntry, b: ZipEntry) => Number(a.name > b.name) - Number(a.name < b.name)

/** The bytes of a content, the same each time. @param compressionLevel from 0 (stored) to 9 */
export function openContent({ files, isZip }: Content, compressionLevel: number): Readable {
  const [first] = files
  return isZip || first === undefined ? zipStream(files, compressionLevel) : createReadStream(first.path)
}

/** Types that the official client sends and the service takes. */
const TAKEN_TYPES: ReadonlySet<string> = new Set([
  'text/plain',
  'text/html',
  'text/csv',
  'text/markdown',
  'application/json',
  'application/pdf',
  'application/zip',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/svg+xml',
  'image/webp',
  'image/bmp',
  'image/tiff',
  'audio/mpeg',
  'audio/wav',
  'audio/ogg',
  'audio/flac',
  'video/mp4',
  'video/webm',
  'video/quicktime',
])

function mediaTypeOf(type: string): string {
  const bare = type.split(';')[0]?.trim().toLowerCase() ?? ''
  return TAKEN_TYPES.has(bare) ? bare : 'application/octet-stream'
}

/** The SHA-256 of a stream in hexadecimal. */
export async function digestOf(content: Readable): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk)
  return hash.digest('hex')
}

/** Bytes of a block, as the official client cuts them; a blob has 50,000 of them at most. */
const BLOCK_SIZE = 8 * 2 ** 20

/** Cuts a stream into blocks of 8 MiB; the last one is smaller. */
export async function* blocksOf(content: Readable): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = []
  let size = 0
  for await (const chunk of content as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size < BLOCK_SIZE) continue
    const whole = Buffer.concat(chunks, size)
    let at = 0
    for (; size - at >= BLOCK_SIZE; at += BLOCK_SIZE) yield whole.subarray(at, at + BLOCK_SIZE)
    chunks = [whole.subarray(at)]
    size -= at
  }
  if (size > 0) yield Buffer.concat(chunks, size)
}
