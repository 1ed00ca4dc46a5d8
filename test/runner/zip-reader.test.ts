import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { zipSync } from 'fflate'
import { readZipEntries } from '../../src/runner/zip-reader.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const bytes = (content: string) => new TextEncoder().encode(content)

test('the entries of a zip have the names and bytes that were zipped, packed or not', async () => {
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

test('a file that is no zip, is cut off or has a broken directory is an error', async () => {
  await using folder = await temporaryFolder()
  const file = path.join(folder.path, 'a.zip')
  const whole = Buffer.from(zipSync({ 'a.txt': bytes('a') }))
  for (const broken of ['', 'text', whole.subarray(0, whole.length - 10), whole.subarray(40)]) {
    await writeFile(file, broken)
    await assert.rejects(readZipEntries(file), /zip/)
  }
})
