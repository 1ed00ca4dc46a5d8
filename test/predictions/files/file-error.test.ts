import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DiskError,
  describeDiskError,
  PermanentError,
  WebPageError,
} from '../../../src/predictions/files/file-error.ts'

test('an error of the file system is described in words, with the folder and the code', () => {
  const words: [string, RegExp][] = [
    ['EACCES', /^\/out cannot be written to \(EACCES\)$/],
    ['EBUSY', /has a file of that name open in \/out \(EBUSY\)$/],
    ['EDQUOT', /^the disk quota for \/out is used up/],
    ['EEXIST', /^\/out is not a folder/],
    ['EFBIG', /does not allow a file of this size in \/out/],
    ['ELOOP', /the path \/out has a loop of symbolic links/],
    ['EMFILE', /^too many files are open \(EMFILE\)$/],
    ['ENAMETOOLONG', /^the name is too long for \/out/],
    ['ENFILE', /^too many files are open \(ENFILE\)$/],
    ['ENOENT', /^the folder \/out cannot be created/],
    ['ENOSPC', /^the disk is full: \/out \(ENOSPC\)$/],
    ['ENOTDIR', /^\/out is not a folder/],
    ['EPERM', /^\/out cannot be written to/],
    ['EROFS', /^\/out is on a file system that is read-only/],
  ]
  for (const [code, sentence] of words)
    assert.match(describeDiskError(Object.assign(new Error(code), { code }), '/out') ?? '', sentence)
  for (const other of [new Error('plain'), Object.assign(new Error('x'), { code: 'EODD' }), undefined, null])
    assert.equal(describeDiskError(other, '/out'), undefined)
})

test('errors about files are named after their classes', () => {
  for (const type of [PermanentError, WebPageError, DiskError]) {
    const error = new type('reason')
    assert.equal(error.name, type.name)
    assert.ok(error instanceof PermanentError)
  }
})
