import type { Readable } from 'node:stream'
import { ZipFile } from 'yazl'

export interface ZipEntry {
  /** The name inside the zip. */
  name: string
  /** The absolute path of the file. */
  path: string
}

/** The first moment that a zip can name. Local, as zips have it, so that the bytes do not depend on the time zone. */
const EPOCH = new Date(1980, 0, 1)
const REGULAR_FILE = 0o100644

/**
 * A zip as a stream. The same names and contents give the same bytes, whenever and wherever it is made: one fixed
 * time, one mode, entries in the order given.
 * @param compressionLevel from 0 (stored) to 9
 */
export function zipStream(entries: readonly ZipEntry[], compressionLevel: number): Readable {
  const zip = new ZipFile()
  // yazl makes it a PassThrough; its types promise less.
  const stream = zip.outputStream as Readable
  zip.on('error', (error: Error) => stream.destroy(error))
  for (const { name, path } of entries) {
    zip.addFile(path, name, { mtime: EPOCH, mode: REGULAR_FILE, forceDosTimestamp: true, compressionLevel })
  }
  zip.end()
  return stream
}
