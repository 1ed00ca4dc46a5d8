import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { oneLine, untrustedBlock } from '../../src/runner/untrusted.ts'
import { assertGrowsWithSize } from '../support/growth.ts'

describe('foreign text on one line', () => {
  test('has no line end, no control character, no direction change and no ##[', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('\r', '\n', '\u2028', '\u001b[2J', '\u202e', '##[', '#', '[', '::', 'a', '\ud800', '\0'),
    })
    fc.assert(
      fc.property(hostile, (text) => {
        const line = oneLine(text)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
        assert.doesNotMatch(line, /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]|##\[/)
        assert.ok(line.isWellFormed())
      }),
    )
  })
  test('is cut where it is too long', () => assert.equal(oneLine('abcdef', 3), 'abc…'))
  test('takes a time that grows with its length, also if that is a megabyte of blanks', () => {
    const block = (blanks: number) => () => untrustedBlock(Array(260).fill(`x${' '.repeat(blanks)}y`), '│ ')
    assertGrowsWithSize(block, 499)
  })
})

describe('a block of foreign lines', () => {
  test('stands between a stop word nobody can know and its end, every line with a prefix', () => {
    const tokens = [1, 2].map(() => {
      const lines = untrustedBlock(['::set-output name=a::b', '##[add-path]/x'], '│ ').split('\n')
      const token = /^::stop-commands::([0-9a-f-]{36})$/.exec(lines[0] ?? '')?.[1]
      assert.deepEqual(lines.slice(1), ['│ ::set-output name=a::b', '│ ## [add-path]/x', `::${token}::`])
      return token
    })
    assert.notEqual(tokens[0], tokens[1])
  })
  test('is nothing where there are no lines', () => assert.equal(untrustedBlock([], '│ '), ''))
})

test('no invisible and no direction-changing character is left in a line', () => {
  const hidden = [
    '\u061c',
    '\u200b',
    '\u200d',
    '\u200e',
    '\u202e',
    '\u2060',
    '\u2066',
    '\u00ad',
    '\ufeff',
    '\u{e0041}',
    '\ufff9',
  ]
  for (const character of [...hidden, '\0', '\u0085', '\u009b']) {
    assert.equal(oneLine(`a${character}b`).replace(' ⏎ ', ''), 'ab', `U+${character.codePointAt(0)?.toString(16)}`)
  }
  assert.equal(oneLine('##\u200b[add-path]x'), '## [add-path]x')
})

test('letters of every script, marks, emoji and wide blanks are kept', () => {
  for (const text of ['naïve', '内存不足', 'שלום', 'ไทย', 'e\u0301', '🎂', 'a\u3000b'.replace('\u3000', ' ')])
    assert.equal(oneLine(text), text)
})
