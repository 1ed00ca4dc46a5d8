import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { exactNumber } from '../../src/predictions/json/numbers.ts'
import {
  EMBEDDED_LIMIT,
  embedFiles,
  fingerprint,
  LargeFile,
  MENTIONS_LIMIT,
  MentionBudget,
  ModelInputError,
  resolveInside,
  resolveLargeFiles,
  whyNotSent,
} from '../../src/runner/embedded-files.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

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
    assert.equal(whyNotSent('/workspace', path.posix.resolve('/workspace', name), path.posix), undefined, name)
})

test('a path on another drive, share or device, or above the workspace, is refused on Windows', () => {
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

test('files of Git are not sent under any name that a file system accepts for them', () => {
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
    assert.match(
      whyNotSent('/workspace', path.posix.resolve('/workspace', name), path.posix) ?? '',
      /belongs to Git/,
      name,
    )
})

test('an alternate data stream of a file is not sent on Windows', () => {
  for (const name of ['cake.png:hidden', '.git::$INDEX_ALLOCATION\\config', 'cake.png::$DATA'])
    assert.match(onWindows(name) ?? '', /stream/, name)
})

test('a path outside the workspace is refused before the disk is read', async () => {
  for (const name of ['../none.png', '/none/none.png'])
    await assert.rejects(resolveInside(name, tmpdir()), /is not inside the workspace/, name)
  await assert.rejects(resolveInside('.git/none', tmpdir()), /belongs to Git/)
})

const embed = (value: unknown, { path: workspace }: TemporaryFolder, budget = new MentionBudget()) =>
  embedFiles(value, 'input', { workspace, budget })
/** A file of a size, whose bytes are zeros. */
async function sized(folder: TemporaryFolder, name: string, size: number): Promise<void> {
  await writeFile(folder.file(name), '')
  await truncate(folder.file(name), size)
}
const large = (file: string, size: number): LargeFile =>
  new LargeFile({ where: 'input.a', name: path.basename(file), path: file, size, type: 'image/png' })

describe('a value of an input', () => {
  test('a value that starts with @ is replaced by the file of that name, anywhere in lists and mappings', async () => {
    await using folder = await temporaryFolder()
    await writeFile(folder.file('A.PNG'), 'abc')
    const uri = 'data:image/png;base64,YWJj'
    assert.deepEqual(await embed({ images: ['@A.PNG', { more: '@A.PNG' }], seed: 5 }, folder), {
      images: [uri, { more: uri }],
      seed: 5,
    })
  })

  test('a value with @@ at its start, a blank after @, or @ inside stays text', async () => {
    await using folder = await temporaryFolder()
    const texts = ['@@home', '@', '@ home', 'a@b', '']
    assert.deepEqual(await embed(texts, folder), ['@home', ...texts.slice(1)])
  })

  test('a value that is not a string stays unchanged', async () => {
    await using folder = await temporaryFolder()
    const number = exactNumber('18446744073709551615')
    const values = [number, null, true, 1.5, {}, []]
    for (const walked of [await embed(values, folder), await fingerprint(values)]) assert.deepEqual(walked, values)
    const resolved = (await resolveLargeFiles(values, async () => ({ url: 'https://x.example' }))) as unknown[]
    assert.deepEqual(resolved, values)
    assert.equal(resolved[0], number)
  })

  test('a missing or forbidden file is reported with its place in the input', async () => {
    await using folder = await temporaryFolder()
    await using outside = await temporaryFolder()
    await mkdir(folder.file('pictures'))
    await writeFile(outside.file('secret'), 'secret')
    await symlink(outside.file('secret'), folder.file('link'))
    for (const [name, message] of [
      ['none.png', /^input\.a\[0\]: There is no file none\.png in the workspace\. .* A value that starts with @/],
      ['pictures', /^input\.a\[0\]: pictures is not a file\.$/],
      ['link', /^input\.a\[0\]: The file link is not inside the workspace, so it is not sent\.$/],
      ['../x', /^input\.a\[0\]: The file \.\.\/x is not inside the workspace, so it is not sent\.$/],
    ] as const) {
      await assert.rejects(embed({ a: [`@${name}`] }, folder), { name: 'ModelInputError', message })
    }
  })
})

describe('a file of the workspace', () => {
  test('an embedded file has the media type of its extension', async () => {
    await using folder = await temporaryFolder()
    for (const name of ['a.jpeg', 'a.mp3', 'a']) await writeFile(folder.file(name), '')
    assert.deepEqual(await embed(['@a.jpeg', '@a.mp3', '@a'], folder), [
      'data:image/jpeg;base64,',
      'data:audio/mpeg;base64,',
      'data:application/octet-stream;base64,',
    ])
  })

  test('a file is found even if the workspace is given by a symbolic link', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.file('real'))
    await writeFile(folder.file('real', 'a.txt'), 'a')
    await symlink(folder.file('real'), folder.file('link'))
    assert.equal(await resolveInside(folder.file('real', 'a.txt'), folder.file('link')), folder.file('real', 'a.txt'))
  })

  test('a file of more than 256 KiB is left for an upload', async () => {
    await using folder = await temporaryFolder()
    await sized(folder, 'a.webm', EMBEDDED_LIMIT + 1)
    const { hero } = (await embed({ hero: '@a.webm' }, folder)) as { hero: LargeFile }
    assert.deepEqual(
      { ...hero },
      {
        ...{ where: 'input.hero', name: 'a.webm', path: folder.file('a.webm') },
        ...{ size: 262_145, type: 'video/webm' },
      },
    )
  })

  test('100 MB is the limit for one file and for all files of a step together', async () => {
    await using folder = await temporaryFolder()
    await sized(folder, 'most', 100e6)
    await sized(folder, 'more', 100e6 + 1)
    assert.ok((await embed('@most', folder)) instanceof LargeFile)
    await assert.rejects(embed('@more', folder), /^ModelInputError: input: The file more has 100000001 bytes; at most/)
    const budget = new MentionBudget()
    budget.add(MENTIONS_LIMIT)
    budget.add(0)
    assert.throws(() => budget.add(1), /more than 100 MB in total/)
  })
})

