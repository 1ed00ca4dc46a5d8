import { Buffer } from 'node:buffer'
import { ASCII, KINDS, NO_CODE, ORDINARY, UNUSUAL } from './spellings.ts'

/** Characters to look for. */
export interface Pattern {
  /** Each place accepts the characters of both texts. */
  texts: readonly [string, string]
  /** Characters in a row that count as found. */
  needed: number
  /** Whether a match may begin at any place, or only at the first. */
  anywhere: boolean
}

/** A key in either case. */
export const plain = (key: string) => ({ texts: [key.toLowerCase(), key.toUpperCase()] as const })

/** Base64 has two alphabets, and hexadecimal digits have two cases. */
export function inFull(text: string): Pattern {
  const other = /^[\da-f]+$/.test(text) ? text.toUpperCase() : text.replaceAll('+', '-').replaceAll('/', '_')
  return { texts: [text, other], needed: text.length, anywhere: false }
}

/** What base64 makes of a key that has none, one or two bytes before it: the characters that the key decides entirely. */
export function base64Cores(key: string): string[] {
  return [0, 1, 2].map((before) => {
    const bits = 8 * (before + key.length)
    const text = Buffer.from('\0'.repeat(before) + key).toString('base64')
    return text.slice(Math.ceil((8 * before) / 6), Math.floor(bits / 6))
  })
}

/** All pairs of ordinary characters. Filled in rows: a function for each of 16,384 pairs takes milliseconds at every start. */
const ORDINARY_PAIRS = new Uint8Array(ASCII * ASCII)
const ORDINARY_ROW = KINDS.map((kind) => Number(kind === ORDINARY))
for (const [code, kind] of KINDS.entries()) if (kind === ORDINARY) ORDINARY_PAIRS.set(ORDINARY_ROW, code * ASCII)

/** Patterns one after the other, as a table of places: place 0 and the one after each pattern accept nothing. */
export class Patterns {
  readonly size: number
  /** The codes that a place accepts. */
  readonly first: Uint8Array
  readonly second: Uint8Array
  /** Characters in a row that count as found at a place. */
  readonly needed: Int32Array
  /** The places at which a match can begin with a code. */
  readonly starts: readonly number[][]
  readonly #shortest: number
  /** The pairs of codes that stand in a pattern. */
  readonly #pairs = new Uint8Array(ASCII * ASCII)
  /** Pairs of ordinary characters that no match begins with, because the second never follows the first. */
  readonly idle = ORDINARY_PAIRS.slice()

  constructor(patterns: readonly Pattern[]) {
    this.size = patterns.reduce((sum, { texts }) => sum + texts[0].length + 1, 1)
    this.first = new Uint8Array(this.size).fill(NO_CODE)
    this.second = new Uint8Array(this.size).fill(NO_CODE)
    this.needed = new Int32Array(this.size)
    this.#shortest = Math.min(...patterns.map(({ needed }) => needed))
    const starts: Set<number>[] = Array.from({ length: ASCII }, () => new Set())
    let place = 1
    for (const { texts, needed, anywhere } of patterns) {
      for (let i = 0; i < texts[0].length; i++, place++) {
        const codes = texts.map((text) => text.charCodeAt(i))
        this.first[place] = codes[0] ?? 0
        this.second[place] = codes[1] ?? 0
        this.needed[place] = needed
        for (const code of codes) {
          if (anywhere || i === 0) starts[code]?.add(place)
          for (const text of texts) if (i > 0) this.#follows(text.charCodeAt(i - 1), code)
        }
      }
      place++
    }
    this.starts = starts.map((places) => [...places])
  }

  #follows(before: number, code: number): void {
    this.#pairs[before * ASCII + code] = 1
    this.idle[before * ASCII + code] = 0
  }

  /**
   * A look that is many times faster than a scan. Of a text in which every character stands for itself it is enough to
   * look at one pair in a few: whatever is found holds as many characters in a row, each pair of which is known.
   */
  mayBeIn(text: string): boolean {
    if (UNUSUAL.test(text)) return true
    const stride = this.#shortest - 1
    for (let at = stride - 1; at < text.length; at += stride) {
      let from = at
      while (this.#isPair(text, from)) from--
      let to = at + 1
      while (this.#isPair(text, to)) to++
      // Each character after `from`, up to `to`, is half of a known pair.
      if (to - from >= this.#shortest) return true
    }
    return false
  }

  /**
   * Whether the character at a position and the next one follow each other in a pattern. Characters beyond ASCII may be
   * taken for such a pair, because their codes run into those of others: that costs a scan, no more.
   */
  #isPair(text: string, at: number): boolean {
    return this.#pairs[text.charCodeAt(at) * ASCII + text.charCodeAt(at + 1)] === 1
  }
}
