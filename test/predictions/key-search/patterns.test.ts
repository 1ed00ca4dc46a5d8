import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { base64Cores, inFull, Patterns, plain } from '../../../src/predictions/key-search/patterns.ts'

const codes = (text: string) => [...text].map((character) => (character === '.' ? 0xff : character.charCodeAt(0)))

describe('the pattern', () => {
  test('the pattern of a key has both cases', () => {
    assert.deepEqual(plain('sk-Ab1'), { texts: ['sk-ab1', 'SK-AB1'] })
  })

  test('the pattern of base64 has both alphabets, and that of hexadecimal digits has both cases', () => {
    assert.deepEqual(inFull('a+b/c+/'), { texts: ['a+b/c+/', 'a-b_c-_'], needed: 7, anywhere: false })
    assert.deepEqual(inFull('0a9f'), { texts: ['0a9f', '0A9F'], needed: 4, anywhere: false })
    for (const text of ['0a9fg', 'g0a9f', 'ABCD']) assert.deepEqual(inFull(text).texts, [text, text])
  })

  test('the pattern of a key in base64 is what the key alone decides, at each alignment', () => {
    assert.deepEqual(base64Cores('abc'), ['YWJj', 'FiY', 'hYm'])
    assert.deepEqual(base64Cores('abcdef'), ['YWJjZGVm', 'FiY2RlZ', 'hYmNkZW'])
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), fc.nat(9), fc.string(), (random, before, after) => {
        const key = random.replaceAll(/[^!-~]/g, 'x')
        const encoded = Buffer.from(`${'?'.repeat(before)}${key}${after}`).toString('base64')
        const core = base64Cores(key)[before % 3] ?? ''
        assert.equal(encoded.indexOf(core, Math.ceil((8 * before) / 6)), Math.ceil((8 * before) / 6))
      }),
    )
  })
})

describe('the table of patterns', () => {
  const table = new Patterns([
    { texts: ['abcd', 'ABCD'], needed: 4, anywhere: false },
    { texts: ['xyzx', 'XYZX'], needed: 3, anywhere: true },
  ])
  const pair = (text: string) => table.idle[text.charCodeAt(0) * 128 + text.charCodeAt(1)]

  test('the table has an entry for each character, and an empty one on each side of a pattern', () => {
    assert.equal(table.size, 11)
    assert.deepEqual([...table.first], codes('.abcd.xyzx.'))
    assert.deepEqual([...table.second], codes('.ABCD.XYZX.'))
    assert.deepEqual([...table.needed], [0, 4, 4, 4, 4, 0, 3, 3, 3, 3, 0])
  })

  test('the table lists where a match can begin', () => {
    const starts = Object.fromEntries(table.starts.flatMap((at, code) => (at.length > 0 ? [[code, at]] : [])))
    assert.deepEqual(starts, { 65: [1], 97: [1], 88: [6, 9], 120: [6, 9], 89: [7], 121: [7], 90: [8], 122: [8] })
  })

  test('the table lists the pairs of characters that no match begins with', () => {
    for (const text of ['ab', 'aB', 'Ab', 'CD', 'yz', 'zx', 'ZX']) assert.equal(pair(text), 0, text)
    for (const text of ['ba', 'dx', 'ax', 'xz', '  ', '\t\n', '~!', 'a-']) assert.equal(pair(text), 1, text)
    const other = new Patterns([{ texts: ['12', '12'], needed: 2, anywhere: false }])
    assert.equal(other.idle[0x61 * 128 + 0x62], 1, 'those of another table')
    // What begins a spelling, or is not seen, is not skipped.
    for (const text of ['\\a', 'a\\', '%a', ' %', '&a', '\x1ba', 'a\x1b', '\0a', 'a\0', '\x7f ', '%%'])
      assert.equal(pair(text), 0, JSON.stringify(text))
  })

  test('a pattern is not in a plain text that has too few of its characters in a row', () => {
    for (const text of [
      '',
      'a',
      'ab',
      'xy',
      'ab xy ab xy ab',
      'ab bc cd',
      'acbd xz yy zy',
      'aab bbc ccd',
      'the quick brown fox jumps over the lazy dog\n',
      'abyz',
      '`\u00e2c',
      '\u4e00\u00e9\u{1f511}',
      '100 % & more',
    ])
      assert.equal(table.mayBeIn(text), false, JSON.stringify(text))
  })

  test('a pattern may be in a text that has enough of its characters in a row, wherever they are', () => {
    for (const part of ['xyz', 'XYZ', 'yzx', 'bcd', 'aBc', 'abcd', 'xyzxyzxyz'])
      for (let at = 0; at < 8; at++)
        for (const text of [`${' '.repeat(at)}${part}`, `${'ab '.repeat(at)}${part} ${'\u00e9'.repeat(at)}`])
          assert.equal(table.mayBeIn(text), true, JSON.stringify(text))
  })

  test('a pattern may be in a text that has other spellings', () => {
    for (const text of ['a\\b', 'a%41', 'a%4f', 'a&#', 'a&amp;', 'a&QUOT;', 'a\u200b', 'a\0', '\u{e0041}', '\x1b'])
      assert.equal(table.mayBeIn(text), true, JSON.stringify(text))
  })
})
