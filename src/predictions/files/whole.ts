import { Buffer } from 'node:buffer'
import type { FileHandle } from 'node:fs/promises'

/** Bytes that are read at once. */
const WINDOW = 65_536
/** Parts of a file that are looked at; one that has more is taken as whole. */
const MOST_PARTS = 200_000
/** Lengths from here on are what writers leave that do not know the length: 0x7ffff024, 0x7fffffff, 0xffffffff, … */
const PLACEHOLDER = 0x7fff_0000

/**
 * Whether a file ends where the marks of its format say, for formats whose marks are reliable; true for others. What
 * follows the end does not matter.
 * @param extension that of its content
 * @param lengthKnown whether the server gave the length of the file, and that much was received
 */
export async function isWhole(
  file: Pick<FileHandle, 'read'>,
  size: number,
  extension: string,
  lengthKnown: boolean,
): Promise<boolean> {
  const bytes = new Bytes(file, size)
  switch (extension) {
    case 'png':
    case 'apng':
      return pngIsWhole(bytes)
    case 'jpg':
      return jpegIsWhole(bytes)
    case 'gif':
      return gifIsWhole(bytes)
    case 'webp':
      return riffIsWhole(bytes)
    case 'wav':
    case 'avi':
      // Its length is no proof: a program that writes to a pipe does not know it.
      return lengthKnown || riffIsWhole(bytes)
    case 'mp4':
    case 'mov':
    case 'm4a':
    case 'm4v':
    case 'avif':
    case 'heic':
      return boxesAreWhole(bytes)
    case 'glb':
      return glbIsWhole(bytes)
    case 'zip':
    case 'epub':
    case 'docx':
    case 'xlsx':
    case 'pptx':
    case '3mf':
      return zipIsWhole(bytes)
    default:
      return true
  }
}

/** A file that is read at a few positions. */
class Bytes {
  readonly size: number
  readonly #file: Pick<FileHandle, 'read'>
  #from = 0
  #window = Buffer.alloc(0)

  constructor(file: Pick<FileHandle, 'read'>, size: number) {
    this.#file = file
    this.size = size
  }

  /** `count` bytes from a place on, or fewer at the end of the file. */
  async at(position: number, count: number): Promise<Buffer> {
    const from = position - this.#from
    if (from < 0 || from + count > this.#window.length) {
      const wanted = Math.max(0, Math.min(Math.max(WINDOW, count), this.size - position))
      this.#window = Buffer.alloc(wanted)
      this.#from = position
      await this.#file.read(this.#window, 0, wanted, position)
    }
    const start = position - this.#from
    return this.#window.subarray(start, start + count)
  }
}

/** Chunks of length, type, data and checksum; the last one is IEND. */
async function pngIsWhole(bytes: Bytes): Promise<boolean> {
  let at = 8
  for (let chunks = 0; chunks < MOST_PARTS; chunks++) {
    const header = await bytes.at(at, 8)
    if (header.length < 8) return false
    at += 12 + header.readUInt32BE(0)
    if (at > bytes.size) return false
    if (header.toString('latin1', 4, 8) === 'IEND') return true
  }
  return true
}

const MARKER = 0xff
const START_OF_SCAN = 0xda
const END_OF_IMAGE = 0xd9

/** Segments, among them a preview with its own end marker, then the picture, which ends with ff d9. */
async function jpegIsWhole(bytes: Bytes): Promise<boolean> {
  let at = 2
  for (let segments = 0; segments < MOST_PARTS; segments++) {
    const header = await bytes.at(at, 4)
    if (header.length < 4) return false
    if (header[0] !== MARKER) return true
    const kind = header[1] ?? 0
    if (kind === MARKER) at++
    else if (kind === START_OF_SCAN) return await contains(bytes, at, Buffer.of(MARKER, END_OF_IMAGE))
    else if (kind === END_OF_IMAGE || header.readUInt16BE(2) < 2) return true
    else at += 2 + header.readUInt16BE(2)
  }
  return true
}

async function contains(bytes: Bytes, from: number, wanted: Buffer): Promise<boolean> {
  for (let at = from; at < bytes.size; at += WINDOW - wanted.length + 1) {
    if ((await bytes.at(at, WINDOW)).includes(wanted)) return true
  }
  return false
}

/** A binary glTF: its header has the length of the file. */
async function glbIsWhole(bytes: Bytes): Promise<boolean> {
  const header = await bytes.at(0, 12)
  return header.length === 12 && header.readUInt32LE(8) <= bytes.size
}

/** The record at the end of every zip (APPNOTE 4.3.16), after which only a comment may stand. */
const END_OF_ZIP = Buffer.from('PK\x05\x06', 'latin1')

async function zipIsWhole(bytes: Bytes): Promise<boolean> {
  // Nearly every zip has it there; others have more data after it.
  const atEnd = Math.max(0, bytes.size - 2 * WINDOW)
  return (await contains(bytes, atEnd, END_OF_ZIP)) || (await contains(bytes, 0, END_OF_ZIP))
}

/** The head, then blocks of pieces of at most 255 bytes; some writers leave out the trailer, so its absence says nothing. */
async function gifIsWhole(bytes: Bytes): Promise<boolean> {
  const table = (flags: number | undefined) => ((flags ?? 0) & 0x80 ? 3 * 2 ** (((flags ?? 0) & 7) + 1) : 0)
  let at = 13 + table((await bytes.at(10, 1))[0])
  for (let parts = 0; parts < MOST_PARTS; parts++) {
    if (at >= bytes.size) return at === bytes.size
    const [kind] = await bytes.at(at, 1)
    if (kind === 0x21) at += 2
    else if (kind === 0x2c) at += 11 + table((await bytes.at(at + 9, 1))[0])
    else return true
    for (let length: number | undefined = 1; length !== 0; at += 1 + length) {
      ;[length] = await bytes.at(at, 1)
      if (length === undefined || ++parts >= MOST_PARTS) return parts >= MOST_PARTS
    }
  }
  return true
}

/** One chunk that is as long as the file, unless its writer did not know the length. */
async function riffIsWhole(bytes: Bytes): Promise<boolean> {
  const head = await bytes.at(0, 12)
  if (head.length < 12) return false
  const length = head.readUInt32LE(4)
  // A last byte of padding is left out by some writers.
  return length === 0 || length >= PLACEHOLDER || length + 8 <= bytes.size + 1
}

/** Boxes that stand at the top of a file, of ISO 14496-12 and QuickTime. */
const BOXES: ReadonlySet<string> = new Set(
  'ftyp styp moov moof mdat meta free skip wide uuid sidx ssix mfra pdin prft emsg idat pnot udta'.split(' '),
)

/** The top-level boxes of an ISO base media file: none reaches beyond the file. What is no box follows the end. */
async function boxesAreWhole(bytes: Bytes): Promise<boolean> {
  let at = 0
  let hasData = false
  for (let boxes = 0; at < bytes.size && boxes < MOST_PARTS; boxes++) {
    const header = await bytes.at(at, 16)
    if (header.length < 8) return hasData
    const length = header.readUInt32BE(0)
    const type = header.toString('latin1', 4, 8)
    if (length === 0 || !BOXES.has(type)) return true
    if (length === 1 && header.length < 16) return false
    if (length !== 1 && length < 8) return true
    hasData ||= type === 'mdat'
    at += length === 1 ? Number(header.readBigUInt64BE(8)) : length
  }
  return at <= bytes.size
}
