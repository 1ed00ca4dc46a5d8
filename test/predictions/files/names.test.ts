import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import * as fileSystem from 'node:fs/promises'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { moveNew, Names } from '../../../src/predictions/files/names.ts'
import { testFolder } from '../../support/temporary-folder.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** A folder of files, by their names, and what gives names in it. */
async function folderOf(files: Readonly<Record<string, string>> = {}) {
  const folder = await testFolder('names')
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text)
  const names = new Names(folder)
  const renamed: string[] = []
  const clock = { now: () => 0, sleep: async () => {} }
  let parts = 0
  return {
    folder,
    renamed,
    /** Gives a new file with the text a name. */
    async place(name: string, text: string, overwrite = false) {
      const part = path.join(folder, `.${parts++}.part`)
      await writeFile(part, text)
      return await names.place(part, name, sha256(text), {
        overwrite,
        clock,
        renamed: (...each) => renamed.push(each.join(' for ')),
      })
    },
    /** Asks for a name for a file that does not exist. */
    placeNothing: (name: string) =>
      names.place(path.join(folder, 'nothing'), name, '', { overwrite: true, clock, renamed() {} }),
    async content(): Promise<Record<string, string>> {
      const found = (await readdir(folder)).sort()
      return Object.fromEntries(
        await Promise.all(found.map(async (name) => [name, await readFile(path.join(folder, name), 'utf8')])),
      )
    },
  }
}

describe('the name of a file', () => {
  test('a file gets the name that it should have if that is free', async () => {
    const { place, content, renamed } = await folderOf()
    assert.equal(await place('a.png', 'new'), 'a.png')
    assert.deepEqual([await content(), renamed], [{ 'a.png': 'new' }, []])
  })

  test('a file gets the next free number if other files have its name', async () => {
    const { place, content, renamed } = await folderOf({ 'a.png': 'one', 'a-2.png': 'two' })
    assert.equal(await place('a.png', 'new'), 'a-3.png')
    assert.deepEqual(await content(), { 'a.png': 'one', 'a-2.png': 'two', 'a-3.png': 'new' })
    assert.deepEqual(renamed, ['a-3.png for a.png'])
  })

  test('the file that is reported to be in the way was there before the step', async () => {
    const { place, renamed } = await folderOf({ 'a-2.png': 'old' })
    assert.equal(await place('a.png', 'one'), 'a.png')
    assert.equal(await place('a.png', 'two'), 'a-3.png')
    assert.deepEqual(renamed, ['a-3.png for a-2.png'])
  })

  test('a file with the content of an existing one gets its name, and no second copy is kept', async () => {
    const { place, content, renamed } = await folderOf({ 'a.png': 'one', 'a-2.png': 'new' })
    assert.equal(await place('a.png', 'one'), 'a.png')
    assert.equal(await place('a.png', 'new'), 'a-2.png')
    assert.deepEqual(await content(), { 'a.png': 'one', 'a-2.png': 'new' })
    assert.deepEqual(renamed, [])
  })

  test('a file with other content is replaced if it may be overwritten', async () => {
    const { place, content, renamed } = await folderOf({ 'a.png': 'old' })
    assert.equal(await place('a.png', 'new', true), 'a.png')
    assert.deepEqual([await content(), renamed], [{ 'a.png': 'new' }, []])
  })

  test('a folder is never replaced by a file', async () => {
    const { folder, place } = await folderOf()
    await mkdir(path.join(folder, 'a.png'))
    assert.equal(await place('a.png', 'new', true), 'a-2.png')
    assert.equal(await readFile(path.join(folder, 'a-2.png'), 'utf8'), 'new')
  })

  test('a file never replaces another one of the step, even if their names differ only by case or composition', async () => {
    for (const [first, second, expected] of [
      ['a.png', 'a.png', 'a-2.png'],
      ['A.png', 'a.png', 'a-2.png'],
      ['e\u0301.png', '\u00e9.png', '\u00e9-2.png'],
    ] as const) {
      const { place, renamed } = await folderOf()
      assert.equal(await place(first, 'one', true), first)
      assert.equal(await place(second, 'two', true), expected)
      assert.deepEqual(renamed, [])
    }
  })

  test('files that want the same name at the same time get different names', async () => {
    const { place, content } = await folderOf()
    const names = await Promise.all(['one', 'two', 'three'].map((text) => place('a', text)))
    assert.deepEqual(names.sort(), ['a', 'a-2', 'a-3'])
    assert.equal(Object.keys(await content()).length, 3)
  })

  test('a file gets its name after another file has failed', async () => {
    const { place, placeNothing } = await folderOf({ 'a.png': 'old' })
    const failed = placeNothing('a.png')
    const placed = place('b.png', 'new')
    await assert.rejects(failed, { code: 'ENOENT' })
    assert.equal(await placed, 'b.png')
  })
})

describe('a move to a free name', () => {
  const fault = (code: string) => async () => {
    throw Object.assign(new Error(code), { code })
  }
  /** Fails as often as told with what Windows says of a file that another program holds. */
  const held = <T extends (...args: never[]) => Promise<void>>(move: T, times: number, code = 'EPERM') =>
    ((...args: Parameters<T>) => (times-- > 0 ? fault(code)() : move(...args))) as T

  async function move(moves: Partial<typeof fileSystem>) {
    const folder = await testFolder('move')
    const [from, to] = [path.join(folder, 'from'), path.join(folder, 'to')]
    await writeFile(from, 'whole')
    const pauses: number[] = []
    const clock = { now: () => 0, sleep: async (seconds: number) => void pauses.push(seconds) }
    const moved = await moveNew(from, to, clock, { ...fileSystem, ...moves })
    return { moved, there: await readdir(folder), content: await readFile(to, 'utf8'), pauses }
  }

  test('a move to a free name works on file systems without hard links', async () => {
    for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS', 'EXDEV', 'EMLINK']) {
      const { moved, there, content } = await move({ link: fault(code) })
      assert.deepEqual([moved, there, content], [true, ['to'], 'whole'])
    }
  })

  test('a move to a free name waits for a scanner that holds the file for a moment', async () => {
    for (const code of ['EPERM', 'EBUSY', 'EACCES']) {
      const renamed = await move({ link: fault('EPERM'), rename: held(rename, 3, code) })
      const linked = await move({ rm: held(rm, 3, code) as typeof rm })
      for (const { moved, there, content, pauses } of [renamed, linked]) {
        assert.deepEqual([moved, there, content], [true, ['to'], 'whole'])
        assert.equal(pauses.length, 3)
      }
    }
  })

  test('a move to a free name fails after some seconds, unless the file is in its place', async () => {
    await assert.rejects(move({ link: fault('EPERM'), rename: fault('EBUSY') }), /EBUSY/)
    const { moved, content, pauses } = await move({ rm: fault('EBUSY') })
    assert.deepEqual([moved, content], [true, 'whole'])
    assert.ok(pauses.reduce((sum, pause) => sum + pause) < 5)
  })
})
