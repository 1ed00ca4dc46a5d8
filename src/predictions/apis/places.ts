import { isRawNumber } from '../json/numbers.ts'
import { isFile } from '../output.ts'
import { errorText } from '../prediction-error.ts'
import { isRecord } from '../text.ts'

/** Looks for something in parsed JSON, only at the places it was made for. */
export type Find<T> = (json: unknown) => T[]

/**
 * The values at a dotted path; `*` stands for every item of a list, `''` for the JSON itself. Missing ones and null are
 * left out. A key counts in snake case and in camel case: gateways rewrite the answers of vendors.
 */
export function at(path: string): Find<unknown> {
  const keys = path === '' ? [] : path.split('.').map((key) => [key, otherCase(key)])
  const step = (values: unknown[], spellings: string[]) =>
    values.flatMap((value): unknown[] => {
      if (spellings[0] === '*') return Array.isArray(value) ? value : []
      if (!isRecord(value)) return []
      const found = spellings.find((key) => Object.hasOwn(value, key) && value[key] !== null)
      return found === undefined ? [] : [value[found]]
    })
  return (json) => keys.reduce(step, [json]).filter((value) => value !== undefined && value !== null)
}

const otherCase = (key: string) =>
  key.includes('_')
    ? key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    : key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** URLs and `data:` URIs at a path. */
export const file = (path: string): Find<string> => {
  const find = at(path)
  return (json) => find(json).filter(isFile)
}

/** Texts at a path that are not blank, trimmed, and numbers as text. */
export const text = (path: string): Find<string> => {
  const find = at(path)
  return (json) => find(json).flatMap((value) => textOf(value) ?? [])
}

/** The message of an error at a path, in any of its shapes. */
export const errorMessage = (path: string): Find<string> => {
  const find = at(path)
  return (json) => find(json).flatMap((value) => errorText(value) || [])
}

/** What the first of several places has. */
export const first =
  <T>(...finds: readonly Find<T>[]): Find<T> =>
  (json) => {
    for (const find of finds) {
      const found = find(json)
      if (found.length > 0) return found
    }
    return []
  }

/** What all of several places have, in their order. */
export const all =
  <T>(...finds: readonly Find<T>[]): Find<T> =>
  (json) =>
    finds.flatMap((find) => find(json))

/** What every value at a path has. */
export const each = <T>(path: string, find: Find<T>): Find<T> => {
  const values = at(path)
  return (json) => values(json).flatMap(find)
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  if (isRawNumber(value)) return value.rawJSON
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}
