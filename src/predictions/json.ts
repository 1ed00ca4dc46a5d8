import { randomInt, randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isRecord } from './text.ts'

/** JSON that is nested deeper than {@link DEEPEST} levels. The message is the rest of a sentence. */
export class JsonTooDeepError extends Error {
  override readonly name = 'JsonTooDeepError'

  constructor() {
    super(`JSON that is nested deeper than ${DEEPEST} levels`)
  }
}

/** JSON of more parts of a kind than are read. The message is the rest of a sentence. */
export class JsonTooManyPartsError extends Error {
  override readonly name = 'JsonTooManyPartsError'

  /** @param parts the kind, in the plural */
  constructor(most: number, parts: string) {
    super(`JSON of more than ${most.toLocaleString('en')} ${parts}`)
  }
}

/**
 * The most lists, objects, and numbers that must be edited: each takes some dozens of bytes of memory, and only two or
 * three in a body, so that 64 MiB of them would be more than a gigabyte.
 */
export const MOST_PARTS = 1_000_000

/** The most items and properties: each takes eight bytes or more, and only two in a body. A mask of 4K has 8.3 million pixels. */
export const MOST_VALUES = 10_000_000

/** The most strings that are values. V8 keeps a table of the short ones, in which nine million take more than three seconds. */
export const MOST_STRINGS = 1_000_000

/**
 * The most names of properties, where objects with the same names in the same order count once. V8 makes a hidden class
 * for each such order: a million names take more than a second if no two objects are alike, and nothing if all are.
 */
export const MOST_NAMES = 200_000

/** The deepest nesting that is read or written. The deepest seen is 3; serializers overflow their stack at some thousands. */
export const DEEPEST = 200

/** A number whose digits a `number` would change. `JSON.stringify` writes them as they were. */
export interface RawNumber {
  readonly rawJSON: string
}

/** ECMAScript's JSON.parse source text access, which TypeScript's library does not declare. */
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON(text: string): RawNumber
  isRawJSON(value: unknown): value is RawNumber
}

export const isRawNumber = (value: unknown): value is RawNumber => isRawJSON(value)

/** True for an object of JSON: a number that keeps its digits is one to JavaScript, too. */
export const isJsonObject = (value: unknown): value is Record<string, unknown> => isRecord(value) && !isRawNumber(value)

/** A number as JavaScript has it, also of one that was kept with its digits; undefined for everything else. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  return isRawNumber(value) ? Number(value.rawJSON) : undefined
}

/** What `digits` is as a JSON value: a `number` if that loses nothing, else a {@link RawNumber}. */
export const exactNumber = (digits: string): number | RawNumber =>
  keepsDigits(digits) ? Number(digits) : rawJSON(digits)

export interface ParsedJson {
  value: unknown
  /** Whether `NaN`, `Infinity` or `-Infinity`, which Python writes and JSON has not, were read as null. */
  hadNonFinite: boolean
}

/**
 * Parses JSON. Numbers keep their digits: integers beyond 2^53, numbers out of range, and fractions of more than 17
 * digits become a {@link RawNumber}.
 * @throws SyntaxError, JsonTooDeepError, or JsonTooManyPartsError
 */
export function parseJson(text: string): ParsedJson {
  const scanner = new Scanner(text)
  while (!scanner.scanOn());
  return parseScanned(text, scanner)
}

/** {@link parseJson} in turns of the event loop, so that signals are handled while a long text is parsed. */
export async function parseJsonInTurns(text: string): Promise<ParsedJson> {
  const scanner = new Scanner(text)
  while (!scanner.scanOn()) await nextTurn()
  return parseScanned(text, scanner)
}

function parseScanned(text: string, { edits, hadNonFinite }: Scanner): ParsedJson {
  if (edits.length === 0) return { value: JSON.parse(text), hadNonFinite }
  const sentinel = newSentinel()
  const holder = { value: JSON.parse(edited(text, edits, sentinel)) as unknown }
  restoreNumbers(holder, sentinel, edits.filter((at, i) => i % 2 === 1 && at > 0).length)
  return { value: holder.value, hadNonFinite }
}

/**
 * Writes a value as JSON. Never throws: what is nested too deeply or is too long to be written becomes a sentence, and
 * what JSON does not have becomes null.
 */
export function stringifyJson(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, null, indent) ?? 'null'
  } catch (error) {
    // An overflow of the stack, or a string that is longer than V8 allows.
    if (error instanceof RangeError) return '"(JSON that is nested too deeply or is too long)"'
    throw error
  }
}

/** Items of a list that are written at once. */
const WRITTEN_AT_ONCE = 10_000

/** A value of parsed JSON as JSON, in parts: of long lists and objects none is as large as the whole. */
export function* jsonParts(value: unknown): Generator<string> {
  if (Array.isArray(value) && value.length > WRITTEN_AT_ONCE) {
    for (let i = 0; i < value.length; i += WRITTEN_AT_ONCE) {
      yield i === 0 ? '[' : ','
      yield JSON.stringify(value.slice(i, i + WRITTEN_AT_ONCE)).slice(1, -1)
    }
    yield ']'
  } else if (isJsonObject(value)) {
    let separator = '{'
    for (const [name, item] of Object.entries(value)) {
      yield `${separator}${JSON.stringify(name)}:`
      yield* jsonParts(item)
      separator = ','
    }
    yield separator === '{' ? '{}' : '}'
  } else {
    yield JSON.stringify(value) ?? 'null'
  }
}

