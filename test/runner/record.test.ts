import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { existing, hashOf, RECORD_FILE, readRecord, writeRecord } from '../../src/runner/record.ts'

const root = await mkdtemp(path.join(tmpdir(), 'record-'))
after(() => rm(root, { recursive: true }))
const folder = () => mkdtemp(path.join(root, 'folder-'))
const never = () => false

describe('the hash of an input', () => {
  test('does not depend on the order of keys', () => {
    assert.equal(hashOf({ a: 1, b: { c: [1, 2], d: null } }), hashOf({ b: { d: null, c: [1, 2] }, a: 1 }))
  })
  test('depends on every value, on the order of lists, and on types', () => {
    const hashes = [{ a: 1 }, { a: '1' }, { a: 2 }, { a: [1, 2] }, { a: [2, 1] }, { a: null }, {}, { b: 1 }].map(hashOf)
    assert.equal(new Set(hashes).size, hashes.length)
  })
  test('depends on every digit of a large number', () => {
    const raw = (digits: string) => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits)
    assert.notEqual(hashOf({ seed: raw('18446744073709551615') }), hashOf({ seed: raw('18446744073709551616') }))
  })
})

describe('a record', () => {
  test('names what was made, and is there again when it is read', async () => {
    const at = await folder()
    await writeRecord(at, new Map([['hero', { hash: 'h', files: ['hero.webp'] }]]))
    assert.deepEqual([...(await readRecord(at))], [['hero', { hash: 'h', files: ['hero.webp'] }]])
    assert.deepEqual(await readdir(at), [RECORD_FILE])
  })
  test('keeps what another step has recorded, in the order of names', async () => {
    const at = await folder()
    await writeRecord(at, new Map([['b', { hash: '1', files: ['b.png'] }]]))
    await writeRecord(at, new Map([['a', { hash: '2', files: ['a.png'] }]]))
    assert.deepEqual([...(await readRecord(at)).keys()], ['a', 'b'])
  })
  test('is not written when there is nothing to record', async () => {
    const at = await folder()
    await writeRecord(at, new Map())
    assert.deepEqual(await readdir(at), [])
  })
  for (const [name, text] of [
    ['is no JSON', '{'],
    ['is a list', '[]'],
    ['names files of another folder', '{"predictions":{"a":{"hash":"h","files":["../x"]}}}'],
    ['has entries of another shape', '{"predictions":{"a":1,"b":{"hash":1,"files":[]},"c":{"hash":"h"}}}'],
  ] as const) {
    test(`that ${name} counts as none`, async () => {
      const at = await folder()
      await writeFile(path.join(at, RECORD_FILE), text)
      assert.equal((await readRecord(at)).size, 0)
    })
  }
  test('that cannot be written leaves nothing behind', async () => {
    const at = await folder()
    await assert.rejects(writeRecord(path.join(at, 'none'), new Map([['a', { hash: 'h', files: [] }]])), /ENOENT/)
    assert.deepEqual(await readdir(at), [])
  })
  test('ends with a line end, as files of a repository do', async () => {
    const at = await folder()
    await writeRecord(at, new Map([['a', { hash: 'h', files: ['a.png'] }]]))
    assert.match(await readFile(path.join(at, RECORD_FILE), 'utf8'), /^\{\n {2}"predictions": \{[\s\S]+\}\n$/)
  })
})

describe('what exists', () => {
  const entry = { hash: 'h', files: ['hero.webp', 'hero-1.webp'] }
  const withFiles = async (...names: string[]) => {
    const at = await folder()
    for (const name of names) await writeFile(path.join(at, name), 'x')
    return at
  }
  test('is unchanged with the same hash and all files', async () => {
    assert.equal(await existing(await withFiles(...entry.files), entry, 'h', never), 'unchanged')
  })
  test('is missing with another hash, or without one of the files', async () => {
    assert.equal(await existing(await withFiles(...entry.files), entry, 'other', never), 'missing')
    assert.equal(await existing(await withFiles('hero.webp'), entry, 'h', () => true), 'missing')
  })
  test('is missing if the record names no file', async () => {
    assert.equal(await existing(await folder(), { hash: 'h', files: [] }, 'h', never), 'missing')
  })
  test('is unrecorded with a file of that name and no record', async () => {
    const at = await withFiles('hero.webp', 'logo.webp')
    assert.equal(await existing(at, undefined, 'h', (name) => name.startsWith('hero')), 'unrecorded')
    assert.equal(await existing(at, undefined, 'h', (name) => name.startsWith('cake')), 'missing')
  })
  test('is missing in a folder that is not there', async () => {
    assert.equal(await existing(path.join(root, 'none'), undefined, 'h', () => true), 'missing')
  })
})
