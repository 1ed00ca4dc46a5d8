import { createHash } from 'node:crypto'

/** The default template of file names. */
export const DEFAULT_FILE_NAME = '{id}-{index}'

/** The placeholders of a template. */
const PLACEHOLDERS = ['{id}', '{index}', '{name}', '{number}'] as const
export type Placeholder = (typeof PLACEHOLDERS)[number]

/** Names of devices on Windows, with any extension. */
const RESERVED = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|$)/i
/** What no name of a file may hold on Windows, line ends of all kinds, and characters that turn text around. */
const CONTROLS = String.raw`\x00-\x1f\x7f-\x9f`
const LINE_ENDS = String.raw`\u2028\u2029`
const TURNING = String.raw`\u202a-\u202e\u2066-\u2069`
const FORBIDDEN = new RegExp(String.raw`[<>:"\\|?*${CONTROLS}${LINE_ENDS}${TURNING}]|\p{Surrogate}`, 'u')
/** Bytes of a template without its placeholders. */
const LONGEST_TEMPLATE = 80
/** Bytes of the value of `{name}`, and of a complete name; file systems allow 255. */
const LONGEST_VALUE = 120
const LONGEST_STEM = 220

/**
 * What is wrong with a template, as a clause; undefined if nothing is.
 * @param known the placeholders that mean something in this action
 */
export function fileNameProblem(template: string, known: readonly Placeholder[] = PLACEHOLDERS): string | undefined {
  const unknown = template.match(/\{[^{}]*\}?|\}/g)?.find((found) => !known.some((each) => each === found))
  if (unknown !== undefined) return `contains ${JSON.stringify(unknown)}; the placeholders are ${known.join(', ')}`
  const own = PLACEHOLDERS.reduce((text, each) => text.replaceAll(each, ''), template)
  if (own.includes('/')) return 'contains "/"; put folders into output-dir'
  const forbidden = FORBIDDEN.exec(own)?.[0]
  if (forbidden !== undefined) return `contains ${escaped(forbidden)}, which Windows does not allow in file names`
  if (RESERVED.test(template)) return 'is a reserved name on Windows'
  if (/^\.{1,2}$/.test(template)) return 'is not a valid file name'
  if (Buffer.byteLength(own) > LONGEST_TEMPLATE) return `is longer than ${LONGEST_TEMPLATE} bytes`
  return undefined
}

const escaped = (character: string) =>
  /^[\x21-\x7e]$/.test(character)
    ? JSON.stringify(character)
    : `U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`

/** The prediction that a file belongs to. */
export interface NamedPrediction {
  id: string
  /** Its place in the step, from 1. */
  number: number
  /** The name of its input; undefined if it has none. */
  name?: string | undefined
}

/** One file of a prediction: its place among them, and how many there are; or the whole output as text or JSON. */
export type Kind = { index: number; of: number } | 'text' | 'output'

/** Names the files of a step by a template, the same each time, whatever ends first. Without extensions. */
export class FileNames {
  readonly #template: string
  readonly #folded: Map<string, number>

  /** @param predictions how many the step has, and the IDs that are known from the start */
  constructor(template: string, predictions: { count: number; ids: readonly string[] }) {
    const apart = /\{(?:id|name|number)\}/.test(template)
    this.#template = (apart || predictions.count < 2 ? template : `${template}-{number}`).normalize('NFC')
    // Two IDs that differ only by case would be one file on Windows and macOS.
    this.#folded = new Map()
    for (const id of predictions.ids) this.#folded.set(id.toLowerCase(), (this.#folded.get(id.toLowerCase()) ?? 0) + 1)
  }

  /** The name of one file, without its extension. */
  stem(prediction: NamedPrediction, kind: Kind): string {
    const { id, number, name = id } = prediction
    const known = {
      '{id}': this.#idInName(id),
      '{name}': nameInName(name),
      '{number}': String(number),
    }
    const values: Readonly<Record<string, string>> = { ...known, '{index}': indexOf(kind) }
    const stem = this.#templateFor(kind).replace(/\{\w+\}/g, (found) => values[found] ?? found)
    return withinLimits(stem)
  }

  #templateFor(kind: Kind): string {
    if (this.#template === DEFAULT_FILE_NAME && typeof kind === 'string') return `{id}-${kind}`
    if (typeof kind === 'string' || kind.of < 2 || this.#template.includes('{index}')) return this.#template
    return `${this.#template}-{index}`
  }

  #idInName(id: string): string {
    const alone = (this.#folded.get(id.toLowerCase()) ?? 0) < 2
    return nameInName(alone ? id : `${id}-${createHash('sha256').update(id).digest('hex').slice(0, 8)}`)
  }
}

/** With leading zeros, so that names sort in document order. */
const indexOf = (kind: Kind): string =>
  typeof kind === 'string' ? '0' : String(kind.index).padStart(String(Math.max(0, kind.of - 1)).length, '0')

/** What the runner takes for the start of a command anywhere in a line: `git commit`, for example, prints names of files. */
const COMMAND = String.raw`(?<=##)\[`
const REPLACED = new RegExp(`${FORBIDDEN.source}|/|${COMMAND}`, 'gu')

/** An untrusted name as part of a file name: letters of every script, without what file names must not contain. */
export const nameInName = (name: string): string =>
  cutTo(name.normalize('NFC').replaceAll(REPLACED, '-'), LONGEST_VALUE)

function withinLimits(stem: string): string {
  const usable = RESERVED.test(stem) ? stem.replace(/^[^.\s]+/, '$&_') : stem
  return /^[.\s]*$/.test(usable) ? '_' : cutTo(usable, LONGEST_STEM)
}

/** Truncated between characters to at most this many bytes of UTF-8. */
function cutTo(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text
  let kept = ''
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > bytes) break
    kept += character
  }
  return kept
}
