import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import type { Range } from '../../../src/predictions/key-search/scan.ts'
import { createKeySearch } from '../../../src/predictions/key-search/search.ts'

const KEY = 'sk-Test-0123456789abcdef'
const search = createKeySearch(KEY)

/** Writes each character of the key in a way of its own. */
const written = (write: (code: number, character: string) => string, key = KEY) =>
  [...key].map((character) => write(character.charCodeAt(0), character)).join('')
const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0')
/** Writes one character of the key in another way, and the others as they are. */
const withOne = (at: number, spelling: string) => KEY.slice(0, at) + spelling + KEY.slice(at + 1)
const splitBy = (separator: string) => [...KEY].join(separator)

const SPELLINGS: Readonly<Record<string, string>> = {
  'in plain': KEY,
  'in capital letters': KEY.toUpperCase(),
  'in small letters': KEY.toLowerCase(),
  'as escapes of JSON': written((code) => `\\u${hex(code, 4)}`),
  'as escapes of JSON with a capital U': written((code) => `\\U${hex(code, 4).toUpperCase()}`),
  'with backslashes': splitBy('\\'),
  'with several backslashes': splitBy('\\\\\\'),
  'percent-encoded': written((code) => `%${hex(code, 2)}`),
  'percent-encoded in capital letters': written((code) => `%${hex(code, 2).toUpperCase()}`),
  'percent-encoded nine times': written((code) => `%${'25'.repeat(8)}${hex(code, 2)}`),
  'as decimal entities': written((code) => `&#${code};`),
  'as decimal entities with zeros': written((code) => `&#${String(code).padStart(7, '0')};`),
  'as hexadecimal entities': written((code) => `&#x${hex(code, 2)};`),
  'as entities with capital letters': written((code) => `&#X${hex(code, 6).toUpperCase()};`),
  'as entities in entities': written((code) => `&amp;#38;#x26;#${code};`),
  'as entities nine times': withOne(0, `&${'amp;'.repeat(8)}#115;`),
  'with one escape at its start': withOne(0, '\\u0073'),
  'with one escape at its end': withOne(KEY.length - 1, '%66'),
  'split by zero-width spaces': splitBy('\u200b'),
  'split by soft hyphens and NUL': splitBy('\u00ad\0'),
  'split by characters beyond the basic plane': splitBy('\u{e0041}'),
  'split by colors of a terminal': splitBy('\x1b[38;5;200m'),
  'split by 8-bit sequences of a terminal': splitBy('\x9b1m'),
  'split by titles of a terminal': splitBy('\x1b]0;a title\x07'),
  'split by links of a terminal': splitBy('\x1b]8;;\x1b\\'),
  'split by short sequences of a terminal': splitBy('\x1b(B'),
  'in hexadecimal': Buffer.from(KEY).toString('hex'),
  'in hexadecimal with capital letters': Buffer.from(KEY).toString('hex').toUpperCase(),
}

/** Where a form stands in a text of which it is a part. */
const rangeOf = (form: string, text: string): Range => [text.indexOf(form), text.indexOf(form) + form.length]

async function assertFound(text: string, ranges: Range[], label: string) {
  assert.deepEqual(search.whole(text), ranges, `whole: ${label}`)
  assert.deepEqual(search.pieces(text), ranges, `pieces: ${label}`)
  assert.deepEqual(await search.later.whole(text), ranges, `whole, later: ${label}`)
  assert.deepEqual(await search.later.pieces(text), ranges, `pieces, later: ${label}`)
}

