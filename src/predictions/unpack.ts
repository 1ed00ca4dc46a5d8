import { pipeline, type Transform } from 'node:stream'
import { type Headers, headerOf } from './http.ts'
import { clip } from './text.ts'

/** The bytes of a body do not fit the packing that its headers name. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError'
}

/** Names in the header of a body that is not packed; S3-compatible stores keep `aws-chunked` from the upload. */
const NO_PACKING: ReadonlySet<string> = new Set(['', 'identity', 'none', 'binary', 'utf-8', 'utf8', 'aws-chunked'])

/** Characters quoted of an unknown encoding. */
const LONGEST_ENCODING = 40
/** More packings on top of each other than this are an attack. */
const MOST_PACKINGS = 3

type Zlib = typeof import('node:zlib')

const UNPACKERS: Readonly<Record<string, (zlib: Zlib, first: Buffer) => Transform>> = {
  gzip: (zlib) => zlib.createGunzip(),
  'x-gzip': (zlib) => zlib.createGunzip(),
  // RFC 9110 means the zlib format; some servers send the bare one.
  deflate: (zlib, first) => (hasZlibHeader(first) ? zlib.createInflate() : zlib.createInflateRaw()),
  br: (zlib) => zlib.createBrotliDecompress(),
  zstd: (zlib) => zlib.createZstdDecompress(),
}

/** The content encodings of a body, the outermost last: `["gzip"]`. Empty for an uncompressed body. */
export function packingsOf(headers: Headers): string[] {
  return (headerOf(headers, 'content-encoding') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => !NO_PACKING.has(name))
}

/**
 * A decompressed body (gzip, deflate, br, zstd). Servers and proxies compress even if identity was requested.
 * Comes piece by piece, so that limits count the unpacked bytes. Leaving the loop gives up the body.
 * @throws UnpackError, or what reading the body throws
 */
export async function* unpacked(
  body: AsyncIterable<Buffer> | Iterable<Buffer>,
  headers: Headers,
): AsyncGenerator<Buffer> {
  const packings = packingsOf(headers)
  if (packings.length > MOST_PACKINGS) throw new UnpackError(`it is compressed ${packings.length} times`)
  let bytes: AsyncIterable<Buffer> | Iterable<Buffer> = body
  for (const name of packings.reverse()) bytes = unpackOne(bytes, name)
  yield* bytes
}

async function* unpackOne(packed: AsyncIterable<Buffer> | Iterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const create = UNPACKERS[name]
  if (!create) throw new UnpackError(`its compression is not supported (${clip(name, LONGEST_ENCODING)})`)
  const source = new Source(packed)
  const first = await source.next()
  // A body without bytes has nothing to unpack, whatever its headers say.
  if (first === undefined) return
  // Loaded on demand: few servers compress unrequested, and loading the module takes a millisecond.
  const unpacker = create(await import('node:zlib'), first)
  pipeline(source.from(first), unpacker, () => {})
  try {
    yield* unpacker
  } catch (error) {
    if (source.failure !== undefined) throw source.failure
    const { code = String(error) } = error as NodeJS.ErrnoException
    throw new UnpackError(`its ${name} compression is damaged (${code})`, { cause: error })
  }
}

/** The pieces of a body; keeps what went wrong with it, apart from what goes wrong with the packing. */
class Source {
  readonly #pieces: AsyncIterator<Buffer> | Iterator<Buffer>
  failure: unknown

  constructor(body: AsyncIterable<Buffer> | Iterable<Buffer>) {
    this.#pieces = Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]()
  }

  /** The next piece that has bytes; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const { done, value } = await this.#pieces.next()
      if (done) return undefined
      if (value.length > 0) return value
    }
  }

  async *from(first: Buffer): AsyncGenerator<Buffer> {
    try {
      for (let piece: Buffer | undefined = first; piece; piece = await this.next()) yield piece
    } catch (error) {
      this.failure = error
      throw error
    } finally {
      await this.#pieces.return?.()
    }
  }
}

/** RFC 1950: method 8, and a check that makes the first two bytes a multiple of 31. */
function hasZlibHeader(first: Buffer): boolean {
  const [method = 0, flags = 0] = first
  return (method & 0x0f) === 8 && ((method << 8) | flags) % 31 === 0
}
