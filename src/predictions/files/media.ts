import type { FileHandle } from 'node:fs/promises'

/** What a file's content says about itself. */
export interface Media {
  /** MIME type, such as `image/webp`. */
  type: string
  /** Extension without a dot. */
  extension: string
  /** Pixels, of pictures whose head tells them. */
  width?: number
  height?: number
}

/** Bytes at the start of a file that are looked at: the size of a JPEG can stand behind a large preview. */
const HEAD = 256 * 1024

/** Content types and extensions of formats whose first bytes are known, so that content without them is something else. */
const CLAIMS =
  /^(?:image\/(?!svg)|video\/|audio\/(?!.*(?:raw|pcm|basic|l16)))|^(?:png|jpe?g|webp|gif|avif|heic|bmp|tiff?|mp4|mov|webm|mkv|avi|mp3|wav|flac|ogg|m4a)$/i

/** Extensions of content types whose content says nothing; the rest of a type that is not here is not trusted. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/json': 'json',
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'image/svg+xml': 'svg',
  'model/gltf-binary': 'glb',
  'model/obj': 'obj',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/vtt': 'vtt',
}
const TYPES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(EXTENSIONS).map(([type, extension]) => [extension, type])),
  txt: 'text/plain',
}

/** The content is not what it claims to be, or not all of it. The message fits behind the name of a file. */
export class MediaError extends Error {
  override readonly name = 'MediaError'
}

/**
 * Tells the type of a file by its content, then by the content type it was sent with, then by the name in its URL.
 * @throws MediaError where it claims to be a picture, a video or a sound and is none, or breaks off before its end
 */
export async function inspect(
  file: FileHandle,
  size: number,
  claimed: { type: string; extension: string },
): Promise<Media> {
  const head = Buffer.alloc(Math.min(HEAD, size))
  await file.read(head, 0, head.length, 0)
  const { fileTypeFromBuffer } = await import('file-type')
  const found = await fileTypeFromBuffer(head)
  // XML is the clothing of many formats, SVG among them: it says less than the claim.
  const media =
    found && found.ext !== 'xml' ? { type: found.mime as string, extension: found.ext as string } : undefined
  if (!media) {
    const claim = [claimed.type, claimed.extension].find((each) => CLAIMS.test(each))
    if (claim !== undefined)
      throw new MediaError(size === 0 ? 'is empty' : `is not the ${claim} that it claims to be${beginning(head)}`)
    return byClaim(claimed)
  }
  if (!(await isWhole(file, size, head, media.extension)))
    throw new MediaError(`breaks off before its end (${size} bytes)`)
  return { ...media, ...(media.type.startsWith('image/') ? await dimensions(head) : {}) }
}

function byClaim({ type, extension }: { type: string; extension: string }): Media {
  const byType = EXTENSIONS[type]
  if (byType !== undefined) return { type, extension: byType }
  const known = /^[a-z0-9]{1,8}$/.test(extension) ? extension : undefined
  const text = type.startsWith('text/') ? 'txt' : 'bin'
  return { type: type || (TYPES[known ?? ''] ?? 'application/octet-stream'), extension: known ?? text }
}

/** The first characters of text that came in place of a picture: usually an error page that says what is wrong. */
function beginning(head: Buffer): string {
  const start = head.subarray(0, 60).toString('utf8')
  return /^[\x20-\x7e\s]+$/.test(start) ? `: it begins with ${JSON.stringify(start)}` : ''
}

/** Whether the format's own marks of its end are there; true for formats that have none or are not known here. */
async function isWhole(file: FileHandle, size: number, head: Buffer, extension: string): Promise<boolean> {
  const tail = Buffer.alloc(Math.min(65_536, size))
  await file.read(tail, 0, tail.length, size - tail.length)
  switch (extension) {
    case 'png':
    case 'apng':
      return tail.includes('IEND')
    case 'jpg':
      return tail.includes(Buffer.of(0xff, 0xd9))
    case 'gif':
      return tail.includes(0x3b)
    case 'webp':
    case 'wav':
    case 'avi': {
      // Writers that stream leave 0 or the largest number there.
      const length = head.readUInt32LE(4)
      return length === 0 || length > 0xffff_ff00 || length + 8 <= size + 1
    }
    case 'mp4':
    case 'mov':
    case 'm4a':
    case 'm4v':
    case 'avif':
    case 'heic':
      return boxesEndAt(file, size)
    default:
      return true
  }
}

/** Walks the top-level boxes of an ISO base media file: the last one must not reach beyond the file. */
async function boxesEndAt(file: FileHandle, size: number): Promise<boolean> {
  const header = Buffer.alloc(16)
  let at = 0
  for (let boxes = 0; at < size && boxes < 10_000; boxes++) {
    const { bytesRead } = await file.read(header, 0, 16, at)
    if (bytesRead < 8) return true
    const length = header.readUInt32BE(0)
    if (length === 0) return true
    at += length === 1 ? Number(header.readBigUInt64BE(8)) : length
    if (length !== 1 && length < 8) return true
  }
  return at <= size
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
