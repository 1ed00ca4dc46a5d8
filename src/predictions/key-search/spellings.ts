import { INVISIBLE } from '../invisible.ts'

export const ASCII = 128

/** White space that is seen as such; it parts a key in two. */
const SEEN = '\\t\\n\\v\\f\\r'
const UNSEEN_CLASS = `[${INVISIBLE.source}--[${SEEN}]]`
export const UNSEEN = new RegExp(UNSEEN_CLASS, 'v')
/** The characters that have a name in XML; templates write them so. */
const NAMED: Readonly<Record<string, number>> = { amp: 0x26, lt: 0x3c, gt: 0x3e, quot: 0x22, apos: 0x27 }
const NAMES = Object.keys(NAMED).join('|')
/** What makes a character stand for something else than itself. */
export const UNUSUAL = new RegExp(`\\\\|%[\\da-f]{2}|&(?:#|(?:${NAMES});)|${UNSEEN_CLASS}`, 'iv')

/** An escape sequence of a terminal (ECMA-48), which nobody sees either: a control sequence, a string with its end, a short one. */
export const SEQUENCE = new RegExp(
  [
    String.raw`(?:\x1b\[|\x9b)[0-?]{0,40}[ -/]{0,4}[@-~]`,
    String.raw`\x1b\][^\x07\x1b\x9c]{0,56}(?:\x07|\x1b\\|\x9c)`,
    String.raw`\x1b[ -/]{0,4}[0-~]`,
  ].join('|'),
  'y',
)
/** What follows the ampersand in `&#115;`, `&#x73;` and `&quot;`. */
const ENTITY = new RegExp(
  [String.raw`#(?<decimal>\d{1,7});`, String.raw`#x(?<hexadecimal>[\da-f]{1,6});`, `(?<name>${NAMES});`].join('|'),
  'iy',
)
/** How often `%25` stands for a `%` that stands for a `%`, and `&amp;` in the same way. */
export const NESTED = 8
/** Characters of the longest spelling of one character and of the longest sequence that is skipped; a power of two above both. */
export const LONGEST_UNIT = 128

/** How a scan treats an ASCII character. */
export const ORDINARY = 0
const SKIPPED = 1
export const SPELLS = 2
export const KINDS = Uint8Array.from({ length: ASCII }, (_, code) => {
  const character = String.fromCharCode(code)
  if ('\\%&\x1b'.includes(character)) return SPELLS
  return UNSEEN.test(character) ? SKIPPED : ORDINARY
})

const NO_DIGIT = 16
/** The values of hexadecimal digits by their codes. */
const DIGITS = Uint8Array.from({ length: ASCII }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(value) ? NO_DIGIT : value
})
export const PERCENT = 0x25
export const AMPERSAND = 0x26
export const BACKSLASH = 0x5c
export const ESCAPE = 0x1b
export const SMALL_U = 0x75
/** What turns a capital letter into a small one. */
export const CASE = 0x20
/** In place of the code of a character: there is none that a key can have. */
export const NO_CODE = 0xff

/** The code that `digits` hexadecimal digits stand for; NO_CODE if one of them is none. */
export function hexadecimalAt(text: string, at: number, digits: number): number {
  let value = 0
  for (let i = at; i < at + digits; i++) {
    const digit = DIGITS[text.charCodeAt(i)] ?? NO_DIGIT
    if (digit === NO_DIGIT) return NO_CODE
    value = value * 16 + digit
  }
  return value
}

/** The code that an entity stands for, of which the ampersand stands before `at`, and where it ends. */
export function entityAt(text: string, at: number): { code: number; end: number } {
  ENTITY.lastIndex = at
  const groups = ENTITY.exec(text)?.groups
  const end = ENTITY.lastIndex
  if (groups === undefined) return { code: NO_CODE, end }
  const { decimal, hexadecimal, name } = groups
  if (name !== undefined) return { code: NAMED[name.toLowerCase()] ?? NO_CODE, end }
  return { code: Number(decimal ?? `0x${hexadecimal}`), end }
}
