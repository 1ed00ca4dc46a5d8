import { isJsonObject, isRawNumber } from './json/numbers.ts'

/** How texts are redacted. What holds nothing to remove is returned as it is. */
export interface Redactions {
  /** Free text, such as errors, logs and output text: the key, its pieces of twelve characters, and masked echoes of it. */
  text(text: string): string
  /** URLs, IDs, statuses and names: changed only if they hold the whole key, in any form. */
  identifier(text: string): string
  /** Texts that are read one after the other, such as the tokens of a language model: free text as a whole. */
  tokens(tokens: readonly string[]): readonly string[]
}

/** Characters from which a text is looked through in turns. */
export const LONG = 2 ** 20

/** The long texts of a value, by how they are redacted. */
export function longTextsOf(root: unknown) {
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
export function redactValue<T>(value: T, redactions: Redactions): T {
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
    } else if (isJsonObject(value)) {
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
    } else if (isJsonObject(value)) {
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
/** Texts that are not all addresses are read as one, like the output text of a prediction. */
const isTokens = (list: readonly unknown[]): list is readonly string[] =>
  list.length > 0 && list.every((item) => typeof item === 'string') && !list.every(isAddress)
