import { isRawNumber } from '../json.ts'
import { isFile } from '../output.ts'
import { isRecord } from '../text.ts'

/** Looks for something in parsed JSON, only at the places it was made for. */
export type Find<T> = (json: unknown) => T[]

/** The values at a dotted path; `*` stands for every item of a list, `''` for the JSON itself. Missing ones and null are left out. */
export function at(path: string): Find<unknown> {
  const keys = path === '' ? [] : path.split('.')
  const step = (values: unknown[], key: string) =>
    values.flatMap((value): unknown[] => {
      if (key === '*') return Array.isArray(value) ? value : []
      return isRecord(value) && Object.hasOwn(value, key) ? [value[key]] : []
    })
  return (json) => keys.reduce(step, [json]).filter((value) => value !== undefined && value !== null)
}

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
