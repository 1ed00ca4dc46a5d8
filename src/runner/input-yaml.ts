import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
} from 'yaml'
import { JSON_LIMITS } from '../predictions/json/limits.ts'
import { exactNumber } from '../predictions/json/numbers.ts'
import { parseJson } from '../predictions/json/parse.ts'
import { clip } from '../predictions/text.ts'
import { ModelInputError } from './embedded-files.ts'

/** Characters quoted of a text that is cut off. */
const LONGEST_QUOTE = 60
/** Aliases of one text: a few lines cannot grow into gigabytes. */
const MOST_ALIASES = 100
const TOO_DEEP = `it is nested deeper than ${JSON_LIMITS.depth} levels.`

// biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of workflows, as the user writes it
const QUOTES = 'Put all texts in quotes, or pass them with ${{ toJSON(…) }}.'
const YAML_1_1 = 'it is marked as YAML 1.1, but read as YAML 1.2. Remove the line that starts with %YAML.'
const SEVERAL_DOCUMENTS =
  'it has several YAML documents: a line "---" starts another one. Remove the line, or put the text that contains it in quotes.'

/** Tags of what JSON can say. */
const TAGS: ReadonlySet<string> = new Set([
  '!',
  ...['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`),
])

/**
 * Parses JSON or YAML 1.2. Numbers keep their digits. What JSON cannot say (numbers out of range, binary data, keys that
 * are collections, tags) is an error, as nothing of an input may change on its way to the model.
 * @param where what is parsed, for messages, such as `input`
 * @param isFile whether a comment may follow a plain text on its line; in an inline input it is more likely a text that
 * lacks quotes
 * @throws ModelInputError
 */
export function parseInput(text: string, where: string, { isFile = false } = {}): unknown {
  const document = parsed(text, where)
  if (document.directives.yaml.version === '1.1') reject(where, YAML_1_1)
  const [problem] = document.errors
  if (problem?.code === 'RESOURCE_EXHAUSTION') reject(where, TOO_DEEP)
  if (problem?.code === 'MULTIPLE_DOCS') reject(where, SEVERAL_DOCUMENTS)
  const isDuplicate = document.errors.some(({ code }) => code === 'DUPLICATE_KEY')
  const json = problem && !isDuplicate ? jsonInstead(text) : undefined
  if (problem) return json ?? reject(where, `${firstLine(problem.message)} ${isDuplicate ? '' : QUOTES}`.trim())
  const [warning] = document.warnings
  if (warning) reject(where, `${firstLine(warning.message)} ${QUOTES}`)
  check(document, text, (path) => `${where}${placeIn(path, isFile)}`, isFile)
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES })
  } catch (error) {
    return reject(where, `${firstLine((error as Error).message)}.`)
  }
}

function reject(where: string, what: string, cause?: unknown): never {
  throw new ModelInputError(`In ${where}: ${what}`, { cause })
}

const firstLine = (message: string) => (message.split('\n')[0] ?? '').replace(/:$/, '.')

function parsed(text: string, where: string): Document.Parsed {
  try {
    // Without the log level the parser prints warnings by itself, with parts of the text.
    return parseDocument(text, { uniqueKeys: isSameKey, intAsBigInt: true, logLevel: 'error' })
  } catch (error) {
    return reject(where, TOO_DEEP, error)
  }
}

/** A key is a text, however it looks: `1.10` is another than `1.1`, and `1` the same as `"1"`. */
const textOfKey = ({ type, source, value }: Scalar): string =>
  type === Scalar.PLAIN && source !== undefined ? source : String(value)

const isSameKey = (a: unknown, b: unknown): boolean =>
  a === b || (isScalar(a) && isScalar(b) && textOfKey(a) === textOfKey(b))

/** Tabs between tokens are JSON, but not YAML. */
function jsonInstead(text: string): unknown {
  try {
    return parseJson(text).value
  } catch {
    return undefined
  }
}

