import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { zipSync } from 'fflate'
import sharp from 'sharp'
import { inspect, type Media } from '../../../src/predictions/files/media.ts'
import { cake } from '../../fixtures/pictures.ts'
import { testFolder } from '../../support/temporary-folder.ts'

let folder: string
before(async () => {
  folder = await testFolder('media')
})

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
    test(`a file is kept if it is a WAV that was written through a pipe, with the length 0x${riff.toString(16)}`, async () => {
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
      'a playlist that claims to be a video',
      Buffer.from('#EXTM3U\na.ts\n'),
      'video/mp4',
      '',
      'application/vnd.apple.mpegurl m3u8',
    ],
    ['raw PCM sound', samples(4000), 'audio/L16', '', 'audio/l16 l16'],
    [
      'raw PCM sound that begins like an MP3',
      Buffer.concat([Buffer.of(0xff, 0xfb, 0x90, 0x64), samples(500)]),
      'audio/pcm',
      'a.pcm',
      'audio/pcm pcm',
    ],
    [
      'raw PCM sound that begins like an icon',
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
      'a file of weights',
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
    ['content of no known kind', Buffer.of(1, 2, 3), '', '', 'application/octet-stream bin'],
  ] as const) {
    test(`a file is kept if it is ${what}`, async () => {
      const media = await look(Buffer.from(bytes), type.toLowerCase(), name)
      assert.equal(kindOf(media), kind)
    })
  }

  test('a picture of any format from a real encoder is kept, also with data after its end', async () => {
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

describe('a file that begins as a format does, and is claimed to be another', () => {
  const claimed = 'audio/pcm pcm'
  const seen = async (...parts: Buffer[]) => kindOf(await look(Buffer.concat(parts), 'audio/pcm', 'a.pcm'))
  const frame = (length: number, ...header: number[]) =>
    Buffer.from([...header, ...Array(length - header.length).fill(0)])

  // By the formulas of ISO 11172-3 and 13818-3; ADTS tells its length itself.
  for (const [what, length, header, kind] of [
    ['layer III at 128 kbit/s and 44.1 kHz', 417, [0xff, 0xfb, 0x90, 0x64], 'audio/mpeg mp3'],
    ['layer III with a byte of padding', 418, [0xff, 0xfb, 0x92, 0x64], 'audio/mpeg mp3'],
    ['layer III at 320 kbit/s and 32 kHz', 1440, [0xff, 0xfb, 0xe8, 0x64], 'audio/mpeg mp3'],
    ['layer III of MPEG-2 at 64 kbit/s and 22.05 kHz', 208, [0xff, 0xf3, 0x80, 0x64], 'audio/mpeg mp3'],
    ['layer III of MPEG-2.5 at 8 kbit/s and 8 kHz', 72, [0xff, 0xe3, 0x18, 0x64], 'audio/mpeg mp3'],
    ['layer II at 192 kbit/s and 48 kHz', 576, [0xff, 0xfd, 0xa4, 0x64], 'audio/mpeg mp2'],
    ['layer II of MPEG-2 at 64 kbit/s and 24 kHz', 384, [0xff, 0xf5, 0x84, 0x64], 'audio/mpeg mp2'],
    ['layer I at 384 kbit/s and 44.1 kHz, with padding', 420, [0xff, 0xff, 0xc2, 0x64], 'audio/mpeg mp1'],
    ['layer I of MPEG-2 at 256 kbit/s and 16 kHz', 768, [0xff, 0xf7, 0xe8, 0x64], 'audio/mpeg mp1'],
    ['ADTS', 3000, [0xff, 0xf1, 0x50, 0x81, 0x77, 0x1f, 0xfc], 'audio/aac aac'],
  ] as const) {
    test(`content like MPEG audio is sound if a second frame follows: ${what}`, async () => {
      const one = frame(length, ...header)
      assert.equal(await seen(one, one), kind)
      assert.equal(await seen(one, Buffer.of(header[0], header[1] ^ 1)), kind)
      for (const cut of [one, Buffer.concat([one, one.subarray(0, 1)])]) assert.equal(await seen(cut), claimed)
      assert.equal(await seen(one, Buffer.of(header[0], header[1] ^ 2)), claimed)
      assert.equal(await seen(one, Buffer.alloc(1), one), claimed)
      assert.equal(await seen(one.subarray(0, length - 1), one), claimed)
    })
  }
  test('content with an ID3 tag is sound, whatever it claims to be', async () => {
    assert.equal(await seen(Buffer.from('ID3\x04\0\0\0\0\0\0'), mp3(1)), 'audio/mpeg mp3')
  })
  for (const [what, header] of [
    ['no bitrate', [0xff, 0xfb, 0x00, 0x64]],
    ['a bitrate that is not allowed', [0xff, 0xfb, 0xf0, 0x64]],
    ['a sample rate that is not allowed', [0xff, 0xfb, 0x9c, 0x64]],
    ['a version that is not allowed', [0xff, 0xeb, 0x90, 0x64]],
  ] as const) {
    test(`content like MPEG audio is not sound with ${what}`, async () => {
      assert.equal(await seen(Buffer.alloc(20_000, Buffer.from(header))), claimed)
    })
  }

  const icons = (kind: 1 | 2, entries: readonly (readonly [size: number, offset: number])[], length: number) => {
    const bytes = Buffer.alloc(length)
    bytes.writeUInt16LE(kind, 2)
    bytes.writeUInt16LE(entries.length, 4)
    entries.forEach(([size, offset], i) => {
      bytes.writeUInt32LE(size, 6 + 16 * i + 8)
      bytes.writeUInt32LE(offset, 6 + 16 * i + 12)
    })
    return bytes
  }
  const CURSOR = 'image/x-icon cur'
  const ICON = 'image/x-icon ico'
  test('content is an icon or a cursor only if all its pictures are after the directory and within the file', async () => {
    const two = [
      [100, 38],
      [62, 138],
    ] as const
    assert.equal(await seen(icons(1, two, 200)), ICON)
    assert.equal(await seen(icons(2, two, 200)), CURSOR)
    assert.equal(await seen(icons(1, two, 199)), claimed)
    assert.equal(
      await seen(
        icons(
          1,
          [
            [100, 37],
            [62, 138],
          ],
          200,
        ),
      ),
      claimed,
    )
    assert.equal(
      await seen(
        icons(
          1,
          [
            [100, 38],
            [62, 37],
          ],
          200,
        ),
      ),
      claimed,
    )
    assert.equal(await seen(icons(1, [], 200)), claimed)
    assert.equal(await seen(icons(1, two, 200).subarray(0, 30)), claimed)
    assert.equal(await seen(icons(1, two, 200).subarray(0, 5)), claimed)
    assert.equal(await seen(icons(1, [[0, 22]], 22)), ICON)
  })
  test('content is a font or an MPEG video only if it claims nothing else', async () => {
    const font = Buffer.concat([Buffer.of(0, 1, 0, 0, 0), samples(500)])
    const film = Buffer.concat([Buffer.of(0, 0, 1, 0xba, 0x21), samples(500)])
    for (const [bytes, name, kind] of [
      [font, 'a.ttf', 'font/ttf ttf'],
      [film, 'a.mpg', 'video/MP1S mpg'],
    ] as const) {
      assert.equal(kindOf(await look(bytes, '', name)), kind)
      assert.equal(kindOf(await look(bytes, '')), kind)
      assert.equal(await seen(bytes), claimed)
    }
  })
})

describe('the size of a picture', () => {
  test('the size of a picture is unknown if its header does not have it', async () => {
    assert.deepEqual(await look(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), ''), {
      type: 'image/svg+xml',
      extension: 'svg',
    })
  })
  test('the size of a picture is unknown if its header is invalid', async () => {
    const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 1, 0, 0])
    assert.deepEqual(await look(jpeg, ''), { type: 'image/jpeg', extension: 'jpg' })
  })
  test('the size of a JPEG is found behind a preview of 200 kB', async () => {
    const jpeg = await sharp(await cake('png'))
      .resize(64)
      .jpeg()
      .toBuffer()
    const segment = Buffer.concat([Buffer.of(0xff, 0xe1, 0xff, 0xff), Buffer.alloc(0xfffd)])
    const bytes = Buffer.concat([jpeg.subarray(0, 2), segment, segment, segment, jpeg.subarray(2)])
    assert.deepEqual(await look(bytes, ''), { type: 'image/jpeg', extension: 'jpg', width: 64, height: 64 })
  })
})

