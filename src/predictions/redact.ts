import { isRawNumber } from './json.ts'
import { createKeySearch, type Range } from './key-search.ts'

/**
 * Removes a key from what leaves the process. Use it on text as it will be read: after parsing and joining. Each part
 * that is removed becomes {@link MARK}; what does not hold the key is returned as it is.
 */
export interface Redactor {
  /** Free text, such as errors, logs and output text: the key, its pieces of twelve characters, and masked echoes of it. */
  text(text: string): string
  /** URLs, IDs, statuses and names: changed only if they hold the whole key, in any form. */
  identifier(text: string): string
  /** Texts that are read one after the other, such as the tokens of a language model: free text as a whole. */
  tokens(tokens: readonly string[]): readonly string[]
  /** A parsed JSON value: strings and names of properties, at any depth. */
  value<T>(value: T): T
  /**
   * Looks for the key in the long texts of a JSON value, in short turns of the event loop so that signals are heard.
   * @returns a redactor that knows what was found, and does not look through those texts again
   */
  prepare(value: unknown): Promise<Redactor>
}

/** Characters from which a text is looked through in turns. */
const LONG = 2 ** 20

/** What stands for a part that was removed. */
const MARK = '***'

/** @param key printable ASCII without blanks, not empty */
export function createRedactor(key: string): Redactor {
  const search = createKeySearch(key)
  const inText: Find = (text) => merge([...echoes(text, key), ...search.pieces(text)])
  const inTextLater: FindLater = async (text) => merge([...echoes(text, key), ...(await search.later.pieces(text))])
  // The mark could complete a key that holds it.
  const repeats = key.includes('*')
  const remove = (texts: readonly string[], find: Find): readonly string[] => {
    const ranges = find(texts.length === 1 ? (texts[0] ?? '') : texts.join(''))
    if (ranges.length === 0) return texts
    const clean = without(texts, ranges)
    return repeats ? remove(clean, find) : clean
  }
  const removeLater = async (texts: readonly string[], find: FindLater): Promise<readonly string[]> => {
    const ranges = await find(texts.length === 1 ? (texts[0] ?? '') : texts.join(''))
    if (ranges.length === 0) return texts
    const clean = without(texts, ranges)
    return repeats ? removeLater(clean, find) : clean
  }
  const redact = (find: Find) => (text: string) => remove([text], find)[0] ?? ''
  const text = redact(inText)
  const identifier = redact(search.whole)
  const tokens = (list: readonly string[]) => remove(list, inText)
  const later: LaterRedactions = {
    text: async (text) => (await removeLater([text], inTextLater))[0] ?? '',
    identifier: async (text) => (await removeLater([text], search.later.whole))[0] ?? '',
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
    return kept === start && clean === '' ? text : clean + text.slice(kept - start)
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
  for (let tail = Math.min(key.length - head, text.length - from); tail >= SHORTEST_TAIL; tail--)
    if (text.startsWith(key.slice(-tail), from)) return from + tail
  // Without an end that is the key's, it takes four stars: three on each side of a word are Markdown.
  return /^[*]{4}/.test(mask) && !/[\w-]/.test(text[from] ?? '') ? from : undefined
}

type Redactions = Pick<Redactor, 'text' | 'identifier' | 'tokens'>
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

/** The long texts of a value, by how they are redacted. */
function longTextsOf(root: unknown) {
  const found = { texts: new Set<string>(), identifiers: new Set<string>(), lists: new Set<readonly string[]>() }
  changes(root, {
    text(text) {
      if (text.length >= LONG) found.texts.add(text)
      return text
    },
    identifier(text) {
      if (text.length >= LONG) found.identifiers.add(text)
      return text
    },
    tokens(list) {
      if (list.reduce((sum, { length }) => sum + length, 0) >= LONG) found.lists.add(list)
      return list
    },
  })
  return found
}

/** Properties whose values are names of something, not free text. */
const NAMES: ReadonlySet<string> = new Set(['id', 'status', 'model', 'version', 'name', 'type', 'object'])
const isAddress = (text: string) => /^(?:https?:\/\/|data:)\S+$/i.test(text)

/** Copies a value only if something in it is removed. Walks without recursion: depth is the sender's to choose. */
function redactValue<T>(value: T, redactions: Redactions): T {
  return changes(value, redactions) ? (copyOf(value, redactions) as T) : value
}

/** Whether anything in a value is to be removed. Scalars are not put on the stack: there can be millions in a list. */
function changes(root: unknown, redactions: Redactions): boolean {
  const stack: { name: string; value: object }[] = []
  const isChanged = (name: string, value: unknown): boolean => {
    if (typeof value !== 'object' || value === null || isRawNumber(value)) {
      return redactScalar(name, value, redactions) !== value
    }
    stack.push({ name, value })
    return false
  }
  if (isChanged('', root)) return true
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { name, value } = next
    if (isList(value)) {
      if (isTokens(value)) {
        if (redactions.tokens(value) !== value) return true
      } else if (value.some((item) => isChanged(name, item))) return true
    } else if (isMapping(value)) {
      for (const key in value) if (redactions.identifier(key) !== key || isChanged(key, value[key])) return true
    }
  }
  return false
}

function copyOf(root: unknown, redactions: Redactions): unknown {
  const holder: Record<string, unknown> = {}
  const stack: { name: string; value: unknown; put(copy: unknown): void }[] = [
    { name: '', value: root, put: (copy) => put(holder, 'root', copy) },
  ]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { name, value } = next
    if (isList(value)) {
      const copy: unknown[] = isTokens(value) ? [...redactions.tokens(value)] : new Array(value.length)
      next.put(copy)
      if (isTokens(value)) continue
      for (const [i, item] of value.entries()) {
        stack.push({
          name,
          value: item,
          put: (each) => {
            copy[i] = each
          },
        })
      }
    } else if (isMapping(value)) {
      const copy: Record<string, unknown> = {}
      next.put(copy)
      for (const key of Object.keys(value)) {
        const clean = freeName(copy, redactions.identifier(key))
        // In the order of the original, which the stack turns round.
        put(copy, clean, undefined)
        stack.push({ name: key, value: value[key], put: (each) => put(copy, clean, each) })
      }
    } else next.put(redactScalar(name, value, redactions))
  }
  return holder.root
}

/** Also defines `__proto__`, which an assignment would not. */
function put(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}

/** A name that a record has not yet: two names that held the key may be the same without it. */
function freeName(record: Record<string, unknown>, name: string): string {
  let free = name
  for (let n = 2; Object.hasOwn(record, free); n++) free = `${name} (${n})`
  return free
}

function redactScalar(name: string, value: unknown, { text, identifier }: Redactions): unknown {
  if (typeof value === 'string') return NAMES.has(name) || isAddress(value) ? identifier(value) : text(value)
  if (typeof value !== 'number' && !isRawNumber(value)) return value
  const digits = isRawNumber(value) ? value.rawJSON : String(value)
  const clean = identifier(digits)
  return clean === digits ? value : clean
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)
const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !isRawNumber(value)
/** Texts of which not all are addresses are read as one, as the output text of a prediction is. */
const isTokens = (list: readonly unknown[]): list is readonly string[] =>
  list.length > 0 && list.every((item) => typeof item === 'string') && !list.every(isAddress)
