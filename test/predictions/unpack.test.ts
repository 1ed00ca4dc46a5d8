import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { UnpackError, unpacked } from '../../src/predictions/unpack.ts'
import { eventually } from '../support/eventually.ts'

const TEXT = Buffer.from('{"id":"abc","logs":"0123456789 "}'.repeat(5000))

/** Comes in pieces of seven bytes first, so that no decision can rest on a large first piece. */
const pieces = (bytes: Buffer) => [bytes.subarray(0, 7), bytes.subarray(7, 9), bytes.subarray(9)]

async function unpack(packed: Buffer, encoding: string | undefined): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of unpacked(pieces(packed), { 'content-encoding': encoding })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('a body', () => {
  const packings: [format: string, encoding: string, pack: (bytes: Buffer) => Buffer][] = [
    ['gzip', 'gzip', gzipSync],
    ['gzip', 'x-gzip', gzipSync],
    ['gzip', 'GZIP', gzipSync],
    ['zlib', 'deflate', deflateSync],
    ['raw deflate', 'deflate', deflateRawSync],
    ['Brotli', 'br', brotliCompressSync],
    ['Zstandard', 'zstd', zstdCompressSync],
    ['gzip in Brotli', 'gzip, br', (bytes) => brotliCompressSync(gzipSync(bytes))],
    ['gzip', 'identity, gzip', gzipSync],
    ['plain text', 'identity', (bytes) => bytes],
    ['plain text', '', (bytes) => bytes],
  ]
  for (const [format, encoding, pack] of packings) {
    test(`a body in ${format} with the content encoding "${encoding}" is decoded`, async () => {
      assert.deepEqual(await unpack(pack(TEXT), encoding), TEXT)
    })
  }
  for (const [format, encoding, pack] of packings.slice(0, -3)) {
    test(`a body in ${format} with the content encoding "${encoding}" is damaged if it is cut off`, async () => {
      await assert.rejects(unpack(pack(TEXT).subarray(0, -9), encoding), UnpackError)
    })
  }

  test('a body without a content encoding stays as it is', async () => {
    assert.deepEqual(await unpack(TEXT, undefined), TEXT)
  })

  test('a body whose content encoding names no compression stays as it is', async () => {
    for (const encoding of ['none', 'binary', 'utf-8', 'UTF8', 'aws-chunked', 'aws-chunked, identity'])
      assert.deepEqual(await unpack(TEXT, encoding), TEXT, encoding)
  })

  test('a body in raw deflate that has one of the two marks of zlib is decoded', async () => {
    /** A stored block (RFC 1951, 3.2.4): three bits that matter, then the length and its complement. */
    const block = (first: number, text: string) =>
      Buffer.from([first, text.length, 0, ~text.length & 0xff, 0xff, ...Buffer.from(text)])
    const methodOnly = Buffer.concat([block(0x08, 'hello'), block(0x01, '')])
    assert.equal(String(await unpack(methodOnly, 'deflate')), 'hello')
    const checkOnly = block(0x01, 'x'.repeat(23))
    assert.equal(checkOnly.readUInt16BE(0) % 31, 0)
    assert.equal(String(await unpack(checkOnly, 'deflate')), 'x'.repeat(23))
  })

  test('an empty body is not decompressed', async () => {
    for (const encoding of ['gzip', 'br', 'zstd', 'deflate'])
      assert.equal((await unpack(Buffer.alloc(0), encoding)).length, 0)
  })

  test('an error about a body that is not encoded as its headers say names the encoding', async () => {
    for (const encoding of ['gzip', 'br', 'zstd', 'deflate'])
      await assert.rejects(
        unpack(TEXT, encoding),
        (error) => error instanceof UnpackError && error.message.includes(encoding),
      )
  })

  test('a body in an unknown encoding, or encoded four times, is refused', async () => {
    await assert.rejects(unpack(TEXT, 'compress'), /not supported \(compress\)/)
    await assert.rejects(unpack(TEXT, 'gzip, gzip, gzip, gzip'), /compressed 4 times/)
  })

  test('a body that is huge when decompressed comes in pieces, and is no longer read when the reader stops', async () => {
    const bomb = Readable.from(pieces(gzipSync(Buffer.alloc(2 ** 27))))
    let size = 0
    for await (const chunk of unpacked(bomb, { 'content-encoding': 'gzip' })) {
      assert.ok(chunk.length <= 2 ** 16)
      size += chunk.length
      if (size > 2 ** 20) break
    }
    assert.ok(size < 2 ** 21)
    await eventually('the end of the source', () => bomb.destroyed)
  })

  test('a body whose connection breaks fails with the network error, not with one of the encoding', async () => {
    const fault = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
    async function* broken() {
      yield gzipSync(TEXT).subarray(0, 50)
      throw fault
    }
    await assert.rejects(async () => {
      for await (const _ of unpacked(broken(), { 'content-encoding': 'gzip' }));
    }, fault)
  })
})