describe('a file is refused', () => {
  for (const [what, page, start] of [
    ['JSON', '{"error":"gone"}', ': it begins with "{\\"error\\":\\"gone\\"}"'],
    ['a long web page', `<html>\n${'x'.repeat(100)}`, `: it begins with "<html>\\n${'x'.repeat(53)}"`],
  ] as const) {
    test(`an error about ${what} in place of a picture quotes its start`, async () => {
      assert.equal(await look(Buffer.from(page), 'image/png'), `it is not the image/png that it claims to be${start}`)
    })
  }

  test('an error about a wrong file does not quote a start that is not printable ASCII', async () => {
    for (const page of ['文件不存在', '{"error":"gone\x1b[31m"}'])
      assert.equal(await look(Buffer.from(page), 'image/png'), 'it is not the image/png that it claims to be')
  })

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
    ['a web page in place of a vector picture', Buffer.from(html), 'text/html', 'a.svg'],
    ['a web page in place of subtitles', Buffer.from(`\n<!-- x -->${html}`), 'text/html', 'a.srt'],
    ['a web page in place of a model', Buffer.from('<HTML lang="en">'), 'application/xhtml+xml', 'a.obj'],
    ['a web page in place of text', Buffer.from(html), 'text/html', 'a.txt'],
    ['a web page in place of JSON', Buffer.from(html), 'text/html', 'a.geojson'],
    ['JSON in place of a vector picture', Buffer.from('{"error":"gone"}'), 'application/json', 'a.svg'],
    ['JSON in place of a table', Buffer.from(' {"error":"gone"}'), 'application/problem+json', 'a.csv'],
  ] as const) {
    test(`a file is refused if it is ${what}`, async () => {
      assert.match(String(await look(Buffer.from(bytes), type, name)), /^it is not the .* that it claims to be/)
    })
  }

  test('a file is not refused for its content type if its name or its content is text', async () => {
    for (const [bytes, type, name, kind] of [
      [html, 'text/html', 'a.html', 'text/html html'],
      [html, 'text/html', 'a.php', 'text/html html'],
      [html, 'text/plain', 'a.txt', 'text/plain txt'],
      ['{"a":1}', 'application/json', 'a.txt', 'application/json json'],
      ['{"a":1}', 'application/json', 'a.gltf', 'application/json gltf'],
      ['[1]', 'application/json', 'a.csv', 'application/json json'],
      ['{"a":1}', 'text/html', 'a.json', 'application/json json'],
      ['{"a":1}', 'text/html', 'a.txt', 'text/plain txt'],
      ['1\n00:00:01,000 --> 00:00:02,000\nHi', 'text/html', 'a.srt', 'application/octet-stream srt'],
      ['a,b', 'text/html', 'a.csv', 'text/csv csv'],
      ['a,b', 'text/html', '', 'text/html html'],
      [html, 'application/json', 'a.svg', 'application/json json'],
    ] as const) {
      assert.equal(kindOf(await look(Buffer.from(bytes), type, name)), kind, `${type} ${name}`)
    }
  })

  test('an empty file in place of a picture is refused', async () => {
    assert.equal(await look(Buffer.alloc(0), 'image/png'), 'it is empty')
  })

  test('a picture that breaks off anywhere is refused', async () => {
    const picture = sharp(await cake('png')).resize(64)
    for (const format of ['png', 'jpeg', 'webp', 'gif', 'avif'] as const) {
      const bytes = await picture.clone().toFormat(format).toBuffer()
      for (const part of [0.5, 0.9, 0.99]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * part))
        assert.match(String(await look(cut, `image/${format}`)), /^it is incomplete/, `${format} ${part}`)
      }
    }
  })

  test('a JPEG that breaks off after a whole preview is refused', async () => {
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

  test('a WAV shorter than its header says is refused if the server did not send the length', async () => {
    assert.equal(kindOf(await look(wav(8036, 8000), 'audio/wav', '', false)), 'audio/wav wav')
    assert.match(String(await look(wav(9000, 8964), 'audio/wav', '', false)), /it is incomplete/)
    assert.equal(kindOf(await look(wav(0x7fff0000, 0), 'audio/wav', '', false)), 'audio/wav wav')
    assert.match(String(await look(wav(0x7ffeffff, 0), 'audio/wav', '', false)), /it is incomplete/)
  })
})
