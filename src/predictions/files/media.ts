import { Buffer } from 'node:buffer'
import type { FileHandle } from 'node:fs/promises'
import { binaryClaim, byClaim, type Claim, extensionInsteadOf, refined } from './extensions.ts'
import { PermanentError } from './file-error.ts'
import { isSvg, isText, isTextMedia, substituteIn } from './file-kind.ts'
import { isWhole } from './whole.ts'

/** What a file's content says about itself. */
export interface Media {
  /** MIME type, such as `image/webp`. */
  type: string
  /** Extension without a dot. */
  extension: string
  /** In pixels, for pictures whose header has it. */
  width?: number
  height?: number
}

/** Bytes at the start of a file that are looked at: the size of a JPEG can follow a large preview. */
const HEAD = 256 * 1024

/** The content is not what it claims to be, or not all of it. */
class MediaError extends PermanentError {
  override readonly name = 'MediaError'
}

/**
 * Tells the type of a file by its content, then by what is claimed. What is binary and unknown keeps its claim.
 * @param lengthKnown whether the server gave the length of the file, and that much was received
 * @throws MediaError if it is text in place of a picture, a video or a sound, or breaks off before its end
 */
export async function inspect(file: FileHandle, size: number, claim: Claim, lengthKnown: boolean): Promise<Media> {
  const head = Buffer.alloc(Math.min(HEAD, size))
  await file.read(head, 0, head.length, 0)
  const found = await sniff(head, size, claim)
  if (found === undefined) return unknown(head, size, claim)
  if (!(await isWhole(file, size, found.extension, lengthKnown))) {
    throw new MediaError(`it is incomplete (${size} bytes)`)
  }
  const pixels = found.type.startsWith('image/') ? await dimensions(head) : {}
  return { ...found, extension: refined(found.extension, claim), ...pixels }
}

function unknown(head: Buffer, size: number, claim: Claim): Media {
  const text = isText(head)
  const broken = text ? brokenClaim(head, claim) : undefined
  if (broken !== undefined) {
    throw new MediaError(size === 0 ? 'it is empty' : `it is not the ${broken} that it claims to be${beginning(head)}`)
  }
  // It is no web page, so its name counts: some servers give that type to every file that they do not know.
  const isMistyped = extensionInsteadOf('page', claim) !== undefined
  return byClaim(isMistyped ? { ...claim, type: '' } : claim, text)
}

/** What a file claims to be that text is not; undefined if the text can be what it claims. */
function brokenClaim(head: Buffer, claim: Claim): string | undefined {
  const binary = binaryClaim(claim)
  if (binary !== undefined && !isTextMedia(head)) return binary
  const substitute = substituteIn(head)
  return substitute && extensionInsteadOf(substitute, claim)
}

/** The first characters of text that came in place of a picture: usually an error page that says what is wrong. */
function beginning(head: Buffer): string {
  const start = head.subarray(0, 60).toString('utf8')
  return /^[\x20-\x7e\s]+$/.test(start) ? `: it begins with ${JSON.stringify(start)}` : ''
}

/** The type that the content proves. */
async function sniff(head: Buffer, size: number, claim: Claim): Promise<Media | undefined> {
  if (isText(head)) {
    if (isSvg(head)) return { type: 'image/svg+xml', extension: 'svg' }
    if (/^#EXTM3U/.test(head.toString('latin1', 0, 7))) {
      return { type: 'application/vnd.apple.mpegurl', extension: 'm3u8' }
    }
  }
  const { fileTypeFromBuffer } = await import('file-type')
  const found = await fileTypeFromBuffer(head).catch(() => undefined)
  // XML is the clothing of many formats: it says less than the claim.
  if (found === undefined || found.ext === 'xml') return undefined
  const media = { type: found.mime as string, extension: found.ext as string }
  if (PROOFS[media.extension]?.(head, size) ?? true) return media
  const claimed = byClaim(claim, false)
  return claimed.extension === 'bin' || claimed.extension === media.extension ? media : undefined
}

/** An icon's directory: the data of every entry is after it and within the file. */
function iconsFit(head: Buffer, size: number): boolean {
  const count = head.length < 6 ? 0 : head.readUInt16LE(4)
  const end = 6 + 16 * count
  if (count === 0 || end > head.length) return false
  for (let at = 6; at < end; at += 16) {
    const offset = head.readUInt32LE(at + 12)
    if (offset < end || offset + head.readUInt32LE(at + 8) > size) return false
  }
  return true
}

const BITRATES = {
  // kbit/s by index, of layers 1, 2 and 3 of MPEG-1, then of layer 1 and of layers 2 and 3 of MPEG-2 (ISO 11172-3,
  // 13818-3)
  v1: [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  ],
  v2: [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  ],
} as const
/** MPEG-2.5, nothing, MPEG-2 and MPEG-1, which has the whole rate. */
const RATE_DIVISORS = [4, 1, 2, 1] as const
const SAMPLE_RATES = [44_100, 48_000, 32_000] as const

/** Whether the frame at the start of compressed sound is followed by another one. */
function framesFollow(head: Buffer): boolean {
  const length = head.length < 8 ? 0 : frameLength(head.readUInt32BE(0), head.readUInt32BE(4))
  return (
    length > 0 && length + 1 < head.length && head[length] === head[0] && ((head[length + 1] ?? 0) ^ (head[1] ?? 0)) < 2
  )
}

/** Bytes of a frame of MPEG audio or ADTS by its header; 0 if it is not one. */
function frameLength(word: number, next: number): number {
  const layerBits = (word >>> 17) & 3
  if (layerBits === 0) return ((word & 3) << 11) | (next >>> 21)
  const layer = 4 - layerBits
  const versionBits = (word >>> 19) & 3
  const first = versionBits === 3
  const bitrate = (first ? BITRATES.v1 : BITRATES.v2)[layer - 1]?.[(word >>> 12) & 15] ?? 0
  const rate = SAMPLE_RATES[(word >>> 10) & 3] ?? 0
  if (versionBits === 1 || bitrate === 0 || rate === 0) return 0
  const sampleRate = rate / (RATE_DIVISORS[versionBits] ?? 1)
  const padding = (word >>> 9) & 1
  if (layer === 1) return (Math.floor((12_000 * bitrate) / sampleRate) + padding) * 4
  return Math.floor(((layer === 3 && !first ? 72_000 : 144_000) * bitrate) / sampleRate) + padding
}

const isSound = (head: Buffer) => head.toString('latin1', 0, 3) === 'ID3' || framesFollow(head)

/**
 * Whether more than the first bytes fits, for formats that are known by a few bytes only, which other files begin with
 * too, such as samples of sound.
 */
const PROOFS: Readonly<Record<string, (head: Buffer, size: number) => boolean>> = {
  aac: isSound,
  mp1: isSound,
  mp2: isSound,
  mp3: isSound,
  cur: iconsFit,
  ico: iconsFit,
  mpg: () => false,
  ttf: () => false,
}

async function dimensions(head: Buffer): Promise<{ width?: number; height?: number }> {
  const { imageSize } = await import('image-size')
  try {
    const { width, height } = imageSize(head)
    return { width, height }
  } catch {
    return {}
  }
}
