import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { all, at, each, errorMessage, file, first, text } from '../../../src/predictions/apis/places.ts'
import { parseJson } from '../../../src/predictions/json/parse.ts'

const link = (name: string) => `https://files.example/${name}`

describe('a place in JSON', () => {
  const json = { a: { b: 1 }, list: [{ n: 1 }, { n: null }, {}, { n: 2 }], none: null }

  test('is a path of keys', () => assert.deepEqual(at('a.b')(json), [1]))
  test('is the JSON itself if the path is empty', () => assert.deepEqual(at('')(json), [json]))
  test('is every item of a list, of which missing ones and null are left out', () => {
    assert.deepEqual(at('list.*.n')(json), [1, 2])
    assert.deepEqual(at('list.*')([]), [])
    assert.deepEqual(at('*')([1, null, undefined, 2]), [1, 2])
  })
  test('has nothing where a key is missing, null or no object', () => {
    for (const path of ['x', 'none', 'none.x', 'a.b.c', 'a.*', 'list.n', 'list.length', '*'])
      assert.deepEqual(at(path)(json), [], path)
    assert.deepEqual(at('')(null), [])
  })
  test('has its keys in snake case or in camel case, first as they are written', () => {
    assert.deepEqual(at('video_url')({ videoUrl: 1 }), [1])
    assert.deepEqual(at('videoUrl')({ video_url: 1 }), [1])
    assert.deepEqual(at('task_result.last_frame_url')({ taskResult: { lastFrameUrl: 1 } }), [1])
    assert.deepEqual(at('video_url')({ videoUrl: 1, video_url: 2 }), [2])
    assert.deepEqual(at('video_url')({ videoUrl: 1, video_url: null }), [1])
    assert.deepEqual(at('video_url')({ VideoUrl: 1, videourl: 1 }), [])
  })
  test('is not what every object inherits', () => {
    for (const path of ['constructor', '__proto__', 'toString']) assert.deepEqual(at(path)(json), [], path)
  })
})

describe('the files at a place', () => {
  test('are URLs and data: URIs', () => {
    const values = [link('a'), 'data:,x', 'no file', 5, null, ` ${link('b')}`]
    assert.deepEqual(file('*')(values), [link('a'), 'data:,x'])
  })
})

describe('the texts at a place', () => {
  test('are trimmed, and none if they are blank', () => {
    assert.deepEqual(text('*')([' a\n', '', ' \n', 'b']), ['a', 'b'])
  })
  test('are also numbers, digit for digit', () => {
    assert.deepEqual(text('*')([0, 1.5]), ['0', '1.5'])
    assert.deepEqual(text('id')(parseJson('{"id":12345678901234567890}').value), ['12345678901234567890'])
  })
  test('are no other values', () => assert.deepEqual(text('*')([true, {}, [], ['a']]), []))
})

describe('the error messages at a place', () => {
  test('are texts, and those inside objects', () => {
    assert.deepEqual(errorMessage('*')([' a ', { message: 'b' }, { detail: 'c' }]), ['a', 'b', 'c'])
  })
  test('are none where the error is empty', () => {
    assert.deepEqual(errorMessage('*')(['', false, {}, { code: 0, message: '' }]), [])
  })
})

describe('several places', () => {
  const json = { b: 'B', c: 'C', list: [{ b: 'x' }, { c: 'y' }, { b: 'z', c: 'w' }] }

  test('have what the first of them has', () => {
    assert.deepEqual(first(text('a'), text('b'), text('c'))(json), ['B'])
    assert.deepEqual(first(text('a'))(json), [])
  })
  test('have what all of them have, in their order', () => {
    assert.deepEqual(all(text('c'), text('a'), text('b'))(json), ['C', 'B'])
  })
  test('are looked at in every item of a list', () => {
    assert.deepEqual(each('list.*', first(text('b'), text('c')))(json), ['x', 'y', 'z'])
  })
})
