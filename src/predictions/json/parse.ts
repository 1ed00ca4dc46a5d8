import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { JSON_LIMITS } from './limits.ts'
import { rawJSON } from './numbers.ts'
import { Scanner } from './scanner.ts'

export interface ParsedJson {
  value: unknown
  /** Whether `NaN`, `Infinity` or `-Infinity`, which Python writes and JSON has not, were read as null. */
  hadNonFinite: boolean
}

/**
 * Parses JSON. Numbers keep their digits: integers beyond 2^53, numbers out of range, and fractions of more than 17
 * digits become a `RawNumber`.
 * @throws SyntaxError, JsonTooDeepError, or JsonTooManyPartsError
 */
export function parseJson(text: string, limits = JSON_LIMITS): ParsedJson {
  const scanner = new Scanner(text, limits)
  while (!scanner.scanOn());
  return parseEdited(text, scanner.edits)
}

/** {@link parseJson} in turns of the event loop, so that signals are handled while a long text is parsed. */
export async function parseJsonInTurns(text: string): Promise<ParsedJson> {
  const scanner = new Scanner(text, JSON_LIMITS)
  while (!scanner.scanOn()) await nextTurn()
  return parseEdited(text, scanner.edits)
}

function parseEdited(text: string, edits: readonly number[]): ParsedJson {
  if (edits.length === 0) return { value: JSON.parse(text), hadNonFinite: false }
  // Begins a string that stands for a number. Random, so that nobody can write it into the text, escaped or not.
  const sentinel = `\ufdd0${randomUUID()}\ufdd1`
  const parts: string[] = []
  let kept = 0
  let hadNonFinite = false
  for (let i = 0; i < edits.length; i += 2) {
    const word = text.slice(edits[i], edits[i + 1])
    const isNumber = /\d/.test(word)
    hadNonFinite ||= !isNumber
    parts.push(text.slice(kept, edits[i]), isNumber ? `"${sentinel}${word}"` : 'null')
    kept = edits[i + 1] ?? 0
  }
  parts.push(text.slice(kept))
  return { value: withNumbers(JSON.parse(parts.join('')), sentinel), hadNonFinite }
}

/** Puts numbers back in the place of their strings, at any depth: it has a limit. */
function withNumbers(value: unknown, sentinel: string): unknown {
  if (typeof value === 'string' && value.startsWith(sentinel)) return rawJSON(value.slice(sentinel.length))
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const restored = withNumbers(value[i], sentinel)
      if (restored !== value[i]) value[i] = restored
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const restored = withNumbers(item, sentinel)
      if (restored === item) continue
      // An assignment to __proto__ would do something else.
      Object.defineProperty(value, key, { value: restored, enumerable: true, configurable: true, writable: true })
    }
  }
  return value
}