describe('the search for a key', () => {
  for (const [name, form] of Object.entries(SPELLINGS)) {
    test(`the search finds exactly the characters of a key that is written ${name}`, async () => {
      for (const [before, after] of [
        ['', ''],
        ['Bearer ', '. Use another key'],
        ['sk-', '-0123'],
        ['\u00e9', '\u{1f511}'],
      ] as const) {
        const text = before + form + after
        await assertFound(text, [[before.length, before.length + form.length]], JSON.stringify([before, after]))
      }
      const thrice = `${form}, ${form}, ${form}`
      assert.deepEqual(search.pieces(thrice).length, 3)
      const twice = `${form} ${form}`
      const second = form.length + 1
      await assertFound(twice, [rangeOf(form, twice), [second, second + form.length]], 'twice')
    })
  }

  test('the search finds a key in base64 at each alignment and in both alphabets', () => {
    const key = 'sk>>>???-~~~012345'
    const { whole, pieces } = createKeySearch(key)
    for (const before of ['', 'a', 'ab', 'abc']) {
      for (const encoding of ['base64', 'base64url'] as const) {
        const encoded = Buffer.from(`${before}${key}tail`).toString(encoding)
        for (const find of [whole, pieces]) {
          const [[start, end] = [0, 0], ...others] = find(`x=${encoded}`)
          assert.deepEqual(others, [])
          // A character holds six bits; those at the ends also hold bits of what stands around the key.
          assert.equal(start, 2 + Math.ceil((8 * before.length) / 6))
          assert.equal(end, 2 + Math.floor((8 * (before.length + key.length)) / 6))
        }
      }
    }
  })

  test('the search finds pieces of twelve characters of the key, and no shorter ones', () => {
    for (let at = 0; at + 12 <= KEY.length; at++) {
      const [piece, short] = [KEY.slice(at, at + 12), KEY.slice(at, at + 11)]
      assert.deepEqual(search.pieces(`a ${piece}!`), [[2, 14]], piece)
      assert.deepEqual(search.pieces(`a ${short}!`), [], short)
      assert.deepEqual(search.whole(`a ${piece}!`), [], piece)
    }
  })

  test('the search finds pieces that overlap as one range', () => {
    const { pieces } = createKeySearch(`${'a'.repeat(14)}b123456789`)
    assert.deepEqual(pieces(`x ${'a'.repeat(20)}b123456789`), [[2, 32]])
  })

  test('the search reads at most eight spellings of a spelling', () => {
    for (const spelling of [`%${'25'.repeat(9)}73`, `&${'amp;'.repeat(9)}#115;`])
      assert.deepEqual(search.whole(withOne(0, spelling)), [], spelling)
  })

  test('the search finds a key that ends with a backslash', () => {
    assert.deepEqual(createKeySearch('ab-cd-0123\\').whole('x ab-cd-0123\\ y'), [[2, 13]])
  })

  test('the search does not take a NUL for a part of the key', () => {
    for (const nul of ['%00', '\\u0000', '&#0;', '&#x00;']) {
      assert.deepEqual(search.pieces(`def${nul}`), [], nul)
      assert.deepEqual(search.whole(`${KEY}${nul}`), [[0, KEY.length]], nul)
    }
  })

  test('the search finds the whole of a key that is shorter than a piece', () => {
    const short = createKeySearch('k3y-12')
    assert.deepEqual([short.whole('a k3y-12.'), short.pieces('a K3Y-12.')], [[[2, 8]], [[2, 8]]])
    assert.deepEqual(short.pieces('a k3y-1.'), [])
  })

  test('the search finds a key in text that repeats its beginning', async () => {
    const text = `${KEY.slice(0, -1)}${KEY.slice(0, 5)}${KEY}${KEY.slice(3)}`
    const start = KEY.length - 1 + 5
    assert.deepEqual(search.whole(text), [[start, start + KEY.length]])
    assert.deepEqual(await search.later.whole(text), [[start, start + KEY.length]])
    assert.deepEqual(search.pieces(text).flat().at(0), 0)
    assert.deepEqual(search.pieces(text).flat().at(-1), text.length)
  })

  test('the search reads an ambiguous escape in each of its two meanings', () => {
    const digits = createKeySearch('41bcdef0123456')
    assert.deepEqual(digits.whole('%41bcdef0123456'), [[1, 15]])
    const letters = createKeySearch('Abcdef0123456')
    assert.deepEqual(letters.whole('%41bcdef0123456'), [[0, 15]])
    const percent = createKeySearch('%41bcdef0123456')
    assert.deepEqual(percent.whole('%41bcdef0123456'), [[0, 15]])
    assert.deepEqual(percent.whole('%2541bcdef0123456'), [[0, 17]])
    const backslash = createKeySearch('ab\\cd\\\\ef-0123')
    assert.deepEqual(backslash.whole('x ab\\\\cd\\\\\\\\ef-0123'), [[2, 19]])
    assert.deepEqual(backslash.whole('x ab\\cd\\\\ef-0123'), [[2, 16]])
    const ampersand = createKeySearch('a&b&amp;c-0123')
    assert.deepEqual(ampersand.whole('a&b&amp;c-0123'), [[0, 14]])
    assert.deepEqual(ampersand.whole('a&amp;b&#38;amp;c-0123'), [[0, 22]])
  })

  test('the search does not find a key that is split by visible characters', async () => {
    // The backslash is for the scan: without it, a look at the pairs of characters is enough.
    for (const separator of [' ', '\n', '\t', '-', '\u00e9', '\u4e2d', '\u{1f511}', '%', '%4', '&#;', '&x;'])
      for (const after of ['', '\\']) await assertFound(splitBy(separator) + after, [], JSON.stringify(separator))
  })

  test('the search does not find a key with one different character', async () => {
    const others = [
      '~',
      '\\u0021',
      '%21',
      '&#33;',
      '\\u00',
      '%7',
      '&#x;',
      '&#12345678;',
      '%u0073',
      '\\x73',
      '\\x0073',
      '\u0130',
    ]
    for (const text of [...KEY].flatMap((_, at) => others.map((other) => withOne(at, other)))) {
      assert.deepEqual(search.whole(text), [], text)
      assert.deepEqual(await search.later.whole(text), [], text)
    }
  })

  test('the search finds a key anywhere in a text of several turns', async () => {
    const turn = 2 ** 19
    const long = 'x'.repeat(turn - 10)
    for (const form of [KEY, splitBy('\u200b'), written((code) => `%${hex(code, 2)}`)]) {
      const text = `${long}${form}${long}${form}`
      const found: Range[] = [rangeOf(form, text), [text.length - form.length, text.length]]
      assert.deepEqual(await search.later.whole(text), found)
      assert.deepEqual(search.whole(text), found)
    }
    assert.deepEqual(await search.later.pieces(long.repeat(2)), [])
  })
})
