import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import { decodeDataUri } from '../../../src/predictions/files/data-uri.ts'

const text = (uri: string) => decodeDataUri(uri).bytes.toString('latin1')

describe('a data: URI', () => {
  test('a data: URI is decoded as base64, also if that is percent-encoded or broken into lines', () => {
    assert.equal(text('data:text/plain;base64,SGVs%62G8%3D'), 'Hello')
    assert.equal(text('data:;base64,SGVs\r\nbG8='), 'Hello')
    assert.equal(text('data:;charset=utf-8;base64,_-8'), '\xff\xef')
    for (const bad of ['', '$$$', 'SGVs<'])
      assert.throws(() => decodeDataUri(`data:;base64,${bad}`), /is not valid base64/)
  })

  test('a data: URI is percent-decoded, and a percent sign that encodes nothing stays', () => {
    assert.equal(text('data:,a%20b%2Cc%zz%4%'), 'a b,c%zz%4%')
    assert.equal(text('data:,%FF%00%e4'), '\xff\x00\xe4')
    assert.equal(decodeDataUri('data:,世%E7%95%8C').bytes.toString(), '世界')
    assert.deepEqual(
      [decodeDataUri('data:,a').type, decodeDataUri('data:image/JPG;base64,AAAA').type],
      ['text/plain', 'image/jpeg'],
    )
  })

  test('decoding a data: URI of sixty megabytes of escapes takes memory in proportion to its size', () => {
    const uri = `data:text/plain,${'%41a'.repeat(15 * 2 ** 20)}`
    const before = process.memoryUsage()
    const { bytes } = decodeDataUri(uri)
    const after = process.memoryUsage()
    assert.equal(bytes.length, 30 * 2 ** 20)
    assert.ok(bytes.equals(Buffer.alloc(30 * 2 ** 20, 'Aa')))
    const grown = after.heapUsed + after.external - before.heapUsed - before.external
    assert.ok(grown < 200 * 2 ** 20, `${grown} bytes`)
  })
})
