import { Buffer } from 'node:buffer'

/** True for a JSON object: not null, not a list. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The first characters of a text, with an ellipsis if some are missing; never half a surrogate pair. */
export const clip = (text: string, limit: number): string =>
  text.length > limit ? `${detached(text.slice(0, limit)).toWellFormed()}…` : text.toWellFormed()

/** A copy of a part of a text: V8's substrings keep the complete text in memory. */
export const detached = (part: string): string => Buffer.from(part, 'utf16le').toString('utf16le')

/** The text with a full stop, unless it ends like a sentence already. */
export const sentence = (text: string): string => (/[.!?。！？…]$/.test(text) ? text : `${text}.`)

/** Joins the sentences that there are. */
export const sentences = (...parts: readonly (string | undefined | false)[]): string => parts.filter(Boolean).join(' ')
