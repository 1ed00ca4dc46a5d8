import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { resolveInside, whyNotSent } from '../../src/runner/embedded-files.ts'

const ROOT = 'D:\\a\\work'
/** What is said of a value `@name` in a workspace on Windows. */
const onWindows = (name: string) => whyNotSent(ROOT, path.win32.resolve(ROOT, name), path.win32)

test('a file of the workspace is sent, however its path is written', () => {
  for (const name of [
    'cake.png',
    'sub\\cake.png',
    'sub/cake.png',
    'd:\\A\\WORK\\cake.png',
    '..cake.png',
    '.github\\x',
    'git',
    'a~1',
  ])
    assert.equal(onWindows(name), undefined, name)
  for (const name of ['sub/cake.png', '..cake.png', 'a:b', '.gitignore', 'a\\b'])
    assert.equal(whyNotSent('/work', path.posix.resolve('/work', name), path.posix), undefined, name)
})

test('on another drive, on a share, on a device and above the workspace is outside on Windows', () => {
  for (const name of [
    '..\\secret',
    '../secret',
    'sub\\..\\..\\secret',
    'C:\\Windows\\win.ini',
    'C:secret',
    '\\secret',
    '\\\\host\\share\\x.png',
    '//host/share/x.png',
    '\\\\?\\C:\\secret',
    '\\\\.\\pipe\\x',
    '.',
    'D:\\a\\work2\\x',
  ])
    assert.equal(onWindows(name), 'is not inside the workspace', name)
})

test('what git keeps is not sent under any of the names that file systems have for it', () => {
  for (const name of [
    '.git\\config',
    '.GIT/config',
    'sub\\.Git\\config',
    '.git.\\config',
    '.git . \\config',
    'GIT~1\\config',
  ])
    assert.match(onWindows(name) ?? '', /belongs to Git/, name)
  for (const name of ['.git/config', '.GIT/config', '.g\u200cit/config', 'sub/.git'])
    assert.match(whyNotSent('/work', path.posix.resolve('/work', name), path.posix) ?? '', /belongs to Git/, name)
})

test('a stream behind the name of a file is not sent on Windows', () => {
  for (const name of ['cake.png:hidden', '.git::$INDEX_ALLOCATION\\config', 'cake.png::$DATA'])
    assert.match(onWindows(name) ?? '', /stream/, name)
})

test('what lies outside by its path is refused before the disk is asked whether it is there', async () => {
  for (const name of ['../none.png', '/none/none.png'])
    await assert.rejects(resolveInside(name, tmpdir()), /is not inside the workspace/, name)
  await assert.rejects(resolveInside('.git/none', tmpdir()), /belongs to Git/)
})
