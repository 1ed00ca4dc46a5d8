import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { createTextStore } from '../../src/runner/text-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('a store of texts', () => {
  test('a store of texts reads back what was appended, whole and in parts', async () => {
    await using folder = await temporaryFolder()
    const text = await createTextStore(folder.path).open()
    const first = 'é'.repeat(200_000)
    await text.append([Buffer.from(first), Buffer.from('b')])
    await text.append([Buffer.from('c')])
    assert.equal(await text.read(), `${first}bc`)
    const parts: Buffer[] = []
    for await (const part of text.bytes()) parts.push(part)
    assert.ok(parts.length > 1)
    assert.equal(Buffer.concat(parts).toString(), `${first}bc`)
    await text.close()
  })

  test('a store of texts leaves no file in the folder, not even while texts are open', async () => {
    await using folder = await temporaryFolder()
    const text = await createTextStore(folder.path).open()
    await text.append([Buffer.from('secret')])
    const other = await text.another()
    assert.equal(await other.read(), '')
    assert.deepEqual(await readdir(folder.path), [])
    await text.close()
    await other.close()
  })

  test('a store of texts opens at most 500 texts at once', async () => {
    await using folder = await temporaryFolder()
    const store = createTextStore(folder.path)
    const texts = await Promise.all(Array.from({ length: 500 }, () => store.open()))
    await assert.rejects(store.open(), /more than 500/)
    await texts[0]?.close()
    texts.push(await store.open())
    await Promise.all(texts.slice(1).map((text) => text.close()))
  })

  test('a store of texts rejects if its folder is missing', async () => {
    await using folder = await temporaryFolder()
    await assert.rejects(createTextStore(path.join(folder.path, 'none')).open(), { code: 'ENOENT' })
  })
})
