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
  const packings: [encoding: string, pack: (bytes: Buffer) => Buffer][] = [
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
    ['gzip, br', (bytes) => brotliCompressSync(gzipSync(bytes))],
    ['identity, gzip', gzipSync],
    ['identity', (bytes) => bytes],
    ['', (bytes) => bytes],
  ]
  for (const [encoding, pack] of packings) {
    test(`packed by ${pack.name || 'two packers'} as "${encoding}" is unpacked`, async () => {
      assert.deepEqual(await unpack(pack(TEXT), encoding), TEXT)
    })
  }
  for (const [encoding, pack] of packings.slice(0, -3)) {
    test(`packed by ${pack.name || 'two packers'} as "${encoding}" is damaged if it is cut off`, async () => {
      await assert.rejects(unpack(pack(TEXT).subarray(0, -9), encoding), UnpackError)
    })
  }

  test('without headers about it comes as it is', async () => {
    assert.deepEqual(await unpack(TEXT, undefined), TEXT)
  })

  test('that is empty needs no unpacking', async () => {
    for (const encoding of ['gzip', 'br', 'zstd', 'deflate'])
      assert.equal((await unpack(Buffer.alloc(0), encoding)).length, 0)
  })

  test('that is not what its headers say is damaged, and the message names the packing', async () => {
    for (const encoding of ['gzip', 'br', 'zstd', 'deflate'])
      await assert.rejects(
        unpack(TEXT, encoding),
        (error) => error instanceof UnpackError && error.message.includes(encoding),
      )
  })

  test('packed in an unknown way, or four times, is refused', async () => {
    await assert.rejects(unpack(TEXT, 'compress'), /not supported \(compress\)/)
    await assert.rejects(unpack(TEXT, 'gzip, gzip, gzip, gzip'), /compressed 4 times/)
  })

  test('that is huge when unpacked comes piece by piece, and is given up when the reader has enough', async () => {
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

  test('whose connection breaks fails with that fault, not with one of the packing', async () => {
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
