import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  binaryClaim,
  byClaim,
  extensionOf,
  namesOf,
  refined,
  withSuffix,
} from '../../../src/predictions/files/extensions.ts'

const url = (text: string) => new URL(text, 'https://files.example.com')
const given = (disposition: string) => namesOf(disposition, [])

describe('the names of a file', () => {
  test('the names of a file are read from Content-Disposition, the query and the end of the path', () => {
    assert.deepEqual(namesOf('attachment; filename="a b.png"', [url('/x/%E8%9B%8B.webp?filename=c.gif'), url('/y')]), [
      'a b.png',
      'c.gif',
      '/x/蛋.webp',
      '/y',
    ])
    assert.deepEqual(namesOf(undefined, [url('/100%.png')]), ['/100%.png'])
  })
  test('the name in Content-Disposition is read in each of its forms', () => {
    for (const [header, name] of [
      ['attachment; filename=a.png', 'a.png'],
      ['attachment;filename=a.png; size=3', 'a.png'],
      ['filename = "a;b.png"', 'a;b.png'],
      ['inline; FILENAME=a.png', 'a.png'],
      ["attachment; filename=b.png; filename*=UTF-8''%E8%9B%8B%20x.png", '蛋 x.png'],
      ["attachment; filename* = utf-8'en'a.png; size=3", 'a.png'],
      ["attachment; filename*=''100%.png", '100%.png'],
      ["attachment;filename*=UTF-8''a.png", 'a.png'],
      ["filename*=UTF-8''a.png", 'a.png'],
    ] as const) {
      assert.deepEqual(given(header), [name], header)
    }
  })
  test('a Content-Disposition header without a name gives none', () => {
    for (const header of ['attachment', 'attachment; myfilename=a.png', 'attachment; filename=', 'filename=""']) {
      assert.deepEqual(given(header), [], header)
    }
    assert.deepEqual(given(`${'x'.repeat(5000)}; filename=a.png`), [])
  })
})

describe('the extension of a name', () => {
  test('the extension of a name is its last part, in lower case', () => {
    for (const [name, extension] of [
      ['a.b.PNG', 'png'],
      ['a.mp4', 'mp4'],
      ['a.7z', '7z'],
      [`a.${'x'.repeat(16)}`, 'x'.repeat(16)],
    ] as const)
      assert.equal(extensionOf(name), extension)
  })
  test('the extension of a compressed file has two parts if the first says what is in it', () => {
    assert.equal(extensionOf('a.TAR.GZ'), 'tar.gz')
    assert.equal(extensionOf('a.jsonl.zst'), 'jsonl.zst')
    assert.equal(extensionOf('a.png.gz'), 'gz')
    assert.equal(extensionOf('tar.gz'), 'gz')
  })
  test('a name has no extension if its last part is a number, too long or no word', () => {
    for (const name of ['a', 'a.', 'v1.5', 'a.p-g', `a.${'x'.repeat(17)}`, 'a.png/', 'a.tar.gz?'])
      assert.equal(extensionOf(name), undefined, name)
  })
})

describe('the name of a file', () => {
  const named = (...names: string[]) => ({ type: '', names })
  test('the extension of a name refines the container that the content shows', () => {
    for (const [known, name, extension] of [
      ['gz', 'a.tar.gz', 'tar.gz'],
      ['gz', 'a.svgz', 'svgz'],
      ['gz', 'a.tgz', 'tgz'],
      ['json', 'a.ipynb', 'ipynb'],
      ['json', 'a.jsonl', 'jsonl'],
      ['zip', 'a.pth', 'pth'],
      ['zip', 'a.epub', 'epub'],
    ] as const)
      assert.equal(refined(known, named(name)), extension)
  })
  test('the extension of a name does not override the content', () => {
    for (const [known, name] of [
      ['zip', 'a.tgz'],
      ['gz', 'a.pth'],
      ['png', 'a.jpg'],
      ['png', 'a'],
      ['gz', 'a.xgz'],
    ] as const)
      assert.equal(refined(known, named(name)), known)
  })
  test('the first name that has an extension counts', () => {
    assert.equal(refined('zip', named('a', 'b.pth', 'c.epub')), 'pth')
  })
})

describe('the claim about a file', () => {
  const claim = (type: string, name: string, isText = false) =>
    Object.values(byClaim({ type, names: [name] }, isText)).join(' ')
  test('a file claims to be what its content type says, if that is known', () => {
    assert.equal(claim('image/jpeg', 'a.png'), 'image/jpeg jpg')
    assert.equal(claim('application/zip', 'a.pth'), 'application/zip pth')
  })
  test('a file claims to be what its name says if the content type says nothing', () => {
    for (const type of ['', 'application/octet-stream', 'binary/octet-stream'])
      assert.equal(claim(type, 'a.mp4'), 'video/mp4 mp4')
    assert.equal(claim('', 'a.zzz'), 'application/octet-stream zzz')
    assert.equal(claim('binary/octet-stream', 'a.zzz'), 'binary/octet-stream zzz')
    assert.equal(claim('', 'a.txt'), 'text/plain txt')
    assert.equal(claim('', 'a.jpg'), 'image/jpeg jpg')
  })
  test('a content type that is not known is kept, with the extension of the name, else of the type', () => {
    assert.equal(claim('image/x-foo', 'a.bar'), 'image/x-foo bar')
    assert.equal(claim('image/x-foo', ''), 'image/x-foo foo')
    assert.equal(claim('audio/vnd.foo', ''), 'audio/vnd.foo foo')
    assert.equal(claim('application/x-foo', ''), 'application/x-foo bin')
    assert.equal(claim('x-image/foo', ''), 'x-image/foo bin')
    assert.equal(claim('image/foo+x', ''), 'image/foo+x bin')
  })
  test('a text type without a name gets the extension txt only if the content is text too', () => {
    assert.equal(claim('text/x-foo', '', true), 'text/x-foo txt')
    assert.equal(claim('text/x-foo', '', false), 'text/x-foo bin')
    assert.equal(claim('', '', true), 'application/octet-stream bin')
  })
})

test('a claim to be a picture, a video, a sound or an archive is a binary claim', () => {
  const says = (type: string, name: string) => binaryClaim({ type, names: [name] })
  for (const type of ['image/png', 'video/mp4', 'audio/mpeg']) assert.equal(says(type, 'a.txt'), type)
  for (const name of ['a.mp4', 'a.opus', 'a.tar.gz', 'a.safetensors'])
    assert.equal(says('text/plain', name), name.slice(2))
  for (const type of [
    'image/svg+xml',
    'audio/x-mpegurl',
    'audio/x-scpls',
    'image/x-xpixmap',
    'image/x-xbitmap',
    'x-image/png',
    'application/json',
    '',
  ])
    assert.equal(says(type, 'a.txt'), undefined, type)
})

test('a suffix of a name comes before its extension, however many parts that has', () => {
  for (const [name, wanted] of [
    ['a.png', 'a-2.png'],
    ['a.b.PNG', 'a.b-2.PNG'],
    ['a.tar.gz', 'a-2.tar.gz'],
    ['scan.nii.gz', 'scan-2.nii.gz'],
    ['v1.0', 'v1.0-2'],
    ['a', 'a-2'],
  ] as const) {
    assert.equal(withSuffix(name, '-2'), wanted)
  }
})
