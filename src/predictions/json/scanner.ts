import { DEEPEST, JsonTooDeepError, JsonTooManyPartsError, MOST_PARTS, MOST_STRINGS, MOST_VALUES } from './limits.ts'
import { keepsDigits } from './numbers.ts'
import { hashOf, Shapes } from './shapes.ts'

/**
 * The parts of a text that JSON.parse must not see: of each where it begins and where it ends, the end negative if it
 * stands for null, else it is a number whose digits are kept. As one list, for there may be a million.
 */
export type Edits = number[]

const NUMBER = /-?(?:0|[1-9]\d*)(?<fraction>\.\d+)?(?<exponent>e[+-]?\d+)?/iy
const NON_FINITE = /-?Infinity|NaN/y
/** Shorter numbers lose nothing, unless an exponent puts them out of range. */
const SAFE_LENGTH = 15

/** Characters that are scanned in one turn: a multiple of what most bodies have, in about fifty milliseconds. */
const SCANNED_AT_ONCE = 4 * 2 ** 20

/**
 * Looks at everything outside strings, whose ends it seeks in leaps: logs are long. Of names of properties it looks at
 * each character.
 */
export class Scanner {
  readonly edits: Edits = []
  hadNonFinite = false
  readonly #text: string
  readonly #shapes = new Shapes()
  #at = 0
  #depth = 0
  #parts = 0
  /** Each but the first of a list or an object, which counts as a part, follows a comma. */
  #values = 0
  #strings = 0
  /** Where the last string began. */
  #string = 0
  /** Where it ended. */
  #stringEnd = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Scans the next part. @returns whether the text has been scanned whole @throws JsonTooDeepError, JsonTooManyPartsError */
  scanOn(): boolean {
    const text = this.#text
    const end = Math.min(text.length, this.#at + SCANNED_AT_ONCE)
    let at = this.#at
    for (; at < end; at++) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        this.#strings++
        this.#string = at
        at = endOfString(text, at)
        this.#stringEnd = at
      } else if (code === COMMA) {
        this.#values++
      } else if (code === COLON) {
        // What came before it was a name.
        this.#strings--
        this.#shapes.name(this.#depth, hashOf(text, this.#string, this.#stringEnd))
      } else if (code === BRACE || code === BRACKET) this.#open()
      else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) this.#shapes.close(this.#depth--)
      else if (code === MINUS || (code >= ZERO && code <= NINE) || code === CAPITAL_I || code === CAPITAL_N) {
        at = this.#word(at) - 1
      }
    }
    this.#at = at
    if (this.#values >= MOST_VALUES) throw new JsonTooManyPartsError(MOST_VALUES, 'values')
    if (this.#strings > MOST_STRINGS) throw new JsonTooManyPartsError(MOST_STRINGS, 'strings')
    return at >= text.length
  }

  #open(): void {
    if (++this.#depth > DEEPEST) throw new JsonTooDeepError()
    this.#shapes.open(this.#depth)
    this.#countPart()
  }

  #countPart(): void {
    if (++this.#parts > MOST_PARTS) throw new JsonTooManyPartsError(MOST_PARTS, 'arrays and objects')
  }

  /** Looks at what may be a number. @returns its end */
  #word(start: number): number {
    const text = this.#text
    const end = endOfWord(text, start)
    const word = end - start < SAFE_LENGTH && !mayNeedEdit(text, start, end) ? '' : text.slice(start, end)
    const isNonFinite = matchesWhole(NON_FINITE, word)
    if (isNonFinite || (matchesWhole(NUMBER, word) && !keepsDigits(word))) {
      this.#countPart()
      this.hadNonFinite ||= isNonFinite
      this.edits.push(start, isNonFinite ? -end : end)
    }
    return end
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const CAPITAL_I = 0x49
const CAPITAL_N = 0x4e
const BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d

/** The position of the quote that ends a string: one before which an even number of backslashes stands; else the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at
  }
  return text.length
}

/** The end of what is made of the characters of numbers and of `Infinity`. */
function endOfWord(text: string, start: number): number {
  let end = start + 1
  while (isWordCode(text.charCodeAt(end))) end++
  return end
}

const isWordCode = (code: number) =>
  (code >= ZERO && code <= NINE) || code === MINUS || code === PLUS || code === POINT || isLetter(code)
const isLetter = (code: number) => (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)

/** Whether a short word has a letter: an exponent, or no number at all. */
function mayNeedEdit(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (isLetter(text.charCodeAt(at))) return true
  return false
}

function matchesWhole(pattern: RegExp, word: string): boolean {
  pattern.lastIndex = 0
  return pattern.test(word) && pattern.lastIndex === word.length
}
