import { isRecord } from '../text.ts'

/** A number whose digits a `number` would change. `JSON.stringify` writes them as they were. */
export interface RawNumber {
  readonly rawJSON: string
}

/** ECMAScript's JSON.parse source text access, which TypeScript's library does not declare. */
export const { rawJSON, isRawJSON: isRawNumber } = JSON as unknown as {
  rawJSON(text: string): RawNumber
  isRawJSON(value: unknown): value is RawNumber
}

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

/** Significant digits after which a fraction says nothing to anyone who reads it as a double. */
const DOUBLE_DIGITS = 17

/** Whether a number of JSON is the same as a `number`. */
export function keepsDigits(word: string): boolean {
  const value = Number(word)
  if (!Number.isFinite(value)) return false
  if (/^-?\d+$/.test(word)) return Number.isSafeInteger(value) || word === String(value)
  const significant = word.replace(/e.*/i, '').replace(/[-.]/g, '').replace(/^0+/, '')
  return significant.length <= DOUBLE_DIGITS && (value !== 0 || significant === '')
}