/** Refuses what would change on its way, and makes numbers keep their digits. */
function check(document: Document.Parsed, text: string, where: (path: Path) => string, isFile: boolean): void {
  visit(document, {
    Node(_key, node, path) {
      if (isTooDeep([...path, node])) reject(where([]), TOO_DEEP)
      if (isAlias(node) && path.some((parent) => isCollection(parent) && parent.anchor === node.source)) {
        reject(where([...path, node]), `the alias *${node.source} refers to a value that contains it.`)
      }
      refuseTag(node, () => where([...path, node]))
    },
    Pair(_key, { key }, path) {
      const named = isAlias(key) ? key.resolve(document) : key
      if (isCollection(named)) reject(where(path), `a key is a ${isMap(named) ? 'mapping' : 'list'}. ${QUOTES}`)
    },
    Scalar(key, node, path) {
      const here = () => where([...path, node])
      if (node.value instanceof Uint8Array) {
        reject(here(), 'binary data cannot be sent. Use @path for a file, or a URL.')
      }
      refuseTag(node, here)
      // Of YAML 1.1: here, the model would be sent a field of that name.
      if (key === 'key' && node.type === Scalar.PLAIN && node.value === '<<') {
        reject(
          where(path.slice(0, -1)),
          'merge keys (<<) are not supported. Put shared values into input or input-file.',
        )
      }
      if (key === 'key') node.value = textOfKey(node)
      else keepDigits(node, here)
      if (!isFile && key !== 'key') refuseCut(node, text, here)
    },
  })
}

/** The ancestors of a node, from the document to the node itself. */
type Path = readonly (Document | Node | Pair)[]

const isTooDeep = (path: Path): boolean =>
  path.length > JSON_LIMITS.depth && path.filter(isCollection).length > JSON_LIMITS.depth

/** The place at the end of a path, such as `.hero.prompt` after the name of an input, or ` at hero.prompt` after a file. */
function placeIn(path: Path, isFile: boolean): string {
  const place = path.map((parent, i) => stepTo(path[i + 1], parent)).join('')
  return isFile && place !== '' ? ` at ${place.replace(/^\./, '')}` : place
}

/** How the next node of a path is found in its parent: by its key, or by its number in a list. */
function stepTo(next: Path[number] | undefined, parent: Path[number]): string {
  if (isPair(parent)) return `.${isScalar(parent.key) ? String(parent.key.value) : String(parent.key)}`
  return isSeq(parent) && next ? `[${parent.items.indexOf(next)}]` : ''
}

function refuseTag(node: Node, where: () => string): void {
  const tag = isAlias(node) ? undefined : node.tag
  if (tag === undefined || TAGS.has(tag)) return
  reject(where(), `the tag ${tag.replace(/^tag:yaml\.org,2002:/, '!!')} is not supported. ${QUOTES}`)
}

function keepDigits(node: Scalar, where: () => string): void {
  const { value, source } = node
  if (typeof value === 'bigint') node.value = exactNumber(String(value))
  if (typeof value !== 'number') return
  if (!Number.isFinite(value)) {
    reject(
      where(),
      `${JSON.stringify(source)} is read as a number that JSON cannot represent. If it is a text, quote it.`,
    )
  }
  if (source !== undefined && JSON_NUMBER.test(source)) node.value = exactNumber(source)
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i

/**
 * `prompt: a cake # with candles` is the text `a cake`, and `prompt: #1 cake` is none: the model would be paid for another
 * picture.
 */
function refuseCut(node: Scalar, text: string, where: () => string): void {
  const { type, value, source, range } = node
  if (type !== Scalar.PLAIN || !range || !/^[ \t]*#/.test(text.slice(range[1]))) return
  if (source === '') {
    reject(
      where(),
      'there is no value before "#", which starts a comment in YAML. Put the text in quotes, or remove the comment.',
    )
  }
  if (typeof value === 'string') {
    reject(
      where(),
      `the text ${JSON.stringify(clip(value, LONGEST_QUOTE))} is cut off at " #", which starts a comment in YAML. Put the text in quotes, or remove the comment.`,
    )
  }
}
