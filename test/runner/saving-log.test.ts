import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SavedFile } from '../../src/predictions/files/save.ts'
import { createSaveObserver, printState, savingLine } from '../../src/runner/saving-log.ts'
import { printed } from '../support/printed.ts'

const file = (label: string, bytes: number, total?: number, trouble?: string) => ({ label, bytes, total, trouble })

describe('the line about saving', () => {
  test('the line about saving names the files being fetched, their problems, and how many are waiting', () => {
    const current = [
      file('File 0 (a/…/b.bin)', 1500, 2_000_000),
      file('File 1 (a/…/c.bin)', 0, undefined, 'the server returned 503'),
      file('File 2 (a/…/d.bin)', 12),
      file('File 3 (a/…/e.bin)', 1),
    ]
    assert.equal(
      savingLine({ saved: 4, left: 9, current }),
      'fetching 9 files, 4 saved · File 0 (a/…/b.bin): 1.5 kB of 2.0 MB · File 1 (a/…/c.bin): 0 B, the server returned 503 · File 2 (a/…/d.bin): 12 B · and 6 more',
    )
    assert.equal(savingLine({ saved: 0, left: 1, current: [] }), 'fetching 1 file, 0 saved · and 1 more')
  })

  test('the line about saving cuts a problem off after a hundred characters', () => {
    const line = savingLine({ saved: 0, left: 1, current: [file('File 0', 0, undefined, 'x'.repeat(200))] })
    assert.ok(line.endsWith(`, ${'x'.repeat(100)}…`))
  })
})

test('the state of saving is printed as long as a file is left', async () => {
  assert.equal(
    await printed(() => printState({ saved: 0, left: 1, current: [] })),
    'fetching 1 file, 0 saved · and 1 more\n',
  )
  assert.equal(await printed(() => printState({ saved: 2, left: 0, current: [] })), '')
})

test('the line about a saved file has its type, the size of a picture, and its bytes', async () => {
  const { saved } = createSaveObserver([], false)
  const picture = { path: '/out/a.png', size: 1500, type: 'image/png', width: 640, height: 480 } as SavedFile
  assert.equal(await printed(() => saved(picture)), 'saved /out/a.png · image/png · 640×480 · 1.5 kB\n')
  const text = { path: '/out/a.txt', size: 12, type: 'text/plain' } as SavedFile
  assert.equal(await printed(() => saved(text)), 'saved /out/a.txt · text/plain · 12 B\n')
  assert.equal(await printed(() => saved({ ...text, width: 640 })), 'saved /out/a.txt · text/plain · 12 B\n')
})

test('a warning about another name says how to replace the file that is there, unless that was wanted', () => {
  const renamed: string[] = []
  createSaveObserver(renamed, false).renamed('a-2.png', 'a.png')
  createSaveObserver(renamed, true).renamed('b-2.png', 'b.png')
  assert.deepEqual(renamed, [
    'a.png already exists with other content: the new file was saved as a-2.png. Set overwrite: true to replace existing files.',
    'b.png already exists with other content: the new file was saved as b-2.png. It could not be replaced.',
  ])
})

describe('the lines about retries of files', () => {
  const linesOf = async (reasons: readonly string[]) => {
    const { retrying } = createSaveObserver([], false)
    const text = await printed(() => {
      for (const reason of reasons) retrying('File 0', reason, 2)
    })
    return text.split('\n').slice(0, -1)
  }

  test('the same problem is printed three times', async () => {
    assert.deepEqual(await linesOf(['503', '503', '504', '503', '503']), [
      'fetching File 0 again in 2.0 s: 503',
      'fetching File 0 again in 2.0 s: 503',
      'fetching File 0 again in 2.0 s: 504',
      'fetching File 0 again in 2.0 s: 503',
    ])
  })

  test('after twenty different problems, no other one is printed', async () => {
    const many = Array.from({ length: 21 }, (_, i) => `problem ${i}`)
    assert.equal((await linesOf(many)).length, 20)
    assert.match((await linesOf([...many, 'problem 3'])).at(-1) ?? '', /problem 3$/)
    assert.equal((await linesOf([...many, 'problem 20'])).length, 20)
  })
})
