import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { zipSync } from 'fflate'
import sharp from 'sharp'
import { inspect, type Media } from '../../../src/predictions/files/media.ts'
import { cake } from '../../fixtures/pictures.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'media-'))
})
after(() => rm(folder, { recursive: true }))

/** What is found out about bytes that are claimed to be something. */
async function look(bytes: Buffer, type: string, name = '', lengthKnown = true): Promise<Media | string> {
  const file = await open(path.join(folder, 'file'), 'w+')
  try {
    await file.write(bytes)
    return await inspect(file, bytes.length, { type, names: name === '' ? [] : [name] }, lengthKnown)
  } catch (error) {
    return (error as Error).message
  } finally {
    await file.close()
  }
}
const kindOf = (media: Media | string) => (typeof media === 'string' ? media : `${media.type} ${media.extension}`)

/** Sound, 16 bit, mono. */
const samples = (count: number) => {
  const bytes = Buffer.alloc(count * 2)
  for (let i = 0; i < count; i++) bytes.writeInt16LE(Math.round(12_000 * Math.sin(i / 9)), i * 2)
  return bytes
}

/** A RIFF WAVE file whose writer put these lengths into it. */
function wav(riff: number, data: number): Buffer {
  const head = Buffer.alloc(44)
  head.write('RIFF\0\0\0\0WAVEfmt ', 0, 'latin1')
  head.writeUInt32LE(riff, 4)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(16_000, 24)
  head.writeUInt32LE(32_000, 28)
  head.writeUInt16LE(2, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(data, 40)
  return Buffer.concat([head, samples(4000)])
}

/** Frames of MPEG-1 layer III, 128 kbit/s, 44.1 kHz, that hold nothing. */
const mp3 = (frames = 20) => {
  const frame = Buffer.alloc(417)
  Buffer.of(0xff, 0xfb, 0x90, 0x64).copy(frame)
  return Buffer.concat(Array.from({ length: frames }, () => frame))
}

/** An OpenEXR file: magic, version, an attribute and what could be pixels. */
const exr = Buffer.concat([
  Buffer.of(0x76, 0x2f, 0x31, 0x01, 2, 0, 0, 0),
  Buffer.from('channels\0chlist\0'),
  samples(500),
])
const hdr = Buffer.concat([
  Buffer.from('#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 16 +X 16\n'),
  Buffer.from(Array.from({ length: 1024 }, (_, i) => (i * 7) % 256)),
])
const pgm = Buffer.concat([Buffer.from('P5\n16 16\n255\n'), Buffer.alloc(256, 'A')])
/** Uncompressed true color, 16 by 16; begins as a cursor of Windows does. */
const tga = Buffer.concat([Buffer.of(0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 16, 0, 24, 0), Buffer.alloc(768, 7)])

describe('a file is kept', () => {
  for (const [riff, data] of [
    [0x7ffff024, 0x7ffff000],
    [0x7fffffff, 0x7fffffff],
    [0x80000024, 0x80000000],
    [0xffffffff, 0xffffffff],
    [0, 0],
    [36, 0],
    [1_000_000_000, 999_999_964],
  ] as const) {
    test(`if it is a WAV that was written through a pipe, of 0x${riff.toString(16)} bytes by its head`, async () => {
      assert.equal(kindOf(await look(wav(riff, data), 'audio/wav')), 'audio/wav wav')
    })
  }

  for (const [what, bytes, type, name, kind] of [
    ['an EXR', exr, 'image/x-exr', 'a.exr', 'image/x-exr exr'],
    ['an EXR of no content type', exr, 'application/octet-stream', 'a.exr', 'image/x-exr exr'],
    ['a Radiance picture', hdr, 'image/vnd.radiance', '', 'image/vnd.radiance hdr'],
    ['a PGM whose pixels are letters', pgm, 'image/x-portable-graymap', '', 'image/x-portable-graymap pgm'],
    [
      'a PGM in ASCII',
      Buffer.from('P2\n2 1\n255\n0 255\n'),
      'image/x-portable-graymap',
      '',
      'image/x-portable-graymap pgm',
    ],
    ['a TGA', tga, 'image/x-tga', 'a.tga', 'image/x-tga tga'],
    ['a TGA of no content type', tga, 'application/octet-stream', 'a.tga', 'image/x-targa tga'],
    ['an MP3', mp3(), 'audio/mpeg', '', 'audio/mpeg mp3'],
    ['an MP3 of no content type', mp3(), '', 'a.bin', 'audio/mpeg mp3'],
    ['an MP3 behind zero bytes', Buffer.concat([Buffer.alloc(731), mp3()]), 'audio/mpeg', 'a.mp3', 'audio/mpeg mp3'],
    [
      'a playlist',
      Buffer.from('#EXTM3U\n#EXTINF:1,\na.ts\n'),
      'audio/x-mpegurl',
      '',
      'application/vnd.apple.mpegurl m3u8',
    ],
    [
      'a playlist that is called a video',
      Buffer.from('#EXTM3U\na.ts\n'),
      'video/mp4',
      '',
      'application/vnd.apple.mpegurl m3u8',
    ],
    ['sound without a head', samples(4000), 'audio/L16', '', 'audio/l16 l16'],
    [
      'sound without a head that begins as MP3 does',
      Buffer.concat([Buffer.of(0xff, 0xfb, 0x90, 0x64), samples(500)]),
      'audio/pcm',
      'a.pcm',
      'audio/pcm pcm',
    ],
    [
      'sound without a head that begins as an icon does',
      Buffer.concat([Buffer.of(0, 0, 1, 0), samples(500)]),
      'audio/pcm',
      'a.raw',
      'audio/pcm raw',
    ],
    [
      'an SVG in place of a PNG',
      Buffer.from('<?xml version="1.0"?>\n<!-- a --><svg xmlns="x"/>'),
      'image/png',
      '',
      'image/svg+xml svg',
    ],
    [
      'weights',
      Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"a":1} ')]),
      '',
      'lora.safetensors',
      'application/octet-stream safetensors',
    ],
    ['a tar.gz', gzipSync('tar'), 'application/gzip', 'a.tar.gz', 'application/gzip tar.gz'],
    [
      'a checkpoint, which is a zip',
      Buffer.from(zipSync({ a: Buffer.from('a') })),
      '',
      'model.pth',
      'application/zip pth',
    ],
    ['glTF, which is JSON', Buffer.from('{"asset":{}}'), 'application/json', 'a.gltf', 'application/json gltf'],
    ['an OBJ', Buffer.from('v 0 0 0\n'), 'text/plain', 'mesh.obj', 'text/plain obj'],
    ['JSON', Buffer.from('{}'), 'application/json', 'a.dat', 'application/json json'],
    ['text', Buffer.from('Hello'), 'text/plain', '', 'text/plain txt'],
    ['nothing that anybody knows', Buffer.of(1, 2, 3), '', '', 'application/octet-stream bin'],
  ] as const) {
    test(`if it is ${what}`, async () => {
      const media = await look(Buffer.from(bytes), type.toLowerCase(), name)
      assert.equal(kindOf(media), kind)
    })
  }

  test('in every format of a real encoder, also with data behind its end', async () => {
    const picture = sharp(await cake('png')).resize(64)
    for (const [format, extension] of [
      ['png', 'png'],
      ['jpeg', 'jpg'],
      ['webp', 'webp'],
      ['gif', 'gif'],
      ['tiff', 'tif'],
      ['avif', 'avif'],
    ] as const) {
      const bytes = await picture.clone().toFormat(format).toBuffer()
      const tail = Buffer.alloc(100_000, 0x41)
      for (const each of [bytes, Buffer.concat([bytes, tail])]) {
        const media = await look(each, `image/${format}`)
        assert.equal(typeof media === 'string' ? media : media.extension, extension)
        if (typeof media !== 'string') assert.deepEqual([media.width, media.height], [64, 64], format)
      }
    }
  })
})

