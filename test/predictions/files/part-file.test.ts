import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { type FileHandle, open, readdir, readFile, rm, statfs } from 'node:fs/promises'
import path from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { DiskError } from '../../../src/predictions/files/file-error.ts'
import { Folder } from '../../../src/predictions/files/folder.ts'
import { PartFile } from '../../../src/predictions/files/part-file.ts'
import { testFolder } from '../../support/temporary-folder.ts'

async function partIn(name = 'new') {
  const folder = new Folder(path.join(await testFolder('part-file'), name), undefined)
  return { folder, part: new PartFile(folder) }
}

const pieces = (...texts: string[]) => texts.map((text) => Buffer.from(text))

/** A disk on which each write takes at most `most` bytes, until `total` are written in all. */
async function limitWrites(t: TestContext, most: number, total = Number.POSITIVE_INFINITY) {
  await using probe = await open(path.join(await testFolder('probe'), 'file'), 'w')
  const handles = Object.getPrototypeOf(probe)
  const write: (bytes: Buffer, offset: number, length: number, position: number) => Promise<{ bytesWritten: number }> =
    handles.write
  let written = 0
  async function writeSome(this: FileHandle, bytes: Buffer, offset: number, length: number, position: number) {
    assert.ok(offset + length <= bytes.length, 'no more is written than there is')
    const allowed = Math.min(length, most, total - written)
    written += allowed
    return await write.call(this, bytes, offset, allowed, position)
  }
  t.mock.method(handles, 'write', writeSome)
  t.mock.method(handles, 'writev', function (this: FileHandle, pieces: Buffer[], position: number) {
    const bytes = Buffer.concat(pieces)
    return writeSome.call(this, bytes, 0, bytes.length, position)
  })
}

describe('a part file', () => {
  test('a part file is created by its first write, under a hidden name of its own, together with its folder', async () => {
    const { folder, part } = await partIn()
    const other = new PartFile(folder)
    assert.notEqual(part.path, other.path)
    assert.equal(path.dirname(part.path), folder.path)
    assert.match(path.basename(part.path), /^\.[0-9a-f]{16}\.part$/)
    await assert.rejects(readdir(folder.path), { code: 'ENOENT' })
    await part.write(pieces('ab', 'cd'), 0)
    assert.deepEqual(await readdir(folder.path), [path.basename(part.path)])
    await part[Symbol.asyncDispose]()
  })

  test('a part file holds what was written at each position, also after a pause, up to where it is cut', async () => {
    await using part = (await partIn()).part
    await part.write(pieces('hello ', 'word'), 0)
    await part.rest()
    await part.write(pieces('ld!'), 9)
    await part.rest()
    await part.write(pieces('..'), 12)
    await part.cut(11)
    assert.equal(await readFile(part.path, 'utf8'), 'hello world')
  })

  test('a part file is closed while it rests', async () => {
    await using part = (await partIn()).part
    const handle = await part.use(async (each) => each)
    assert.notEqual(handle.fd, -1)
    await part.rest()
    assert.equal(handle.fd, -1)
    await part.rest()
  })

  test('a part file is deleted when it is disposed of, and is not created without a write', async () => {
    const { folder, part } = await partIn()
    await part.write(pieces('a'), 0)
    await part[Symbol.asyncDispose]()
    await new PartFile(folder)[Symbol.asyncDispose]()
    assert.deepEqual(await readdir(folder.path), [])
  })

  test('a part file may be deleted before it is disposed of', async () => {
    const { folder, part } = await partIn()
    await part.write(pieces('a'), 0)
    await rm(part.path)
    await part[Symbol.asyncDispose]()
    assert.deepEqual(await readdir(folder.path), [])
  })

  test('a part file releases its reserved disk space when it is disposed of', async () => {
    const { folder, part } = await partIn()
    await folder.make()
    const { bavail, bsize } = await statfs(folder.path)
    const most = Math.floor(0.6 * bavail * bsize)
    await part.expect(most)
    await using other = new PartFile(folder)
    await assert.rejects(other.expect(most), DiskError)
    await part[Symbol.asyncDispose]()
    await other.expect(most)
  })

  test('a part file reserves less disk space with each byte that is written', async () => {
    const { folder, part } = await partIn()
    await using _part = part
    await using other = new PartFile(folder)
    await folder.make()
    const { bavail, bsize } = await statfs(folder.path)
    const free = bavail * bsize
    const size = 2 ** 20
    await part.expect(Math.floor(0.9 * free))
    await assert.rejects(other.expect(0.5 * free), DiskError)
    folder.wrote(part, Math.floor(0.9 * free) - size)
    await part.write([Buffer.alloc(size)], 0)
    await other.expect(0.5 * free)
  })

  test('a part file is complete even if a nearly full disk writes it in several parts', async (t) => {
    await using part = (await partIn()).part
    await limitWrites(t, 4)
    await part.write(pieces('0123', '456789', 'ab'), 0)
    await part.write(pieces('cdef'), 12)
    assert.equal(await readFile(part.path, 'utf8'), '0123456789abcdef')
  })

  test('a write to a part file fails with a DiskError if the disk is full', async (t) => {
    const { folder, part } = await partIn()
    await using _part = part
    await limitWrites(t, 4, 6)
    await assert.rejects(part.write(pieces('0123456789'), 0), new DiskError(`the disk is full: ${folder.path}`))
  })

  test('a part file turns errors of the file system into DiskErrors, and no others', async () => {
    const { folder, part } = await partIn()
    await using _part = part
    const failWith = (error: Error) =>
      part.use(() => {
        throw error
      })
    const system = (code: string) => Object.assign(new Error(code), { code, syscall: 'write' })
    await assert.rejects(failWith(system('ENOSPC')), new DiskError(`the disk is full: ${folder.path} (ENOSPC)`))
    await assert.rejects(failWith(system('EIO')), new DiskError(`${folder.path} cannot be written to (EIO)`))
    const bug = new TypeError('a bug')
    await assert.rejects(failWith(bug), bug)
    const limit = Object.assign(new RangeError('no such length'), { code: 'ERR_OUT_OF_RANGE' })
    await assert.rejects(failWith(limit), limit)
  })
})
