import type { Range } from './key-search/scan.ts'
import { createKeySearch } from './key-search/search.ts'
import { LONG, longTextsOf, type Redactions, redactValue } from './redact-value.ts'

/**
 * Removes a key from what leaves the process. Use it on text as it will be read: after parsing and joining. Each part
 * that is removed becomes {@link MARK}; what does not hold the key is returned as it is.
 */
export interface Redactor extends Redactions {
  /** A parsed JSON value: strings and names of properties, at any depth. */
  value<T>(value: T): T
  /**
   * Looks for the key in the long texts of a JSON value, in short turns of the event loop so that signals are heard.
   * @returns a redactor that knows what was found, and does not look through those texts again
   */
  prepare(value: unknown): Promise<Redactor>
}

/** What stands for a part that was removed. */
const MARK = '***'

/** @param key printable ASCII without blanks, at least six characters */
export function createRedactor(key: string): Redactor {
  const search = createKeySearch(key)
  const withEchoes = (text: string, pieces: readonly Range[]) => merge([...echoes(text, key), ...pieces])
  const inText: Find = (text) => withEchoes(text, search.pieces(text))
  const inTextLater: FindLater = async (text) => withEchoes(text, await search.later.pieces(text))
  // The mark could complete a key that holds it.
  const repeats = key.includes('*')
  const remove = (texts: readonly string[], find: Find): readonly string[] => {
    const steps = removal(texts, repeats)
    let step = steps.next()
    while (!step.done) step = steps.next(find(step.value))
    return step.value
  }
  const removeLater = async (texts: readonly string[], find: FindLater): Promise<readonly string[]> => {
    const steps = removal(texts, repeats)
    let step = steps.next()
    while (!step.done) step = steps.next(await find(step.value))
    return step.value
  }
  const text = (value: string) => remove([value], inText)[0] ?? ''
  const identifier = (value: string) => remove([value], search.whole)[0] ?? ''
  const tokens = (list: readonly string[]) => remove(list, inText)
  const later: LaterRedactions = {
    text: async (value) => (await removeLater([value], inTextLater))[0] ?? '',
    identifier: async (value) => (await removeLater([value], search.later.whole))[0] ?? '',
    tokens: (list) => removeLater(list, inTextLater),
  }
  const redactorOf = (redactions: Redactions): Redactor => ({
    ...redactions,
    value: (value) => redactValue(value, redactions),
    prepare: async (value) => redactorOf(await withLongTexts(value, redactions, later)),
  })
  return redactorOf({ text, identifier, tokens })
}

type Find = (text: string) => readonly Range[]
type FindLater = (text: string) => Promise<readonly Range[]>

/**
 * Removes from texts what is found in all of them joined: yields that text, and is given the ranges to remove.
 * @param repeats whether what is left is searched again
 */
function* removal(texts: readonly string[], repeats: boolean): Generator<string, readonly string[], readonly Range[]> {
  for (let clean = texts; ; ) {
    const ranges = yield clean.length === 1 ? (clean[0] ?? '') : clean.join('')
    if (ranges.length > 0) clean = without(clean, ranges)
    if (ranges.length === 0 || !repeats) return clean
  }
}

/** The ranges in order, those that overlap as one. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: Range[] = []
  for (const [start, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1)
    if (last !== undefined && start < last[1]) last[1] = Math.max(last[1], end)
    else merged.push([start, end])
  }
  return merged
}

/** Texts without ranges of what they are together; the mark stands in the text in which a range begins. */
function without(texts: readonly string[], ranges: readonly Range[]): string[] {
  let next = 0
  let position = 0
  return texts.map((text) => {
    const start = position
    position += text.length
    let clean = ''
    let kept = start
    for (; next < ranges.length; next++) {
      const [from, to] = ranges[next] ?? [position, position]
      if (from >= position) break
      if (from >= start) clean += text.slice(kept - start, from - start) + MARK
      kept = Math.min(to, position)
      if (to > position) break
    }
    return clean + text.slice(kept - start)
  })
}

/** Characters of the start of a key in an echo, at least; the same for what a gateway shows of a key that is not ours. */
const SHORTEST_HEAD = 3
const SHORTEST_TAIL = 2
const MASK = /[*•·]{3,}[*•·.]*|\.{3,}|…/y
/** The shape in which many gateways print keys; the bound keeps a text that begins like one again and again linear. */
const MASKED_KEY = /(?<![\w-])sk-[\w.-]{0,64}\*{3,}[\w.*-]*/g

/** Where a text has the shape `sk-abc***xyz` in which gateways echo keys: the start of the key, a mask, its end. */
function echoes(text: string, key: string): Range[] {
  const found: Range[] = text.includes('***')
    ? [...text.matchAll(MASKED_KEY)].map(({ index, 0: { length } }): Range => [index, index + length])
    : []
  const start = key.slice(0, SHORTEST_HEAD)
  for (let at = text.indexOf(start); at >= 0; at = text.indexOf(start, at + 1)) {
    const end = endOfEcho(text, at, key)
    if (end !== undefined) found.push([at, end])
  }
  return found
}

function endOfEcho(text: string, at: number, key: string): number | undefined {
  let head = SHORTEST_HEAD
  while (head < key.length && text[at + head] === key[head]) head++
  MASK.lastIndex = at + head
  const mask = MASK.exec(text)?.[0]
  if (mask === undefined) return undefined
  const from = at + head + mask.length
  for (let tail = key.length - head; tail >= SHORTEST_TAIL; tail--) {
    if (text.startsWith(key.slice(-tail), from)) return from + tail
  }
  // Without an end that is the key's, it takes four stars: three on each side of a word are Markdown.
  return /^[*]{4}/.test(mask) && !/[\w-]/.test(text[from] ?? '') ? from : undefined
}

interface LaterRedactions {
  text(text: string): Promise<string>
  identifier(text: string): Promise<string>
  tokens(tokens: readonly string[]): Promise<readonly string[]>
}

/** Redactions that know the long texts of a value. */
async function withLongTexts(value: unknown, redactions: Redactions, later: LaterRedactions): Promise<Redactions> {
  const { texts, identifiers, lists } = longTextsOf(value)
  const knownTexts = new Map<string, string>()
  for (const text of texts) knownTexts.set(text, await later.text(text))
  const knownIdentifiers = new Map<string, string>()
  for (const text of identifiers) knownIdentifiers.set(text, await later.identifier(text))
  const knownLists = new Map<readonly string[], readonly string[]>()
  for (const list of lists) knownLists.set(list, await later.tokens(list))
  const known = (found: ReadonlyMap<string, string>, text: string) => (text.length < LONG ? undefined : found.get(text))
  return {
    text: (text) => known(knownTexts, text) ?? redactions.text(text),
    identifier: (text) => known(knownIdentifiers, text) ?? redactions.identifier(text),
    tokens: (list) => knownLists.get(list) ?? redactions.tokens(list),
  }
}
