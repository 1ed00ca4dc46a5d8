import type { Patterns } from './patterns.ts'
import {
  AMPERSAND,
  ASCII,
  BACKSLASH,
  CASE,
  ESCAPE,
  entityAt,
  hexadecimalAt,
  KINDS,
  LONGEST_UNIT,
  NESTED,
  ORDINARY,
  PERCENT,
  SEQUENCE,
  SMALL_U,
  SPELLS,
  UNSEEN,
} from './spellings.ts'
import { Threads } from './threads.ts'

/** Where something stands in a text: from the first character to the one after the last. */
export type Range = [start: number, end: number]

/**
 * One pass over a text. A character may be read in more than one way (`%41` is three characters, or one), so all ways
 * are followed at once: each leads the matches under way from its first position to the one after its last.
 */
export class Scan {
  readonly #patterns: Patterns
  readonly #text: string
  readonly #found: Range[] = []
  #now: Threads
  #next: Threads
  /** Matches that jump ahead, by the position that they come to. */
  readonly #later: (Threads | undefined)[] = new Array(LONGEST_UNIT)
  /** The last of these positions. */
  #lastJump = 0
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
      if (at <= this.#lastJump) this.#land(at)
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
    this.#next.count = 0
    this.#lead(code, at, at + 1, this.#next)
    const now = this.#now
    this.#now = this.#next
    this.#next = now
  }

  /** A character that no key has: it ends every match, unless nobody sees it. */
  #other(at: number): void {
    if (this.#now.count === 0) return
    this.#skipSequence(at)
    const character = String.fromCodePoint(this.#text.codePointAt(at) ?? 0)
    if (UNSEEN.test(character)) this.#threadsAt(at + character.length).addAll(this.#now)
    this.#now.count = 0
  }

  /** A character that may begin a spelling of another one, or a sequence. */
  #spelling(code: number, at: number): void {
    if (code === ESCAPE) this.#skipSequence(at)
    else if (code === BACKSLASH) this.#backslash(at)
    else {
      if (code === PERCENT) this.#percent(at)
      else this.#entity(at)
      this.#step(code, at)
    }
  }

  /** A backslash may be a character, begin `\u0073`, or only escape the next character. */
  #backslash(at: number): void {
    const text = this.#text
    if ((text.charCodeAt(at + 1) | CASE) === SMALL_U) this.#jump(hexadecimalAt(text, at + 2, 4), at, at + 6)
    this.#next.count = 0
    this.#lead(BACKSLASH, at, at + 1, this.#next)
    this.#now.addAll(this.#next)
  }

  #percent(at: number): void {
    for (let depth = 0, digits = at + 1; depth <= NESTED; depth++, digits += 2) {
      const code = hexadecimalAt(this.#text, digits, 2)
      this.#jump(code, at, digits + 2)
      if (code !== PERCENT) return
    }
  }

  #entity(at: number): void {
    for (let depth = 0, start = at + 1; depth <= NESTED; depth++) {
      const { code, end } = entityAt(this.#text, start)
      this.#jump(code, at, end)
      if (code !== AMPERSAND) return
      start = end
    }
  }

  /** The matches that go on at `end`, if what stands before it is read as one character. */
  #jump(code: number, at: number, end: number): void {
    if (code < ASCII) this.#lead(code, at, end, this.#threadsAt(end))
  }

  #skipSequence(at: number): void {
    SEQUENCE.lastIndex = at
    if (SEQUENCE.test(this.#text)) this.#threadsAt(SEQUENCE.lastIndex).addAll(this.#now)
  }

  #threadsAt(end: number): Threads {
    const slot = end % LONGEST_UNIT
    this.#later[slot] ??= new Threads(this.#patterns.size)
    this.#lastJump = Math.max(this.#lastJump, end)
    return this.#later[slot]
  }

  #land(at: number): void {
    const landing = this.#later[at % LONGEST_UNIT]
    if (landing === undefined) return
    this.#now.addAll(landing)
    landing.count = 0
  }
}