describe('a file is refused', () => {
  const html = '<!doctype html><title>Just a moment…</title>'
  for (const [what, bytes, type, name] of [
    ['a web page in place of a picture', Buffer.from(html), 'image/png', ''],
    ['a web page in place of a video, by its name', Buffer.from(html), 'text/html', 'a.mp4'],
    ['a web page in place of weights', Buffer.from(html), '', 'a.safetensors'],
    ['a web page in UTF-16', Buffer.from(`\uFEFF${html}`, 'utf16le'), 'image/webp', ''],
    [
      'a web page in GBK',
      Buffer.concat([Buffer.from('<html><title>'), Buffer.of(0xb4, 0xed, 0xce, 0xf3)]),
      'image/webp',
      '',
    ],
    ['JSON in place of a sound', Buffer.from('{"error":"gone"}'), 'audio/mpeg', ''],
    [
      'XML in place of a picture',
      Buffer.from('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
      'image/jpeg',
      '',
    ],
    ['text in place of a picture', Buffer.from('文件不存在'), '', 'a.jpg'],
  ] as const) {
    test(`if it is ${what}`, async () => {
      assert.match(String(await look(Buffer.from(bytes), type, name)), /^it is not the .* that it claims to be/)
    })
  }

  test('if it is empty in place of a picture', async () => {
    assert.equal(await look(Buffer.alloc(0), 'image/png'), 'it is empty')
  })

  test('if it breaks off, wherever that is', async () => {
    const picture = sharp(await cake('png')).resize(64)
    for (const format of ['png', 'jpeg', 'webp', 'gif', 'avif'] as const) {
      const bytes = await picture.clone().toFormat(format).toBuffer()
      for (const part of [0.5, 0.9, 0.99]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * part))
        assert.match(String(await look(cut, `image/${format}`)), /^it is incomplete/, `${format} ${part}`)
      }
    }
  })

  test('if it is a JPEG that breaks off behind a whole preview', async () => {
    const preview = await sharp(await cake('png'))
      .resize(32)
      .jpeg()
      .toBuffer()
    const bytes = await cake('jpeg')
    const segment = Buffer.alloc(4)
    segment.writeUInt16BE(0xffe1, 0)
    segment.writeUInt16BE(preview.length + 2, 2)
    const whole = Buffer.concat([bytes.subarray(0, 2), segment, preview, bytes.subarray(2)])
    assert.equal(kindOf(await look(whole, 'image/jpeg')), 'image/jpeg jpg')
    assert.match(String(await look(whole.subarray(0, whole.length - 100), 'image/jpeg')), /it is incomplete/)
  })

  test('if it is a WAV shorter than its head says, and the server did not tell the length', async () => {
    assert.equal(kindOf(await look(wav(8036, 8000), 'audio/wav', '', false)), 'audio/wav wav')
    assert.match(String(await look(wav(9000, 8964), 'audio/wav', '', false)), /it is incomplete/)
    assert.equal(kindOf(await look(wav(0x7fff0000, 0), 'audio/wav', '', false)), 'audio/wav wav')
    assert.match(String(await look(wav(0x7ffeffff, 0), 'audio/wav', '', false)), /it is incomplete/)
  })
})
