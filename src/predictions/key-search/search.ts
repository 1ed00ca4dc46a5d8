import { setImmediate as nextTurn } from 'node:timers/promises'
import { base64Cores, inFull, Patterns, plain } from './patterns.ts'
import { type Range, Scan } from './scan.ts'

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
