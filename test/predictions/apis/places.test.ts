import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { all, at, each, errorMessage, file, first, text } from '../../../src/predictions/apis/places.ts'
import { parseJson } from '../../../src/predictions/json/parse.ts'

const link = (name: string) => `https://files.example/${name}`

describe('a place in JSON', () => {
  const json = { a: { b: 1 }, list: [{ n: 1 }, { n: null }, {}, { n: 2 }], none: null }

  test('a path of keys finds the value at its end', () => assert.deepEqual(at('a.b')(json), [1]))
  test('an empty path finds the JSON itself', () => assert.deepEqual(at('')(json), [json]))
  test('an asterisk in a path finds every item of a list except missing ones and null', () => {
    assert.deepEqual(at('list.*.n')(json), [1, 2])
    assert.deepEqual(at('list.*')([]), [])
    assert.deepEqual(at('*')([1, null, undefined, 2]), [1, 2])
  })
  test('a path finds nothing where a value is missing, null or not an object', () => {
    for (const path of ['x', 'none', 'none.x', 'a.b.c', 'a.*', 'list.n', 'list.length', '*'])
      assert.deepEqual(at(path)(json), [], path)
    assert.deepEqual(at('')(null), [])
  })
  test('a key of a path matches snake case and camel case, its own spelling first', () => {
    assert.deepEqual(at('video_url')({ videoUrl: 1 }), [1])
    assert.deepEqual(at('videoUrl')({ video_url: 1 }), [1])
    assert.deepEqual(at('task_result.last_frame_url')({ taskResult: { lastFrameUrl: 1 } }), [1])
    assert.deepEqual(at('video_url')({ videoUrl: 1, video_url: 2 }), [2])
    assert.deepEqual(at('video_url')({ videoUrl: 1, video_url: null }), [1])
    assert.deepEqual(at('video_url')({ VideoUrl: 1, videourl: 1 }), [])
  })
  test('a path does not find what every object inherits', () => {
    for (const path of ['constructor', '__proto__', 'toString']) assert.deepEqual(at(path)(json), [], path)
  })
})

describe('the files at a place', () => {
  test('the files at a place are its URLs and data: URIs', () => {
    const values = [link('a'), 'data:,x', 'no file', 5, null, ` ${link('b')}`]
    assert.deepEqual(file('*')(values), [link('a'), 'data:,x'])
  })
})

describe('the texts at a place', () => {
  test('the texts at a place are trimmed, and blank ones are left out', () => {
    assert.deepEqual(text('*')([' a\n', '', ' \n', 'b']), ['a', 'b'])
  })
  test('a number at a place is read as text, digit for digit', () => {
    assert.deepEqual(text('*')([0, 1.5]), ['0', '1.5'])
    assert.deepEqual(text('id')(parseJson('{"id":12345678901234567890}').value), ['12345678901234567890'])
  })
  test('a boolean, an object or a list at a place is not read as text', () =>
    assert.deepEqual(text('*')([true, {}, [], ['a']]), []))
})

describe('the error messages at a place', () => {
  test('error messages at a place are read from texts and from objects', () => {
    assert.deepEqual(errorMessage('*')([' a ', { message: 'b' }, { detail: 'c' }]), ['a', 'b', 'c'])
  })
  test('an empty error at a place gives no message', () => {
    assert.deepEqual(errorMessage('*')(['', false, {}, { code: 0, message: '' }]), [])
  })
})

describe('several places', () => {
  const json = { b: 'B', c: 'C', list: [{ b: 'x' }, { c: 'y' }, { b: 'z', c: 'w' }] }

  test('the first of several places that has values gives them', () => {
    assert.deepEqual(first(text('a'), text('b'), text('c'))(json), ['B'])
    assert.deepEqual(first(text('a'))(json), [])
  })
  test('the values of several places are joined in the order of the places', () => {
    assert.deepEqual(all(text('c'), text('a'), text('b'))(json), ['C', 'B'])
  })
  test('several places are read in every item of a list', () => {
    assert.deepEqual(each('list.*', first(text('b'), text('c')))(json), ['x', 'y', 'z'])
  })
})
