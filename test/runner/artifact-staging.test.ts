import assert from 'node:assert/strict'
import * as fileSystem from 'node:fs/promises'
import path from 'node:path'
import { beforeEach, describe, test } from 'node:test'
import { stage } from '../../src/runner/artifact-staging.ts'
import { testFolder } from '../support/temporary-folder.ts'

const { lstat, readFile, stat, writeFile } = fileSystem

function fault(code: string) {
  return async () => {
    throw Object.assign(new Error(`${code}: it failed`), { code })
  }
}

describe('a staged file', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await testFolder('staging')
    file = path.join(folder, 'a.txt')
    await writeFile(file, 'bytes', { mode: 0o600 })
  })

  const staged = async (more: Partial<typeof fileSystem> = {}) => {
    const content = { name: 'x', files: [{ name: 'a.txt', path: file }], isZip: true, mediaType: 'application/zip' }
    const [copy = ''] = await stage(content, path.join(folder, 'root'), 'x', { ...fileSystem, ...more })
    assert.equal(await readFile(copy, 'utf8'), 'bytes')
    return copy
  }

  test('a staged file is a copy with a fixed time and mode', async () => {
    const { mtime, mode, nlink } = await stat(await staged())
    assert.deepEqual([mtime.toISOString(), nlink], ['1980-01-01T00:00:00.000Z', 1])
    if (process.platform !== 'win32') assert.equal(mode & 0o777, 0o644)
  })

  test('a staged file is a hard link if the disk is full', async () => {
    const { nlink } = await stat(await staged({ copyFile: fault('ENOSPC') }))
    assert.equal(nlink, 2)
  })

  test('a staged file is a symbolic link if the disk is full and the source is on another disk', {
    skip: process.platform === 'win32' && 'needs a privilege for symbolic links',
  }, async () => {
    const copy = await staged({ copyFile: fault('ENOSPC'), link: fault('EXDEV') })
    assert.ok((await lstat(copy)).isSymbolicLink())
  })

  test('a file that cannot be staged is reported with the error of the copy', async () => {
    const full = { copyFile: fault('ENOSPC'), link: fault('EXDEV'), symlink: fault('EPERM') }
    await assert.rejects(staged(full), /ENOSPC/)
    folder = await testFolder('staging')
    await assert.rejects(staged({ copyFile: fault('EACCES') }), /EACCES/)
  })
})
