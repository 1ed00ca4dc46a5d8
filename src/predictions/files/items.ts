import { isJsonOutput, outputFiles, outputText } from '../output.ts'
import type { Kind } from './file-name.ts'

/** One thing to save, of one output. */
export interface Item {
  /** Its place among the files of its output. */
  index: number
  kind: Kind
  /** Where it comes from: a URL, `data:`, `text` or `json`. */
  source: string
  /** For messages: `File 2 (cdn.example.com/…/a.png)`. */
  label: string
  /** Of a `data:` URI. */
  uri?: string
}

/**
 * What an output holds to save, in document order: its files, else its text unless that is empty, else what it is as
 * JSON.
 * @param most files that may be saved
 * @returns `more`: whether there are others beyond those
 */
export function itemsOf(output: unknown, most: number): { items: Item[]; more: boolean } {
  const sources = outputFiles(output, most + 1)
  const files = sources.slice(0, most)
  const items = files.map((source, index): Item => {
    const kind = { index, of: files.length }
    const isUri = source.startsWith('data:')
    const label = `File ${index} (${isUri ? 'a data: URI' : labelOf(source)})`
    return isUri ? { index, kind, source: 'data:', label, uri: source } : { index, kind, source, label }
  })
  if (sources.length === 0) {
    if (outputText(output, 1)) items.push({ index: 0, kind: 'text', source: 'text', label: 'The text' })
    else if (isJsonOutput(output)) items.push({ index: 0, kind: 'output', source: 'json', label: 'The output' })
  }
  return { items: items.slice(0, most), more: Math.max(sources.length, items.length) > most }
}

const LONGEST_NAME = 60

/** Host and end of a URL, which distinguish it from others of the same output. */
function labelOf(source: string): string {
  const { hostname, pathname } = new URL(source)
  const last = pathname.split('/').at(-1) ?? ''
  return `${hostname}/…/${last.length > LONGEST_NAME ? `…${last.slice(-LONGEST_NAME)}` : last}`
}
