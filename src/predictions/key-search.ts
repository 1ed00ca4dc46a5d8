import { Buffer } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { INVISIBLE } from './invisible.ts'

/** Where something stands in a text: from the first character to the one after the last. */
export type Range = [start: number, end: number]

/** Finds a key in texts, in every form in which it can be read back. */
export interface KeySearch {
  /** Where the whole key stands. */
  whole(text: string): Range[]
  /** Where the whole key, or a piece of it of {@link PIECE} characters or more, stands. */
  pieces(text: string): Range[]
  /** The same in turns of the event loop that are short however long the text is. */
  later: { whole(text: string): Promise<Range[]>; pieces(text: string): Promise<Range[]> }
}

/** Characters that are looked at in one turn of the event loop. */
const TURN = 2 ** 19

/** Characters of the longest piece of a key that may stay in free text, plus one. */
const PIECE = 12

/**
 * A key is found in plain, in either case, with characters between its own that are not seen (zero-width, control
 * characters, escape sequences of terminals), with any of them written as `\u0073`, `%73`, `&#115;` or `&amp;`, or escaped with
 * backslashes, also more than once; and as a whole in base64 at each of its three alignments and in hexadecimal.
 * Takes time in proportion to the text, and next to none for a plain text in which no part of the key stands.
 */
export function createKeySearch(key: string): KeySearch {
  const encoded = [...base64Cores(key), Buffer.from(key).toString('hex')]
  const wholes = new Patterns([{ ...plain(key), needed: key.length, anywhere: false }, ...encoded.map(inFull)])
  const needed = Math.min(PIECE, key.length)
  const parts = new Patterns([{ ...plain(key), needed, anywhere: true }, ...encoded.map(inFull)])
  return {
    whole: (text) => search(wholes, text),
    pieces: (text) => search(parts, text),
    later: { whole: (text) => searchInTurns(wholes, text), pieces: (text) => searchInTurns(parts, text) },
  }
}

function search(patterns: Patterns, text: string): Range[] {
  return patterns.mayBeIn(text) ? new Scan(patterns, text).read(text.length) : []
}

async function searchInTurns(patterns: Patterns, text: string): Promise<Range[]> {
  if (!patterns.mayBeIn(text)) return []
  const scan = new Scan(patterns, text)
  for (let end = TURN; ; end += TURN) {
    const found = scan.read(end)
    if (end >= text.length) return found
    await nextTurn()
  }
}

interface Pattern {
  /** Each place accepts the characters of both texts. */
  texts: readonly [string, string]
  /** Characters in a row that count as found. */
  needed: number
  /** Whether a match may begin at any place, or only at the first. */
  anywhere: boolean
}

const plain = (key: string) => ({ texts: [key.toLowerCase(), key.toUpperCase()] as const })

/** Base64 has two alphabets, and hexadecimal digits have two cases. */
function inFull(text: string): Pattern {
  const other = /^[\da-f]+$/.test(text) ? text.toUpperCase() : text.replaceAll('+', '-').replaceAll('/', '_')
  return { texts: [text, other], needed: text.length, anywhere: false }
}

/** What base64 makes of a key that has none, one or two bytes before it: the characters that the key decides entirely. */
function base64Cores(key: string): string[] {
  return [0, 1, 2].map((before) => {
    const bits = 8 * (before + key.length)
    const text = Buffer.from('\0'.repeat(before) + key).toString('base64')
    return text.slice(Math.ceil((8 * before) / 6), Math.floor(bits / 6))
  })
}

const ASCII = 128

