import assert from 'node:assert/strict'
import { utimes, writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { unzipSync } from 'fflate'
import { zipStream } from '../../src/runner/zip.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('a zip', () => {
  test('a zip holds every file under its name, and can be smaller than they are', async () => {
    await using folder = await temporaryFolder()
    const entries = ['图.txt', 'b.txt'].map((name) => ({ name, path: folder.file(name) }))
    for (const { name, path } of entries) await writeFile(path, name.repeat(1000))
    const stored = await buffer(zipStream(entries, 0))
    const smaller = await buffer(zipStream(entries, 9))
    for (const bytes of [stored, smaller]) {
      const files = unzipSync(bytes)
      assert.deepEqual(Object.keys(files), ['图.txt', 'b.txt'])
      assert.equal(Buffer.from(files['b.txt'] ?? []).toString(), 'b.txt'.repeat(1000))
    }
    assert.ok(smaller.length < 1000 && stored.length > 10_000, `${smaller.length} and ${stored.length} bytes`)
  })

  test('a zip has the same bytes at any time and with any rights of its files', async () => {
    await using folder = await temporaryFolder()
    const [first, second] = [folder.file('first'), folder.file('second')]
    await writeFile(first, 'a cake', { mode: 0o600 })
    await writeFile(second, 'a cake', { mode: 0o644 })
    await utimes(first, new Date('2026-01-01'), new Date('2026-01-01'))
    const [a, b] = [first, second].map((path) => buffer(zipStream([{ name: 'cake', path }], 6)))
    const bytes = await a
    assert.deepEqual(bytes, await b)
    const central = bytes?.subarray(bytes.lastIndexOf('PK\x01\x02'))
    assert.equal(central?.readUInt16LE(14), 0x21, '1 January 1980')
    assert.equal((central?.readUInt32LE(38) ?? 0) >>> 16, 0o100644)
  })

  test('a zip fails if a file is missing', async () => {
    await using folder = await temporaryFolder()
    await assert.rejects(buffer(zipStream([{ name: 'a', path: folder.file('nothing') }], 0)), { code: 'ENOENT' })
  })
})
