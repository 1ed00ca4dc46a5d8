import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import { isSvg, isText, isTextMedia } from '../../../src/predictions/files/file-kind.ts'

const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')

describe('the start of a file', () => {
  test('content in UTF-8 is text, also if it is cut off within a character', () => {
    for (const text of ['', 'cake', 'gâteau 蛋糕', 'a\tb\r\n\v\f\x1b[1m']) assert.ok(isText(Buffer.from(text)), text)
    assert.ok(isText(Buffer.from('蛋糕').subarray(0, 4)))
    assert.equal(isText(Buffer.of(0x61, 0xff, 0x61)), false)
  })
  test('content in UTF-16 with a byte order mark is text if most of it is ASCII', () => {
    const little = utf16('a cake, baked')
    assert.ok(isText(little))
    assert.ok(isText(Buffer.from(little).swap16()))
    assert.ok(isText(Buffer.concat([Buffer.from(little).swap16(), Buffer.of(0)])))
    assert.ok(!isText(utf16('蛋糕蛋糕a')))
    assert.ok(!isText(Buffer.from(utf16('蛋糕蛋糕a')).swap16()))
    assert.ok(!isText(utf16('a\0cake')))
    assert.ok(!isText(Buffer.of(0xff, 0xd8, 0xff, 0xe0)))
    assert.ok(!isText(Buffer.of(0xfe, 0x61, 0x62, 0x63)))
    assert.ok(!isText(Buffer.of(0xff)))
    for (const mark of [[0xff, 0x61], [0xfe, 0x61], [0x61, 0xfe], [0x61, 0xff], []]) {
      assert.ok(!isText(Buffer.concat([Buffer.from(mark), little.subarray(2)])), `little endian, ${mark}`)
      assert.ok(!isText(Buffer.concat([Buffer.from(mark), Buffer.from(little).swap16().subarray(2)])), `big, ${mark}`)
    }
  })
  test('content that begins like markup or JSON is text in any encoding that extends ASCII', () => {
    for (const start of ['<html', ' <!doctype', '\n<?xml', '{"a', '[1']) {
      assert.ok(isText(Buffer.concat([Buffer.from(start), Buffer.of(0xe9, 0x61)])), start)
    }
    for (const start of ['x<html', '< html', '(a']) {
      assert.ok(!isText(Buffer.concat([Buffer.from(start), Buffer.of(0xe9, 0x61)])), start)
    }
  })
  test('content with a control character is not text', () => {
    for (const code of [0, 7, 8, 0x0e, 0x1a, 0x1c, 0x1f, 0x7f]) assert.ok(!isText(Buffer.of(0x61, code)), String(code))
    for (const code of [9, 10, 11, 12, 13, 0x1b, 0x20]) assert.ok(isText(Buffer.of(0x61, code)), String(code))
  })
})

test('a text format for pictures or playlists is recognized by its first characters', () => {
  const media = [
    'P1\n',
    'P7 ',
    'Pf\n',
    '#?RADIANCE',
    '#?RGBE',
    '/* XPM */',
    '#define a_width 3',
    '#EXTM3U',
    '[playlist]',
  ]
  for (const start of media) assert.ok(isTextMedia(Buffer.from(start)), start)
  for (const start of ['P8 ', 'P1x', ' P1 ', '#?R', '#define a', 'EXTM3U', 'playlist']) {
    assert.ok(!isTextMedia(Buffer.from(start)), start)
  }
})

test('an SVG is recognized by its root element after a prolog, comments and a document type', () => {
  for (const start of [
    '<svg>',
    '<SVG xmlns="x">',
    '\ufeff <?xml version="1.0"?>\n<!-- a <b> --> <!DOCTYPE svg PUBLIC "x">\n<svg\n>',
  ]) {
    assert.ok(isSvg(Buffer.from(start)), start)
  }
  for (const start of ['<html><svg>', 'x<svg>', '<svgs>', '<!DOCTYPE html><svg>', '<!-- <svg> ']) {
    assert.ok(!isSvg(Buffer.from(start)), start)
  }
})
