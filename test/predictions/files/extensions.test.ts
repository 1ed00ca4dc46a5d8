import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { namesOf } from '../../../src/predictions/files/extensions.ts'

const url = (text: string) => new URL(text, 'https://files.example.com')
const given = (disposition: string) => namesOf(disposition, [])

describe('the names of a file', () => {
  test('stand in Content-Disposition, in the query, and at the end of the path', () => {
    assert.deepEqual(namesOf('attachment; filename="a b.png"', [url('/x/%E8%9B%8B.webp?filename=c.gif'), url('/y')]), [
      'a b.png',
      'c.gif',
      '/x/蛋.webp',
      '/y',
    ])
    assert.deepEqual(namesOf(undefined, [url('/100%.png')]), ['/100%.png'])
  })
  test('are read from a header in each of its forms', () => {
    for (const [header, name] of [
      ['attachment; filename=a.png', 'a.png'],
      ['attachment;filename=a.png; size=3', 'a.png'],
      ['filename = "a;b.png"', 'a;b.png'],
      ['inline; FILENAME=a.png', 'a.png'],
      ["attachment; filename=b.png; filename*=UTF-8''%E8%9B%8B%20x.png", '蛋 x.png'],
      ["attachment; filename* = utf-8'en'a.png; size=3", 'a.png'],
      ["attachment; filename*=''100%.png", '100%.png'],
    ] as const) {
      assert.deepEqual(given(header), [name], header)
    }
  })
  test('are none in a header without one', () => {
    for (const header of ['attachment', 'attachment; myfilename=a.png', 'attachment; filename=', 'filename=""']) {
      assert.deepEqual(given(header), [], header)
    }
    assert.deepEqual(given(`${'x'.repeat(5000)}; filename=a.png`), [])
  })
})