/**
 * The parts of a text that JSON.parse must not see: of each where it begins and where it ends, the end negative if it
 * stands for null, else it is a number whose digits are kept. As one list, for there may be a million.
 */
type Edits = number[]

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
class Scanner {
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

/** Counts the names of properties of objects, of those with the same names in the same order once. */
class Shapes {
  /** By depth, of the object that is open there: its names so far, and how many they are. */
  readonly #hashes = new Int32Array(DEEPEST + 1)
  readonly #counts = new Int32Array(DEEPEST + 1)
  readonly #known = new Set<number>()
  #names = 0

  open(depth: number): void {
    this.#hashes[depth] = 0
    this.#counts[depth] = 0
  }

  name(depth: number, hash: number): void {
    this.#hashes[depth] = Math.imul((this.#hashes[depth] ?? 0) ^ hash, HASH_FACTOR)
    this.#counts[depth] = (this.#counts[depth] ?? 0) + 1
    if (++this.#names > MOST_NAMES) throw new JsonTooManyPartsError(MOST_NAMES, 'property names')
  }

  close(depth: number): void {
    const count = this.#counts[depth] ?? 0
    const hash = this.#hashes[depth] ?? 0
    if (this.#known.has(hash)) this.#names -= count
    else if (count > 0) this.#known.add(hash)
  }
}

/** Of 32 bits, odd, and unknown to those who write answers, so that they cannot give two shapes the same hash. */
const HASH_FACTOR = randomInt(2 ** 31) * 2 + 1

function hashOf(text: string, start: number, end: number): number {
  let hash = end - start
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), HASH_FACTOR)
  return hash ^ (hash >>> 15)
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

/** Significant digits after which a fraction says nothing to anyone who reads it as a double. */
const DOUBLE_DIGITS = 17

/** Whether a number of JSON is the same as a `number`. */
function keepsDigits(word: string): boolean {
  const value = Number(word)
  if (!Number.isFinite(value)) return false
  if (/^-?\d+$/.test(word)) return Number.isSafeInteger(value) || word === String(value)
  const significant = word.replace(/e.*$/i, '').replace(/[-.]/g, '').replace(/^0+/, '')
  return significant.length <= DOUBLE_DIGITS && (value !== 0 || significant === '')
}

/** Begins a string that stands for a number. Random, so that nobody can write it into the text, escaped or not. */
const newSentinel = () => `\ufdd0${randomUUID()}\ufdd1`

function edited(text: string, edits: Edits, sentinel: string): string {
  const parts: string[] = []
  let kept = 0
  for (let i = 0; i < edits.length; i += 2) {
    const [start = 0, marked = 0] = [edits[i], edits[i + 1]]
    const end = Math.abs(marked)
    parts.push(text.slice(kept, start), marked < 0 ? 'null' : `"${sentinel}${text.slice(start, end)}"`)
    kept = end
  }
  return parts.join('') + text.slice(kept)
}

/** Puts numbers back in the place of their strings, until all are found. */
function restoreNumbers(holder: { value: unknown }, sentinel: string, count: number): void {
  let left = count
  const restored = (value: unknown) => {
    if (typeof value === 'object' && value !== null) stack.push(value)
    if (typeof value !== 'string' || !value.startsWith(sentinel)) return undefined
    left--
    return rawJSON(value.slice(sentinel.length))
  }
  const stack: object[] = [holder]
  for (let next = stack.pop(); next !== undefined && left > 0; next = stack.pop()) {
    if (Array.isArray(next)) {
      for (let i = 0; i < next.length; i++) next[i] = restored(next[i]) ?? next[i]
    } else {
      for (const [key, item] of Object.entries(next)) {
        const value = restored(item)
        if (value === undefined) continue
        Object.defineProperty(next, key, { value, enumerable: true, configurable: true, writable: true })
      }
    }
  }
}

/**
 * A value of parsed JSON as JSON, or only its start if that is longer than `most` characters: the start is longer too.
 * What it costs depends on `most`, not on the value, which can be 60 MB.
 */
export function jsonStart(value: unknown, most: number): string {
  let text = ''
  const add = (piece: string): boolean => {
    text += piece
    return text.length <= most
  }
  const write = (item: unknown): boolean => {
    if (typeof item === 'string') return add(JSON.stringify(item.slice(0, most + 1)))
    if (Array.isArray(item)) {
      const fits = add('[') && item.every((each, i) => (i === 0 || add(',')) && write(each))
      return fits && add(']')
    }
    if (!isJsonObject(item)) return add(JSON.stringify(item) ?? 'null')
    let separator = '{'
    for (const key in item) {
      if (!(add(separator) && write(key) && add(':') && write(item[key]))) return false
      separator = ','
    }
    return add(separator === '{' ? '{}' : '}')
  }
  write(value)
  return text
}
