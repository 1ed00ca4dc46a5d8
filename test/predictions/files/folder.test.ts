import assert from 'node:assert/strict'
import { mkdir, readdir, realpath, rm, statfs, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { describeDiskError } from '../../../src/predictions/files/file-error.ts'
import { Folder } from '../../../src/predictions/files/folder.ts'
import { testFolder } from '../../support/temporary-folder.ts'

/** A workspace with a folder beside it. */
async function place() {
  const root = await realpath(await testFolder('folder'))
  const workspace = path.join(root, 'workspace')
  await mkdir(workspace)
  await mkdir(path.join(root, 'outside'))
  return { root, workspace, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}
const make = (folder: string, workspace?: string) =>
  new Folder(folder, workspace).make().then(
    () => 'made',
    (error: Error) => `${error.name}: ${error.message}`,
  )

describe('the folder of the files', () => {
  test('the output folder is created with its parents, and may exist already', async () => {
    await using at = await place()
    const folder = path.join(at.workspace, 'a/b/c')
    assert.deepEqual([await make(folder, at.workspace), await make(folder, at.workspace)], ['made', 'made'])
    assert.deepEqual(await readdir(path.join(at.workspace, 'a/b')), ['c'])
  })

  test('an output folder behind a symbolic link out of the workspace is refused, whether it exists or not', async () => {
    await using at = await place()
    await symlink('../outside', path.join(at.workspace, 'out'))
    for (const name of ['out', 'out/sub/deeper'])
      assert.match(await make(path.join(at.workspace, name), at.workspace), /DiskError: .* leads out of the workspace/)
    assert.deepEqual(await readdir(path.join(at.root, 'outside')), [])
  })

  test('an output folder may be behind a link that stays in the workspace, or be outside of the workspace', async () => {
    await using at = await place()
    await mkdir(path.join(at.workspace, 'real'))
    await symlink('real', path.join(at.workspace, 'link'))
    assert.equal(await make(path.join(at.workspace, 'link/sub'), at.workspace), 'made')
    assert.equal(await make(path.join(at.root, 'outside/sub'), at.workspace), 'made')
  })

  test('a file, a dangling link, a loop of links and /proc are refused as the output folder', async () => {
    await using at = await place()
    await writeFile(path.join(at.workspace, 'file'), '')
    await symlink('nowhere', path.join(at.workspace, 'dangling'))
    await symlink('circle', path.join(at.workspace, 'circle'))
    const inside = (name: string) => make(path.join(at.workspace, name), at.workspace)
    assert.match(await inside('file'), /file is not a folder/)
    assert.match(await inside('file/sub'), /file\/sub is not a folder \(ENOTDIR\)/)
    assert.match(await inside('dangling/sub'), /is not a folder \(EEXIST\)|cannot be created/)
    assert.match(await inside('circle/sub'), /has a loop of symbolic links \(ELOOP\)/)
    if (process.platform === 'linux') assert.match(await make('/proc/a/b'), /cannot be created \(ENOENT\)/)
  })
})

describe('room on the disk', () => {
  test('disk space is reserved for each file until it is written or released', async () => {
    await using at = await place()
    const { bavail, bsize } = await statfs(at.workspace)
    // Others write to this disk too.
    const most = Math.floor(bavail * bsize * 0.6)
    const folder = new Folder(path.join(at.workspace, 'files'), at.workspace)
    const [first, second] = [{}, {}]
    await folder.reserve(first, most)
    assert.deepEqual(await readdir(at.workspace), ['files'])
    const full = new RegExp(`^DiskError: the disk is full: .*files has no room for ${most} more bytes \\(ENOSPC\\)$`)
    await assert.rejects(folder.reserve(second, most), (error) => full.test(String(error)))
    await folder.reserve(second, 1000)
    folder.wrote(first, most - 5)
    await folder.reserve(second, most)
    folder.release(second)
    folder.wrote(first, 10)
    folder.wrote(second, 10)
    await folder.reserve(first, most)
    await assert.rejects(folder.reserve(second, most), /no room/)
    folder.release(first)
    await folder.reserve(second, most)
  })
})

test('errors of the file system are described in words, with their codes', () => {
  const words = (code: string) => describeDiskError(Object.assign(new Error(code), { code }), '/out')
  assert.equal(words('ENOSPC'), 'the disk is full: /out (ENOSPC)')
  assert.equal(words('EROFS'), '/out is on a file system that is read-only (EROFS)')
  assert.equal(words('EFBIG'), 'the runner does not allow a file of this size in /out (EFBIG)')
  assert.equal(words('ECONNRESET'), undefined)
  assert.equal(describeDiskError(undefined, '/out'), undefined)
})
