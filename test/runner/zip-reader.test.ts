import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { zipSync } from 'fflate'
import { readZipEntries } from '../../src/runner/zip-reader.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const bytes = (content: string) => new TextEncoder().encode(content)

test('the entries of a zip have the names and bytes that were zipped, compressed or not', async () => {
  await using folder = await temporaryFolder()
  const file = path.join(folder.path, 'a.zip')
  const contents = { 'a.txt': 'a'.repeat(10_000), '图片.txt': 'b', empty: '' }
  for (const level of [0, 9] as const) {
    await writeFile(
      file,
      zipSync(Object.fromEntries(Object.entries(contents).map(([n, c]) => [n, bytes(c)])), { level }),
    )
    const entries = await readZipEntries(file)
    const read = await Promise.all(entries.map(async ({ name, open }) => [name, await text(await open())]))
    assert.deepEqual(Object.fromEntries(read), contents)
    assert.deepEqual(
      entries.map(({ size }) => size),
      [10_000, 1, 0],
    )
  }
})

test('a file that is not a zip, is cut off or has a damaged directory is an error', async () => {
  await using folder = await temporaryFolder()
  const file = path.join(folder.path, 'a.zip')
  const whole = Buffer.from(zipSync({ 'a.txt': bytes('a') }))
  for (const broken of ['', 'text', whole.subarray(0, whole.length - 10), whole.subarray(40)]) {
    await writeFile(file, broken)
    await assert.rejects(readZipEntries(file), /zip/)
  }
})

test('a zip may have comments of any length and extra fields', async () => {
  await using folder = await temporaryFolder()
  const file = folder.file('a.zip')
  const extra = { 30583: new Uint8Array([1, 2, 3]) }
  const plain = Buffer.from(
    zipSync({ 'a.txt': [bytes('abc'), { extra, comment: 'of an entry' }], 'b.txt': bytes('d') }),
  )
  for (const length of [0, 5, 65_535]) {
    plain.writeUInt16LE(length, plain.length - 2)
    await writeFile(file, Buffer.concat([plain, Buffer.alloc(length, 'x')]))
    const entries = await readZipEntries(file)
    assert.deepEqual(await Promise.all(entries.map(async ({ name, open }) => [name, await text(await open())])), [
      ['a.txt', 'abc'],
      ['b.txt', 'd'],
    ])
  }
})

/** Zips a text without packing it, changes a byte after each signature of a kind, and reads the entry. */
async function readChanged(signature: string, at: number, byte: number): Promise<string> {
  await using folder = await temporaryFolder()
  const file = folder.file('a.zip')
  const zip = Buffer.from(zipSync({ 'a.txt': bytes('abc') }, { level: 0 }))
  zip[zip.indexOf(signature, 0, 'latin1') + at] = byte
  await writeFile(file, zip)
  const [entry] = await readZipEntries(file)
  assert.ok(entry)
  return await text(await entry.open())
}

test('a zip that contradicts its own directory is an error', async () => {
  const [local, central, end] = ['PK\x03\x04', 'PK\x01\x02', 'PK\x05\x06']
  assert.equal(await readChanged(central, 6, 20), 'abc')
  await assert.rejects(readChanged(central, 10, 99), /^Error: the zip has an entry with compression method 99$/)
  await assert.rejects(readChanged(central, 42, 1), /^Error: the zip has no entry at the offset in its directory$/)
  await assert.rejects(readChanged(local, 0, 0), /^Error: the zip has no entry at the offset in its directory$/)
  await assert.rejects(readChanged(central, 0, 0), /^Error: the zip has a damaged directory$/)
  await assert.rejects(readChanged(end, 15, 0x7f), /^Error: the zip has an unsupported format$/)
  await assert.rejects(readChanged(end, 19, 0x7f), /^Error: the zip has an unsupported format$/)
  await assert.rejects(readChanged(central, 10, 8), /invalid|unexpected|incorrect/)
})

test('a file without a valid end record is not a zip, even if it has the signature at its end', async () => {
  await using folder = await temporaryFolder()
  for (const content of ['', 'x'.repeat(100_000), 'PK\x05\x06', `${'x'.repeat(50)}PK\x05\x06 cut off`]) {
    await writeFile(folder.file('a.zip'), content, 'latin1')
    await assert.rejects(readZipEntries(folder.file('a.zip')), /^Error: the file is not a zip$/)
  }
})