describe('a large file', () => {
  test('a large file is replaced by the URL of its upload, anywhere in lists and mappings', async () => {
    const input = { a: [large('/workspace/a.png', 300_000)], b: { c: large('/workspace/b.png', 300_000) }, d: 'text' }
    const resolved = await resolveLargeFiles(input, async ({ name }) => ({ url: `https://x.example/${name}` }))
    assert.deepEqual(resolved, { a: ['https://x.example/a.png'], b: { c: 'https://x.example/b.png' }, d: 'text' })
  })

  test('a large file of up to 1 MiB is embedded if the API takes no uploads', async () => {
    await using folder = await temporaryFolder()
    await sized(folder, 'a.png', 2 ** 20)
    const notTaken = async () => ({ refusal: 'Use its URL.' })
    const uri = await resolveLargeFiles(large(folder.file('a.png'), 2 ** 20), notTaken)
    assert.match(String(uri), /^data:image\/png;base64,A+==?$/)
    await assert.rejects(resolveLargeFiles([large(folder.file('a.png'), 2 ** 20 + 1)], notTaken), {
      name: 'ModelInputError',
      message:
        /^input\.a: The file a\.png has 1048577 bytes\. This API did not accept it as an upload.* Use its URL\.$/,
    })
  })

  test('an upload fails with the place of the file for an input error, and with any other error unchanged', async () => {
    const failing = (error: Error) => resolveLargeFiles(large('/workspace/a.png', 1), () => Promise.reject(error))
    await assert.rejects(failing(new ModelInputError('No.')), { message: 'input.a: No.' })
    const other = new Error('no connection')
    await assert.rejects(failing(other), (error) => error === other)
  })

  test('a large file is compared by its content', async () => {
    await using folder = await temporaryFolder()
    await writeFile(folder.file('a.png'), 'abc')
    const sha256 = createHash('sha256').update('abc').digest('hex')
    assert.deepEqual(await fingerprint({ a: [large(folder.file('a.png'), 3)], b: 1 }), {
      a: [`sha256:${sha256}`],
      b: 1,
    })
    await assert.rejects(fingerprint(large(folder.file('none'), 3)), { code: 'ENOENT' })
  })
})
