import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { existing, hashOf, RECORD_FILE, readRecord, writeRecord } from '../../src/runner/record.ts'
import { testFolder } from '../support/temporary-folder.ts'

const folder = () => testFolder('record')
const never = () => false

describe('the hash of an input', () => {
  test('the hash of an input does not depend on the order of keys', () => {
    assert.equal(hashOf({ a: 1, b: { c: [1, 2], d: null } }), hashOf({ b: { d: null, c: [1, 2] }, a: 1 }))
  })
  test('the hash of an input depends on every value, on the order of lists, and on types', () => {
    const scalars = [{ a: 1 }, { a: '1' }, { a: 2 }, { a: null }, {}, { b: 1 }]
    const lists = [{ a: [1, 2] }, { a: [2, 1] }, { a: [12] }, { a: { 0: 1, 1: 2 } }]
    const hashes = [...scalars, ...lists, { a: {}, b: 1 }, { a: { b: 1 } }].map(hashOf)
    assert.equal(new Set(hashes).size, hashes.length)
  })
  test('the hash of an input depends on every digit of a large number', () => {
    const raw = (digits: string) => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits)
    assert.notEqual(hashOf({ seed: raw('18446744073709551615') }), hashOf({ seed: raw('18446744073709551616') }))
  })
})

describe('a record', () => {
  test('a record is read back as it was written', async () => {
    const at = await folder()
    await writeRecord(at, new Map([['hero', { hash: 'h', files: ['hero.webp'] }]]))
    assert.deepEqual([...(await readRecord(at))], [['hero', { hash: 'h', files: ['hero.webp'] }]])
    assert.deepEqual(await readdir(at), [RECORD_FILE])
  })
  test('a record keeps the entries of another step, sorted by name', async () => {
    const at = await folder()
    await writeRecord(at, new Map([['b', { hash: '1', files: ['b.png'] }]]))
    await writeRecord(at, new Map([['a', { hash: '2', files: ['a.png'] }]]))
    assert.deepEqual([...(await readRecord(at)).keys()], ['a', 'b'])
  })
  test('a record is read without its malformed entries', async () => {
    const at = await folder()
    const text = '{"predictions":{"a":{"hash":"h","files":["x","y"]},"b":1}}'
    await writeFile(path.join(at, RECORD_FILE), text)
    assert.deepEqual([...(await readRecord(at))], [['a', { hash: 'h', files: ['x', 'y'] }]])
  })
  test('a new entry replaces the entry of the same name', async () => {
    const at = await folder()
    for (const hash of ['1', '2']) await writeRecord(at, new Map([['a', { hash, files: ['a.png'] }]]))
    assert.equal((await readRecord(at)).get('a')?.hash, '2')
  })
  test('a record without entries is not written', async () => {
    const at = await folder()
    await writeRecord(at, new Map())
    assert.deepEqual(await readdir(at), [])
  })
  for (const [name, text] of [
    ['is a list', '[]'],
    ['names files of another folder', '{"predictions":{"a":{"hash":"h","files":["../x"]}}}'],
    ['names files without a name', '{"predictions":{"a":{"hash":"h","files":[""]}}}'],
    ['names files by numbers', '{"predictions":{"a":{"hash":"h","files":["x",1]}}}'],
    ['has no predictions', '{"predictions":[{"hash":"h","files":["x"]}]}'],
    ['has entries of another shape', '{"predictions":{"a":1,"b":{"hash":1,"files":[]},"c":{"hash":"h"}}}'],
  ] as const) {
    test(`a record that ${name} counts as empty`, async () => {
      const at = await folder()
      await writeFile(path.join(at, RECORD_FILE), text)
      assert.equal((await readRecord(at)).size, 0)
    })
  }
  test('a record with a byte order mark is read', async () => {
    const at = await folder()
    await writeFile(path.join(at, RECORD_FILE), '\ufeff{"predictions":{"a":{"hash":"h","files":["x"]}}}\r\n')
    assert.deepEqual([...(await readRecord(at)).keys()], ['a'])
  })
  test('a record that is not JSON is an error, and is not overwritten', async () => {
    const at = await folder()
    const damaged = '<<<<<<< HEAD\n{"predictions":{}}\n'
    await writeFile(path.join(at, RECORD_FILE), damaged)
    const message = '.predictions.json is not valid JSON. Restore it, or delete it together with the files.'
    await assert.rejects(readRecord(at), { name: 'RecordError', message })
    await assert.rejects(writeRecord(at, new Map([['a', { hash: 'h', files: ['a.png'] }]])), { message })
    assert.equal(await readFile(path.join(at, RECORD_FILE), 'utf8'), damaged)
  })
  test('a record that cannot be written leaves no file behind', async () => {
    const at = await folder()
    await assert.rejects(writeRecord(path.join(at, 'none'), new Map([['a', { hash: 'h', files: [] }]])), {
      code: 'ENOENT',
      syscall: 'open',
    })
    assert.deepEqual(await readdir(at), [])
  })
  test('a folder with the name of the record is an error, and no file is left behind', async () => {
    const at = await folder()
    await mkdir(path.join(at, RECORD_FILE))
    await assert.rejects(writeRecord(at, new Map([['a', { hash: 'h', files: [] }]])), { code: 'EISDIR' })
    assert.deepEqual(await readdir(at), [RECORD_FILE])
  })
  test('a record ends with a line end', async () => {
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
  test('an input is unchanged if it has the same hash and all files', async () => {
    assert.equal(await existing(await withFiles(...entry.files), entry, 'h', never), 'unchanged')
  })
  test('an input is missing if its hash differs or one of its files does not exist', async () => {
    assert.equal(await existing(await withFiles(...entry.files), entry, 'other', never), 'missing')
    assert.equal(await existing(await withFiles('hero.webp'), entry, 'h', () => true), 'missing')
  })
  test('an input is missing if a folder has the name of its file', async () => {
    const at = await withFiles('hero.webp')
    await mkdir(path.join(at, 'hero-1.webp'))
    assert.equal(await existing(at, entry, 'h', never), 'missing')
  })
  test('an input is missing if its record names no file', async () => {
    assert.equal(await existing(await folder(), { hash: 'h', files: [] }, 'h', never), 'missing')
  })
  test('an input is unrecorded if a file has its name, and no record', async () => {
    const at = await withFiles('hero.webp', 'logo.webp')
    assert.equal(await existing(at, undefined, 'h', (name) => name.startsWith('hero')), 'unrecorded')
    assert.equal(await existing(at, undefined, 'h', (name) => name.startsWith('cake')), 'missing')
  })
  test('an input is missing if the folder does not exist', async () => {
    assert.equal(await existing(path.join(await folder(), 'none'), undefined, 'h', () => true), 'missing')
  })
})
