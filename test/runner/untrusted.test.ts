import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  maskableParts,
  oneLine,
  severalLines,
  untrustedBlock,
  withoutColons,
  withoutCommands,
} from '../../src/runner/untrusted.ts'
import { assertGrowsWithSize } from '../support/growth.ts'

describe('untrusted text on one line', () => {
  test('a line of untrusted text has no line end, control character, direction change or ##[', () => {
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
  test('a line of untrusted text that is too long is cut off', () => assert.equal(oneLine('abcdef', 3), 'abc…'))
  test('the time to clean a line grows with its length, even for a megabyte of blanks', () => {
    const block = (blanks: number) => () => untrustedBlock(Array(260).fill(`x${' '.repeat(blanks)}y`), '│ ')
    assertGrowsWithSize(block, 499)
  })
})

describe('a block of untrusted lines', () => {
  test('untrusted lines stand between stop-commands with a random token, each with a prefix', () => {
    const tokens = [1, 2].map(() => {
      const lines = untrustedBlock(['::set-output name=a::b', '##[add-path]/x'], '│ ').split('\n')
      const token = /^::stop-commands::([0-9a-f-]{36})$/.exec(lines[0] ?? '')?.[1]
      assert.deepEqual(lines.slice(1), ['│ ::set-output name=a::b', '│ ## [add-path]/x', `::${token}::`])
      return token
    })
    assert.notEqual(tokens[0], tokens[1])
  })
  test('a block without lines is empty', () => assert.equal(untrustedBlock([], '│ ', 'title'), ''))
  test('a block of untrusted lines may be a group, whose title has no line end and no command', () => {
    const lines = untrustedBlock(['x'], '│ ', 'logs of a::b\nc').split('\n')
    assert.deepEqual([lines[0], ...lines.slice(-2)], ['::group::logs of a: :b ⏎ c', lines.at(-2), '::endgroup::'])
    assert.equal(lines.length, 5)
  })
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

test('letters of every script, marks and emoji are kept', () => {
  for (const text of ['naïve', '内存不足', 'שלום', 'ไทย', 'e\u0301', '🎂']) assert.equal(oneLine(text), text)
})

test('blanks around line ends become one mark, and other blanks as many spaces', () => {
  assert.equal(oneLine('a \n\n \t b'), 'a ⏎ b')
  assert.equal(oneLine('a\u00a0\t b'), 'a   b')
  assert.equal(oneLine('a\u3000b'), 'a b')
  for (const end of '\r\n\v\f\u0085\u2028\u2029') assert.equal(oneLine(`a${end}b`), 'a ⏎ b')
})

test('a text of several lines keeps its lines, each cleaned like a single line', () => {
  assert.equal(severalLines('a\r\nb\rc\n##[error]\u202ed'), 'a\nb\nc\n## [error]d')
  assert.equal(severalLines('abcdef\nx', 3), 'abc…')
})

test('the text of a command has no two adjacent colons', () => {
  assert.equal(withoutColons('a::b:::c:d'), 'a: :b: : :c:d')
})

test('a secret with colons is masked in the parts between them', () => {
  assert.deepEqual(maskableParts(':::abc::def:::g:h').filter(Boolean), ['abc', 'def', 'g:h'])
  assert.deepEqual(maskableParts('abc:def'), ['abc:def'])
})

test('a line is never a command, neither at its start after blanks nor inside', () => {
  const lines = { '::a': ': :a', ' \t\u0085::a': ' \t\u0085: :a', 'a ##[b': 'a ## [b' }
  for (const [line, harmless] of Object.entries(lines)) assert.equal(withoutCommands(line), harmless)
  for (const line of [':a', 'see a::b', 'a ::b']) assert.equal(withoutCommands(line), line)
})
