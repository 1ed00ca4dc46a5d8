import { isRawNumber } from './json/numbers.ts'
import { jsonStart } from './json/write.ts'
import { detached } from './text.ts'

const isUrl = (text: string) => (/^https?:\/\/\S+$/.test(text) && URL.canParse(text)) || isUrlWithBlanks(text)
/** With a media type, or parameters, or neither (RFC 2397); a text that begins with "data: a, b" is not one. */
const isDataUri = (text: string) => /^data:(?:[\w.+-]+\/[\w.+-]+)?(?:;[\w.+-]+(?:=[^\s,;]*)?)*,/.test(text)
/** A URL or a `data:` URI, as a whole. */
export const isFile = (value: unknown): value is string =>
  typeof value === 'string' && (isUrl(value) || isDataUri(value))

const LONGEST_URL_WITH_BLANKS = 2000

/** A URL whose author forgot to encode blanks: its last part has an extension, and no second URL follows. */
function isUrlWithBlanks(text: string): boolean {
  if (text.length > LONGEST_URL_WITH_BLANKS || !/^https?:\/\/[^\s/]+\/[\S ]*\S$/.test(text)) return false
  const path = URL.parse(text)?.pathname ?? ''
  return /\.[a-z0-9]{1,16}$/i.test(path) && text.lastIndexOf('://') === text.indexOf('://')
}

/** Files of an output that are looked for, and all files that a step saves. */
export const MOST_FILES = 5000
/** Values of an output that are looked at: the walk of one that has more ends there. */
const MOST_VALUES = 1_000_000
/** Strings at the start of a list that show whether it is a list of files. */
const TELLING = 10_000

/**
 * The files of an output in document order: URLs and `data:` URIs, at any depth, as values of lists and objects.
 * A string is a file only as a whole, untrimmed; in a list of strings either all are files or none is (a language
 * model's tokens may look like URLs). Walks without recursion: depth is the sender's to choose.
 * @param most files that are returned
 */
export function outputFiles(output: unknown, most = MOST_FILES): string[] {
  const files: string[] = []
  const stack: Iterator<unknown>[] = [[output].values()]
  for (let values = 0; stack.length > 0 && files.length < most && values < MOST_VALUES; ) {
    const { done, value } = stack.at(-1)?.next() ?? { done: true, value: undefined }
    if (done) {
      stack.pop()
      continue
    }
    values++
    if (isFile(value)) files.push(value)
    else if (Array.isArray(value)) stack.push(isTextList(value) ? value.values().filter(isNoString) : value.values())
    else if (typeof value === 'object' && value !== null) stack.push(Object.values(value).values())
  }
  return files
}

const isNoString = (value: unknown) => typeof value !== 'string'

/** Whether a list holds a string that is no file, so that its strings are text. */
function isTextList(list: readonly unknown[]): boolean {
  let strings = 0
  for (const item of list) {
    if (typeof item !== 'string') continue
    if (!isFile(item)) return true
    if (++strings === TELLING) return false
  }
  return false
}

/** The files of an output that have an address: {@link outputFiles} without `data:` URIs. */
export const outputUrls = (output: unknown): string[] => outputFiles(output).filter((file) => !isDataUri(file))

/** Whether an output is text or a list of tokens; files are not. */
function isText(output: unknown): output is string | readonly string[] {
  if (typeof output === 'string') return !isFile(output)
  if (!Array.isArray(output) || output.length === 0) return false
  return output.every((item) => typeof item === 'string') && isTextList(output)
}

/**
 * The text of an output that is text or a list of tokens; undefined for anything else, files included.
 * @param most characters that are wanted; a longer text may be cut off after them
 */
export function outputText(output: unknown, most = Number.POSITIVE_INFINITY): string | undefined {
  if (!isText(output)) return undefined
  if (typeof output === 'string') return output
  let left = most
  const end = output.findIndex(({ length }) => {
    left -= length
    return left <= 0
  })
  return output.slice(0, end < 0 ? output.length : end + 1).join('')
}

/** Whether an output is JSON that holds something, but neither files nor text. */
export function isJsonOutput(output: unknown): boolean {
  if (output === null || output === undefined || typeof output === 'string') return false
  if (typeof output === 'object' && !isRawNumber(output) && isEmpty(output)) return false
  return !isText(output) && outputFiles(output, 1).length === 0
}

/** A list can have millions of items: no list of their keys is made. */
const isEmpty = (output: object) => (Array.isArray(output) ? output : Object.keys(output)).length === 0

/** What is shown of an output. What is cut off here is longer than any place that shows it can take. */
export interface OutputView {
  /** The addresses of its files, in document order. */
  urls: readonly string[]
  /** How many files are in the output itself, as `data:` URIs. */
  embedded: number
  /** The start of its text; undefined if it is not text. */
  text: string | undefined
  /** Its start as JSON. */
  json: string
}

/** Characters of a text or of JSON, and of all addresses together, that are shown at most. */
const MOST_SHOWN = 2 ** 16
const MOST_OF_ADDRESSES = 2 ** 20

/** Looks at an output once for all that is shown of it. */
export function viewOf(output: unknown): OutputView {
  const files = outputFiles(output)
  const urls = files.filter((file) => !isDataUri(file))
  return {
    urls: firstOf(urls, MOST_OF_ADDRESSES),
    embedded: files.length - urls.length,
    text: startOf(outputText(output, MOST_SHOWN)),
    json: jsonStart(output, MOST_SHOWN),
  }
}

/** Whether an output is larger than what is shown of it. */
export const isLargeView = ({ json }: OutputView): boolean => json.length > MOST_SHOWN

const startOf = (text: string | undefined) =>
  text && (text.length > MOST_SHOWN ? detached(text.slice(0, MOST_SHOWN)) : text)

/** The first texts, truncated to this many characters in total. */
function firstOf(texts: readonly string[], most: number): string[] {
  const kept: string[] = []
  let left = most
  for (const text of texts) {
    if (left <= 0) break
    kept.push(text.length > left ? detached(text.slice(0, left)) : text)
    left -= text.length
  }
  return kept
}
