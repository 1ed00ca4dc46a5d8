import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { FileHandle } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { zipSync } from 'fflate'
import { isWhole } from '../../../src/predictions/files/whole.ts'

/** A file in memory. */
const fileOf = (bytes: Buffer) =>
  ({
    read: async (into: Buffer, offset: number, length: number, position: number) => {
      const part = bytes.subarray(position, position + length)
      into.set(part, offset)
      return { bytesRead: part.length, buffer: into }
    },
  }) as unknown as Pick<FileHandle, 'read'>

const whole = (extension: string, bytes: Buffer, lengthKnown = false) =>
  isWhole(fileOf(bytes), bytes.length, extension, lengthKnown)

const latin = (text: string) => Buffer.from(text, 'latin1')
const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const TAIL = Buffer.alloc(100, 'A')
/** As many parts as are looked at. */
const MANY = 200_000

/** The lengths at which a file that is cut off there counts as whole. */
async function wholeCuts(extension: string, bytes: Buffer): Promise<number[]> {
  const lengths = Array.from(bytes.keys())
  const verdicts = await Promise.all(lengths.map((length) => whole(extension, bytes.subarray(0, length))))
  return lengths.filter((length) => verdicts[length])
}

describe('a PNG', () => {
  const chunk = (type: string, data = '') => Buffer.concat([uint32(data.length), latin(type), latin(data), uint32(0)])
  const signature = latin('\x89PNG\r\n\x1a\n')
  const png = Buffer.concat([signature, chunk('IHDR', 'x'.repeat(13)), chunk('IDAT', 'IEND'), chunk('IEND')])

  test('a PNG is complete after its IEND chunk and nowhere before', async () => {
    for (const extension of ['png', 'apng']) {
      assert.equal(await whole(extension, png), true)
      assert.equal(await whole(extension, Buffer.concat([png, TAIL])), true)
      assert.deepEqual(await wholeCuts(extension, png), [])
    }
  })
  test('a PNG counts as complete if it has more chunks than are checked', async () => {
    const chunks = (count: number) => Buffer.concat([signature, Buffer.alloc(12 * count)])
    assert.equal(await whole('png', chunks(MANY)), true)
  })
})

describe('a binary glTF', () => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(40)
  const glb = Buffer.concat([latin('glTF\x02\0\0\0'), length, Buffer.alloc(28)])

  test('a binary glTF is complete at the length in its header', async () => {
    assert.equal(await whole('glb', glb, true), true)
    assert.equal(await whole('glb', Buffer.concat([glb, TAIL])), true)
    assert.deepEqual(await wholeCuts('glb', glb), [])
  })
})

describe('a zip', () => {
  const zip = Buffer.from(zipSync({ a: Buffer.from('PK\x05'), b: Buffer.alloc(3) }))

  test('a zip is complete after its end record and nowhere before', async () => {
    const cuts = await wholeCuts('zip', zip)
    const record = zip.indexOf('PK\x05\x06')
    assert.ok(
      cuts.every((length) => length >= record + 4),
      cuts.join(),
    )
    for (const extension of ['zip', 'epub', 'docx', 'xlsx', 'pptx', '3mf']) {
      assert.equal(await whole(extension, zip), true)
      assert.equal(await whole(extension, zip.subarray(0, record), true), false)
    }
  })
  test('a zip may have any data after its end', async () => {
    assert.equal(await whole('zip', Buffer.concat([zip, TAIL])), true)
    assert.equal(await whole('zip', Buffer.concat([zip, Buffer.alloc(300_000)])), true)
  })
})

describe('a JPEG', () => {
  const start = Buffer.of(0xff, 0xd8)
  const end = Buffer.of(0xff, 0xd9)
  const segment = (marker: number, data: Buffer) => Buffer.concat([Buffer.of(0xff, marker, 0, data.length + 2), data])
  const scan = (data: Buffer) => Buffer.concat([segment(0xda, Buffer.alloc(10)), data])

  test('a JPEG is complete after the end of its picture, not after that of a preview', async () => {
    const preview = segment(0xe1, Buffer.concat([start, end]))
    const jpeg = Buffer.concat([start, preview, Buffer.of(0xff), segment(0xdb, TAIL), scan(TAIL), end])
    assert.equal(await whole('jpg', jpeg), true)
    assert.equal(await whole('jpg', Buffer.concat([jpeg, TAIL])), true)
    assert.deepEqual(await wholeCuts('jpg', jpeg), [])
  })
  test('the end of a JPEG is found anywhere in a picture that is read in several windows', async () => {
    for (let length = 131_000; length < 131_090; length++) {
      const picture = Buffer.concat([start, scan(Buffer.alloc(length)), end])
      assert.equal(await whole('jpg', picture), true, `${length}`)
    }
    assert.equal(await whole('jpg', Buffer.concat([start, scan(Buffer.alloc(131_072)), Buffer.of(0xff)])), false)
  })
  test('a JPEG with invalid segments counts as complete', async () => {
    const strange = [
      [0, 0, 0, 0],
      [...end, 0, 0],
      [0xff, 0xe1, 0, 1],
      [0xff, 0xe1, 0, 0],
    ]
    for (const bytes of strange) assert.equal(await whole('jpg', Buffer.from([...start, ...bytes])), true)
    assert.equal(await whole('jpg', Buffer.from([...start, 0xff, 0xe1, 0, 2])), false)
  })
  test('a JPEG counts as complete if it has more segments than are checked', async () => {
    const segments = (count: number) =>
      Buffer.concat([start, Buffer.alloc(4 * count, Buffer.of(0xff, 0xe1, 0, 2)), Buffer.of(0xff)])
    assert.equal(await whole('jpg', segments(MANY)), true)
  })
})

