import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { rawJSON } from './numbers.ts'
import { type Edits, Scanner } from './scanner.ts'

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
