import { isJsonObject } from './numbers.ts'

/**
 * Writes a value of JSON. What is nested too deeply or is too long to be written becomes a sentence, and undefined
 * becomes null.
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
    if (typeof item === 'string') return add(JSON.stringify(item.slice(0, most)))
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