describe('a GIF', () => {
  const blocks = (...lengths: number[]) =>
    Buffer.concat([...lengths.map((length) => Buffer.from([length, ...Array(length).fill(0x3b)])), Buffer.of(0)])
  const head = (flags: number) => Buffer.concat([latin('GIF89a'), Buffer.of(1, 0, 1, 0, flags, 0, 0)])
  const image = (flags: number) => Buffer.concat([Buffer.of(0x2c, 0, 0, 0, 0, 1, 0, 1, 0, flags)])
  const trailer = Buffer.of(0x3b)

  test('a GIF is complete only between two of its blocks, because some writers omit the trailer', async () => {
    // Color tables of 4 and of 8 colors; behind that of the image stands the size of its codes.
    const first = Buffer.concat([head(0x81), Buffer.alloc(3 * 4)])
    const comment = Buffer.concat([Buffer.of(0x21, 0xfe), blocks(5, 255)])
    const picture = Buffer.concat([image(0x82), Buffer.alloc(3 * 8), Buffer.of(2), blocks(200, 1)])
    const other = Buffer.concat([image(0x02), Buffer.of(2), blocks(3)])
    const parts = [first, comment, picture, other]
    const ends = parts.map((_, i) => Buffer.concat(parts.slice(0, i + 1)).length)
    const gif = Buffer.concat([...parts, trailer])
    assert.deepEqual(await wholeCuts('gif', gif), ends)
    assert.equal(await whole('gif', gif), true)
    assert.equal(await whole('gif', Buffer.concat([gif, TAIL])), true)
  })
  test('a GIF has no color table unless its header says so', async () => {
    assert.deepEqual(await wholeCuts('gif', Buffer.concat([head(0x07), trailer])), [13])
  })
  test('a GIF counts as complete if it has more parts than are checked', async () => {
    const cut = (pieces: number) =>
      Buffer.concat([head(0), Buffer.of(0x21, 0xfe), Buffer.alloc(2 * pieces, Buffer.of(1, 0x3b))])
    assert.equal(await whole('gif', cut(MANY)), true)
  })
})

describe('a RIFF file', () => {
  const riff = (length: number, size: number) => {
    const bytes = Buffer.alloc(size, 'x')
    bytes.write('RIFF', 'latin1')
    if (size >= 8) bytes.writeUInt32LE(length, 4)
    return bytes
  }
  test('a RIFF file is complete at the length in its header, with or without the byte of padding', async () => {
    const lengths = [91, 92, 93, 94, 1000]
    const verdicts = await Promise.all(lengths.map((length) => whole('webp', riff(length, 100))))
    assert.deepEqual(verdicts, [true, true, true, false, false])
  })
  test('a RIFF file without a whole header is incomplete', async () => {
    assert.equal(await whole('webp', riff(0, 11)), false)
    assert.equal(await whole('webp', riff(0, 12)), true)
  })
  test('a RIFF file is complete if its writer did not know the length', async () => {
    for (const length of [0, 0x7fff_0000, 0x7fff_ffff, 0xffff_ffff])
      assert.equal(await whole('webp', riff(length, 100)), true, String(length))
    assert.equal(await whole('webp', riff(0x7ffe_ffff, 100)), false)
  })
  test('a WAV or an AVI is complete if the server sent the length of the file', async () => {
    for (const extension of ['wav', 'avi']) {
      assert.equal(await whole(extension, riff(1000, 100), true), true)
      assert.equal(await whole(extension, riff(1000, 100), false), false)
    }
    assert.equal(await whole('webp', riff(1000, 100), true), false)
  })
})

describe('a film of boxes', () => {
  const box = (type: string, data: Buffer) => Buffer.concat([uint32(8 + data.length), latin(type), data])
  const largeBox = (type: string, data: Buffer) =>
    Buffer.concat([uint32(1), latin(type), uint32(0), uint32(16 + data.length), data])
  const ftyp = box('ftyp', latin('isom'))

  test('an MP4 is complete where a box ends, and within the length or type of a box after the data', async () => {
    for (const mdat of [box('mdat', TAIL), largeBox('mdat', TAIL)]) {
      const moov = ftyp.length + mdat.length
      const cuts = await wholeCuts('mp4', Buffer.concat([ftyp, mdat, box('moov', TAIL)]))
      assert.deepEqual(cuts, [0, ftyp.length, ...Array.from({ length: 8 }, (_, i) => moov + i)])
    }
  })
  test('an MP4 is complete before data that is no box, and if its last box extends to the end', async () => {
    for (const rest of [TAIL, box('what', TAIL), Buffer.concat([uint32(0), latin('mdat'), TAIL])])
      assert.equal(await whole('mp4', Buffer.concat([ftyp, rest])), true)
    for (const length of [2, 7])
      assert.equal(await whole('mp4', Buffer.concat([ftyp, uint32(length), latin('mdat')])), true, String(length))
  })
  test('every extension of the MP4 family is checked', async () => {
    for (const extension of ['mp4', 'mov', 'm4a', 'm4v', 'avif', 'heic'])
      assert.equal(await whole(extension, box('mdat', TAIL).subarray(0, 50)), false, extension)
  })
  test('an MP4 counts as complete if it has more boxes than are checked', async () => {
    const cut = (count: number) =>
      Buffer.concat([Buffer.alloc(8 * count, box('free', Buffer.alloc(0))), box('mdat', TAIL).subarray(0, 50)])
    assert.equal(await whole('mp4', cut(MANY)), true)
  })
})

test('a file of another format counts as complete wherever it ends', async () => {
  for (const extension of ['bin', 'mp3', 'webm', 'txt']) assert.equal(await whole(extension, Buffer.alloc(1)), true)
})
