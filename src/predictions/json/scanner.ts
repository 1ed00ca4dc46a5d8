import { type JsonLimits, JsonTooDeepError, JsonTooManyPartsError } from './limits.ts'
import { keepsDigits } from './numbers.ts'
import { Shapes } from './shapes.ts'

/** Characters that are scanned in one turn: a multiple of what most bodies have, in about fifty milliseconds. */
const SCANNED_AT_ONCE = 4 * 2 ** 20

/** The rest of a number with an exponent, or of `Infinity`. */
const WORD = /[-+.\da-z]*/iy
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i
const NON_FINITE = /^(?:-?Infinity|NaN)$/
/** Numbers of up to this many characters lose nothing, unless an exponent puts them out of range. */
const SAFE_LENGTH = 15

/**
 * Looks at everything outside strings, whose ends it seeks in leaps: logs are long. Of names of properties it looks at
 * each character.
 */
export class Scanner {
  /**
   * The parts of the text that JSON.parse must not see, numbers whose digits are kept and those that are not finite: of
   * each where it begins and where it ends. As one list, for there may be a million.
   */
  readonly edits: number[] = []
  readonly #text: string
  readonly #limits: JsonLimits
  readonly #shapes: Shapes
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

  constructor(text: string, limits: JsonLimits) {
    this.#text = text
    this.#limits = limits
    this.#shapes = new Shapes(limits.depth, limits.names)
  }

  /** Scans the next characters. @returns whether the text has been scanned whole @throws JsonTooDeepError, JsonTooManyPartsError */
  scanOn(count = SCANNED_AT_ONCE): boolean {
    const text = this.#text
    const end = Math.min(text.length, this.#at + count)
    let at = this.#at
    while (at < end) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) at = this.#skipString(at)
      else if (isOfNumber(code) || code === CAPITAL_I || code === CAPITAL_N) at = this.#word(at)
      else {
        this.#mark(code)
        at++
      }
    }
    this.#at = at
    const { values, strings } = this.#limits
    if (this.#values >= values) throw new JsonTooManyPartsError(values, 'values')
    if (this.#strings > strings) throw new JsonTooManyPartsError(strings, 'strings')
    return at >= text.length
  }

  /** @returns the position after the string */
  #skipString(start: number): number {
    this.#strings++
    this.#string = start
    this.#stringEnd = endOfString(this.#text, start)
    return this.#stringEnd + 1
  }

  /** Takes a character outside strings and numbers. */
  #mark(code: number): void {
    if (code === COMMA) this.#values++
    else if (code === COLON) {
      // What came before it was a name.
      this.#strings--
      this.#shapes.name(this.#depth, this.#text, this.#string, this.#stringEnd)
      // Each name is read once: colons in a row after a long one would take hours.
      this.#string = this.#stringEnd
    } else if (code === BRACE || code === BRACKET) this.#open()
    else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) this.#shapes.close(this.#depth--)
  }

  #open(): void {
    if (++this.#depth > this.#limits.depth) throw new JsonTooDeepError(this.#limits.depth)
    this.#shapes.open(this.#depth)
    this.#countPart()
  }

  #countPart(): void {
    if (++this.#parts > this.#limits.parts) throw new JsonTooManyPartsError(this.#limits.parts, 'arrays and objects')
  }

  /** Looks at what may be a number. @returns its end */
  #word(start: number): number {
    const text = this.#text
    let end = start + 1
    while (isOfNumber(text.charCodeAt(end))) end++
    // Most numbers are short. After a letter, it has an exponent, or is no number at all.
    if (end - start <= SAFE_LENGTH && !isLetter(text.charCodeAt(end))) return end
    WORD.lastIndex = end
    WORD.test(text)
    end = WORD.lastIndex
    const word = text.slice(start, end)
    if (NON_FINITE.test(word) || (NUMBER.test(word) && !keepsDigits(word))) {
      this.#countPart()
      this.edits.push(start, end)
    }
    return end
  }
}

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const NINE = 0x39
const COLON = 0x3a
const CAPITAL_I = 0x49
const CAPITAL_N = 0x4e
const SMALL_A = 0x61
const SMALL_Z = 0x7a
const BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSING_BRACKET = 0x5d
const BRACE = 0x7b
const CLOSING_BRACE = 0x7d
/** What turns a capital letter into a small one. */
const CASE = 0x20

/** A digit, a minus or a point; the slash that lies between them is in no JSON. */
const isOfNumber = (code: number) => code >= MINUS && code <= NINE
const isLetter = (code: number) => (code | CASE) >= SMALL_A && (code | CASE) <= SMALL_Z

/** The position of the quote that ends a string: one before which an even number of backslashes stands; else the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at
  }
  return text.length
}
