import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createInflateRaw } from 'node:zlib'

/** An entry of a zip, as its central directory describes it. */
export interface ReadEntry {
  name: string
  /** Bytes, unpacked. */
  size: number
  /** The decompressed bytes. A zip with wrong metadata yields other bytes, or an error. */
  open(): Promise<Readable>
}

/** A zip ends with this record: its signature, and where the central directory is (APPNOTE 4.3.16). */
const END = { signature: 0x06054b50, length: 22, longestComment: 65_535 }
/** A record of the central directory (APPNOTE 4.3.12). */
const CENTRAL = { signature: 0x02014b50, length: 46 }
/** The header before the bytes of an entry (APPNOTE 4.3.7). */
const LOCAL = { signature: 0x04034b50, length: 30 }
const STORED = 0
const DEFLATED = 8
/** Bytes of a central directory that is read: one of 500 artifacts' names is far below. */
const LARGEST_DIRECTORY = 64 * 2 ** 20

/**
 * The entries of a zip file, in its order, so that the content of two zips can be compared.
 * @throws Error for what is no zip, and for one of more than 4 GiB or 65,534 entries, which has records of another kind
 */
export async function readZipEntries(path: string): Promise<ReadEntry[]> {
  await using file = await open(path)
  const { size: fileSize } = await file.stat()
  const tail = await read(file, Math.max(0, fileSize - END.length - END.longestComment), fileSize)
  const at = tail.lastIndexOf(signatureBytes(END.signature))
  if (at < 0 || tail.length - at < END.length) throw new Error('the file is not a zip')
  const length = tail.readUInt32LE(at + 12)
  const start = tail.readUInt32LE(at + 16)
  if (length > LARGEST_DIRECTORY || start + length > fileSize) throw new Error('the zip has an unsupported format')
  return parseDirectory(await read(file, start, start + length), path)
}

function parseDirectory(directory: Buffer, path: string): ReadEntry[] {
  const entries: ReadEntry[] = []
  for (let at = 0; at < directory.length; ) {
    if (directory.readUInt32LE(at) !== CENTRAL.signature) throw new Error('the zip has a damaged directory')
    const nameLength = directory.readUInt16LE(at + 28)
    const packed = { method: directory.readUInt16LE(at + 10), size: directory.readUInt32LE(at + 20) }
    const offset = directory.readUInt32LE(at + 42)
    const name = directory.toString('utf8', at + CENTRAL.length, at + CENTRAL.length + nameLength)
    const size = directory.readUInt32LE(at + 24)
    entries.push({ name, size, open: () => openEntry(path, offset, packed) })
    at += CENTRAL.length + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
  }
  return entries
}

async function openEntry(path: string, offset: number, packed: Packed): Promise<Readable> {
  if (packed.size === 0) return Readable.from([])
  await using file = await open(path)
  const header = await read(file, offset, offset + LOCAL.length)
  if (header.readUInt32LE(0) !== LOCAL.signature) throw new Error('the zip has no entry at the offset in its directory')
  const start = offset + LOCAL.length + header.readUInt16LE(26) + header.readUInt16LE(28)
  const bytes = createReadStream(path, { start, end: start + packed.size - 1 })
  if (packed.method === STORED) return bytes
  if (packed.method !== DEFLATED) throw new Error(`the zip has an entry with compression method ${packed.method}`)
  const inflate = createInflateRaw()
  bytes.on('error', (error) => inflate.destroy(error))
  inflate.on('close', () => bytes.destroy())
  return bytes.pipe(inflate)
}

interface Packed {
  method: number
  /** Bytes in the zip. */
  size: number
}

/** Shorter if the file ends before. */
async function read(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
  return buffer.subarray(0, bytesRead)
}

function signatureBytes(signature: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(signature)
  return bytes
}