/** Patterns one after the other, as a table of places: place 0 and the one after each pattern accept nothing. */
class Patterns {
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
    this.first = new Uint8Array(this.size)
    this.second = new Uint8Array(this.size)
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
    for (let i = stride - 1; i < text.length; i += stride) {
      if (!this.#isPair(text, i)) continue
      let from = i
      while (from > 0 && this.#isPair(text, from - 1)) from--
      let to = i
      while (this.#isPair(text, to + 1)) to++
      // The characters from `from` to `to + 1`.
      if (to - from + 2 >= this.#shortest) return true
      i += Math.floor((to - i) / stride) * stride
    }
    return false
  }

  #isPair(text: string, at: number): boolean {
    const before = text.charCodeAt(at)
    const code = text.charCodeAt(at + 1)
    return before < ASCII && code < ASCII && this.#pairs[before * ASCII + code] === 1
  }
}

/** White space that is seen as such; it parts a key in two. */
const SEEN = '\\t\\n\\v\\f\\r'
const UNSEEN_CLASS = `[${INVISIBLE.source}--[${SEEN}]]`
const UNSEEN = new RegExp(UNSEEN_CLASS, 'v')
/** The characters that have a name in XML; templates write them so. */
const NAMED: Readonly<Record<string, number>> = { amp: 0x26, lt: 0x3c, gt: 0x3e, quot: 0x22, apos: 0x27 }
const NAMES = Object.keys(NAMED).join('|')
/** What makes a character stand for something else than itself. */
const UNUSUAL = new RegExp(`\\\\|%[\\da-f]{2}|&(?:#|(?:${NAMES});)|${UNSEEN_CLASS}`, 'iv')

/** An escape sequence of a terminal (ECMA-48), which nobody sees either: a control sequence, a string with its end, a short one. */
const SEQUENCE = new RegExp(
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
const NESTED = 8
/** Characters of the longest spelling of one character and of the longest sequence that is skipped; a power of two above both. */
const LONGEST_UNIT = 128

/** How a scan treats an ASCII character. */
const ORDINARY = 0
const SKIPPED = 1
const SPELLS = 2
const KINDS = Uint8Array.from({ length: ASCII }, (_, code) => {
  const character = String.fromCharCode(code)
  if ('\\%&\x1b'.includes(character)) return SPELLS
  return UNSEEN.test(character) ? SKIPPED : ORDINARY
})

/** All pairs of ordinary characters. Filled in rows: a function for each of 16,384 pairs takes milliseconds at every start. */
const ORDINARY_PAIRS = new Uint8Array(ASCII * ASCII)
const ORDINARY_ROW = KINDS.map((kind) => Number(kind === ORDINARY))
for (const [code, kind] of KINDS.entries()) if (kind === ORDINARY) ORDINARY_PAIRS.set(ORDINARY_ROW, code * ASCII)

const NO_DIGIT = 16
/** The values of hexadecimal digits by their codes. */
const DIGITS = Uint8Array.from({ length: ASCII }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(value) ? NO_DIGIT : value
})
const PERCENT = 0x25
const AMPERSAND = 0x26
const BACKSLASH = 0x5c
const ESCAPE = 0x1b
const SMALL_U = 0x75
/** What turns a capital letter into a small one. */
const CASE = 0x20
/** In place of the code of a character: there is no spelling of one. */
const NO_CODE = -1

/** The code that a match of ENTITY stands for. */
function codeOfEntity({ decimal, hexadecimal, name }: Readonly<Record<string, string | undefined>> = {}): number {
  if (name !== undefined) return NAMED[name.toLowerCase()] ?? NO_CODE
  if (hexadecimal !== undefined) return Number.parseInt(hexadecimal, 16)
  return decimal === undefined ? NO_CODE : Number(decimal)
}

/** Matches under way that have come to one position in the text; of two at the same place only the longer one counts. */
class Threads {
  count = 0
  readonly places: Int32Array
  readonly from: Int32Array
  readonly lengths: Int32Array
  readonly #slots: Int32Array

  constructor(size: number) {
    this.places = new Int32Array(size)
    this.from = new Int32Array(size)
    this.lengths = new Int32Array(size)
    this.#slots = new Int32Array(size)
  }

  add(place: number, from: number, length: number): void {
    let slot = this.#slots[place] ?? 0
    if (slot < this.count && this.places[slot] === place) {
      if ((this.lengths[slot] ?? 0) >= length) return
    } else {
      slot = this.count++
      this.#slots[place] = slot
      this.places[slot] = place
    }
    this.from[slot] = from
    this.lengths[slot] = length
  }

  addAll(others: Threads): void {
    for (let i = 0; i < others.count; i++) this.add(others.places[i] ?? 0, others.from[i] ?? 0, others.lengths[i] ?? 0)
  }
}

/**
 * One pass over a text. A character may be read in more than one way (`%41` is three characters, or one), so all ways
 * are followed at once: each leads the matches under way from its first position to the one after its last.
 */
class Scan {
  readonly #patterns: Patterns
  readonly #text: string
  readonly #found: Range[] = []
  #now: Threads
  #next: Threads
  /** Matches that jump ahead, by the position that they come to. */
  readonly #later: (Threads | undefined)[] = new Array(LONGEST_UNIT)
  #jumping = 0
  #position = 0

  constructor(patterns: Patterns, text: string) {
    this.#patterns = patterns
    this.#text = text
    this.#now = new Threads(patterns.size)
    this.#next = new Threads(patterns.size)
  }

  /** Reads on to a position. @returns everything that was found so far */
  read(end: number): Range[] {
    const text = this.#text
    const { idle } = this.#patterns
    const last = Math.min(end, text.length)
    for (let at = this.#position; at < last; at++) {
      const code = text.charCodeAt(at)
      const next = text.charCodeAt(at + 1)
      if (this.#jumping > 0) this.#land(at)
      // The first look costs the least: most characters of most texts begin nothing.
      else if (this.#now.count === 0 && next < ASCII && idle[code * ASCII + next] === 1) continue
      this.#take(code, at)
    }
    this.#position = last
    return this.#found
  }

  #take(code: number, at: number): void {
    if (code >= ASCII) this.#other(at)
    else if (KINDS[code] === SPELLS) this.#spelling(code, at)
    else if (KINDS[code] === ORDINARY) this.#step(code, at)
  }

  /** The matches that go on with a character, and those that begin with it. */
  #lead(code: number, at: number, end: number, to: Threads): void {
    const { first, second, starts } = this.#patterns
    const { count, places, from, lengths } = this.#now
    for (let i = 0; i < count; i++) {
      const place = (places[i] ?? 0) + 1
      if (first[place] === code || second[place] === code) {
        this.#reach(to, place, from[i] ?? 0, (lengths[i] ?? 0) + 1, end)
      }
    }
    for (const place of starts[code] ?? []) this.#reach(to, place, at, 1, end)
  }

  #reach(to: Threads, place: number, from: number, length: number, end: number): void {
    to.add(place, from, length)
    if (length < (this.#patterns.needed[place] ?? 0)) return
    let start = from
    for (let last = this.#found.at(-1); last !== undefined && last[1] > start; last = this.#found.at(-1)) {
      start = Math.min(start, last[0])
      end = Math.max(end, last[1])
      this.#found.pop()
    }
    this.#found.push([start, end])
  }

  #step(code: number, at: number): void {
    if (this.#isIdle(code)) return
    this.#next.count = 0
    this.#lead(code, at, at + 1, this.#next)
    const now = this.#now
    this.#now = this.#next
    this.#next = now
  }

  /** A character that no key has: it ends every match, unless nobody sees it. */
  #other(at: number): void {
    if (this.#now.count === 0) return
    if (this.#text[at] === '\x9b') this.#skipSequence(at)
    const isSecondHalf =
      /[\udc00-\udfff]/.test(this.#text[at] ?? '') && /[\ud800-\udbff]/.test(this.#text[at - 1] ?? '')
    const character = String.fromCodePoint(this.#text.codePointAt(isSecondHalf ? at - 1 : at) ?? 0)
    if (!UNSEEN.test(character)) this.#now.count = 0
  }

  /** A character that may begin a spelling of another one, or a sequence. */
  #spelling(code: number, at: number): void {
    if (code === ESCAPE) this.#skipSequence(at)
    else if (code === PERCENT) this.#percent(at)
    else if (code === AMPERSAND) this.#entity(at)
    else if ((this.#text.charCodeAt(at + 1) | CASE) === SMALL_U) this.#jump(this.#hexadecimal(at + 2, 4), at, at + 6)
    if (code === PERCENT || code === AMPERSAND) this.#step(code, at)
    // A backslash may be a character, or only escape the next one.
    if (code !== BACKSLASH || this.#isIdle(code)) return
    this.#next.count = 0
    this.#lead(code, at, at + 1, this.#next)
    this.#now.addAll(this.#next)
  }

  /** Whether a character can neither go on with a match nor begin one. */
  #isIdle(code: number): boolean {
    return this.#now.count === 0 && this.#patterns.starts[code]?.length === 0
  }

  #percent(at: number): void {
    for (let depth = 0, digits = at + 1; depth <= NESTED; depth++, digits += 2) {
      const code = this.#hexadecimal(digits, 2)
      this.#jump(code, at, digits + 2)
      if (code !== PERCENT) return
    }
  }

  #entity(at: number): void {
    for (let depth = 0, start = at + 1; depth <= NESTED; depth++) {
      ENTITY.lastIndex = start
      const code = codeOfEntity(ENTITY.exec(this.#text)?.groups)
      this.#jump(code, at, ENTITY.lastIndex)
      if (code !== AMPERSAND) return
      start = ENTITY.lastIndex
    }
  }

  /** The value of hexadecimal digits; NO_CODE if they are not. */
  #hexadecimal(at: number, digits: number): number {
    let value = 0
    for (let i = at; i < at + digits; i++) {
      const digit = DIGITS[this.#text.charCodeAt(i)] ?? NO_DIGIT
      if (digit === NO_DIGIT) return NO_CODE
      value = value * 16 + digit
    }
    return value
  }

  #jump(code: number, at: number, end: number): void {
    if (!(code >= 0 && code < ASCII) || this.#isIdle(code)) return
    this.#lead(code, at, end, this.#threadsAt(end))
  }

  #skipSequence(at: number): void {
    SEQUENCE.lastIndex = at
    if (this.#now.count > 0 && SEQUENCE.test(this.#text)) this.#threadsAt(SEQUENCE.lastIndex).addAll(this.#now)
  }

  #threadsAt(end: number): Threads {
    const slot = end % LONGEST_UNIT
    this.#later[slot] ??= new Threads(this.#patterns.size)
    this.#jumping = Math.max(this.#jumping, end)
    return this.#later[slot]
  }

  #land(at: number): void {
    const landing = this.#later[at % LONGEST_UNIT]
    if (landing !== undefined && landing.count > 0) {
      this.#now.addAll(landing)
      landing.count = 0
    }
    if (at >= this.#jumping) this.#jumping = 0
  }
}
