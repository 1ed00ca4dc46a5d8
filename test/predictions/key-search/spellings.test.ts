import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  entityAt,
  hexadecimalAt,
  KINDS,
  LONGEST_UNIT,
  NESTED,
  NO_CODE,
  ORDINARY,
  SEQUENCE,
  SPELLS,
  UNSEEN,
  UNUSUAL,
} from '../../../src/predictions/key-search/spellings.ts'

describe('a character', () => {
  test('a control, ignorable or direction character is invisible, but white space is not', () => {
    for (const character of [
      '\0',
      '\b',
      '\x0e',
      '\x1b',
      '\x7f',
      '\x9b',
      '\u00ad',
      '\u200b',
      '\u202e',
      '\ufeff',
      '\u{e0041}',
    ])
      assert.ok(UNSEEN.test(character), JSON.stringify(character))
    for (const character of ['\t', '\n', '\v', '\f', '\r', ' ', 'a', '[', 't', '\\', '\u00e9', '\u3000', '\u{1f511}'])
      assert.ok(!UNSEEN.test(character), JSON.stringify(character))
  })

  test('an ASCII character is ordinary, invisible or the start of a spelling', () => {
    for (const [code, kind] of KINDS.entries()) {
      const character = String.fromCharCode(code)
      if ('\\%&\x1b'.includes(character)) assert.equal(kind, SPELLS, character)
      else if (/[ -~\t-\r]/.test(character)) assert.equal(kind, ORDINARY, character)
      else assert.ok(kind !== ORDINARY && kind !== SPELLS, `${code}`)
    }
    assert.equal(KINDS.length, 128)
  })

  test('a text is unusual if it has escapes, percent-encoding, entities or invisible characters', () => {
    for (const text of [
      '\\',
      '%0a',
      '%AF',
      'a&#b',
      '&amp;',
      '&lt;',
      '&gt;',
      '&quot;',
      '&apos;',
      '&QUOT;',
      '\0',
      '\u200b',
    ])
      assert.ok(UNUSUAL.test(`x${text}y`), text)
    for (const text of [
      '%',
      '%g0',
      '%0',
      '&',
      '&amp',
      '&am;',
      'amp;',
      '& #',
      '&nbsp;',
      '\n\t\r',
      '\u00e9\u{1f511}',
      '#',
    ])
      assert.ok(!UNUSUAL.test(text), text)
  })
})

describe('a sequence of a terminal', () => {
  const lengthOf = (text: string) => {
    SEQUENCE.lastIndex = 1
    return SEQUENCE.test(`x${text}`) ? SEQUENCE.lastIndex - 1 : undefined
  }

  test('a terminal sequence is skipped to its end', () => {
    for (const sequence of [
      '\x1b[m',
      '\x1b[0;31m',
      '\x1b[38;5;200~',
      '\x1b[?25 q',
      '\x1b[2@',
      '\x9b1m',
      '\x9bK',
      `\x1b[${'1'.repeat(40)}${' '.repeat(4)}m`,
      '\x1b]0;title\x07',
      '\x1b]8;;\x1b\\',
      '\x1b]8;;x\x9c',
      `\x1b]${'x'.repeat(56)}\x07`,
      '\x1b(B',
      '\x1b7',
      '\x1bc',
      '\x1b    ~',
    ]) {
      for (const after of ['', 'm', '9', '\x07'])
        assert.equal(lengthOf(sequence + after), sequence.length, JSON.stringify(sequence + after))
    }
  })

  test('a terminal sequence without an end, or longer than any, is not skipped', () => {
    for (const text of ['x\x1b[m', '\x1b', '\x9b', '\x9b1', '\x1b(', '\x1b     ~', '[0m', '\x9b\u00e9', '\x1b\n'])
      assert.equal(lengthOf(text), undefined, JSON.stringify(text))
    // What is left is a short sequence.
    for (const text of [
      `\x1b[${'1'.repeat(41)}m`,
      '\x1b[     m',
      `\x1b]${'x'.repeat(57)}\x07`,
      '\x1b]x',
      '\x1b]x\x1bm',
      '\x1b]\x9cx',
    ])
      assert.equal(lengthOf(text), text === '\x1b]\x9cx' ? 3 : 2, JSON.stringify(text))
  })

  test('terminal sequences and nested entities are shorter than the longest unit', () => {
    const longest = Math.max(1 + '#x000026;'.length * (NESTED + 1), 2 + 56 + 2, 2 + 40 + 4 + 1)
    assert.ok(longest < LONGEST_UNIT)
    assert.equal(Math.log2(LONGEST_UNIT) % 1, 0)
  })
})

test('hexadecimal digits are read as a code, or as none', () => {
  assert.equal(hexadecimalAt('x0073', 1, 4), 0x73)
  assert.equal(hexadecimalAt('aF9', 0, 2), 0xaf)
  assert.equal(hexadecimalAt('abcdef', 2, 4), 0xcdef)
  assert.equal(hexadecimalAt('0000', 0, 2), 0)
  for (const text of ['', '7', '7g', 'g7', '7\u00e9', '-7', ' 7', '+7', '7 '])
    assert.equal(hexadecimalAt(text, 0, 2), NO_CODE, text)
})

test('entities are read as a code and an end, or as none', () => {
  for (const [entity, code] of [
    ['#115;', 115],
    ['#0000115;', 115],
    ['#0;', 0],
    ['#x73;', 0x73],
    ['#X00007F;', 0x7f],
    ['#xaF;', 0xaf],
    ['amp;', 0x26],
    ['AMP;', 0x26],
    ['lt;', 0x3c],
    ['gt;', 0x3e],
    ['quot;', 0x22],
    ['apos;', 0x27],
  ] as const)
    for (const after of ['', ';', 'x'])
      assert.deepEqual(entityAt(`&${entity}${after}`, 1), { code, end: 1 + entity.length }, entity)
  for (const text of [
    '',
    '#;',
    '#x;',
    '#00000115;',
    '#x0000073;',
    '#11',
    '#xg;',
    '#1a;',
    'amp',
    'nbsp;',
    'x#115;',
    '&amp;',
    '#-1;',
  ])
    assert.equal(entityAt(text, 0).code, NO_CODE, text)
})
