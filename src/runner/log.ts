import { randomUUID } from 'node:crypto'
import { stripVTControlCharacters } from 'node:util'
import * as core from '@actions/core'
import { isProgressLine, progressOf } from '../predictions/progress.ts'

/**
 * Foreign text as one line that is safe inside a line of ours: no line ends, no control or direction-changing
 * characters, no `##[`, which the runner takes for a command anywhere in a line.
 * @param limit characters kept
 */
export function oneLine(text: string, limit = 500): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text
  return stripVTControlCharacters(cut)
    .toWellFormed()
    .replace(BLANKS, (blanks) => foldLineEnds(blanks, ' ⏎ '))
    .replace(UNPRINTABLE, '')
    .replaceAll('##[', '## [')
}

/** Blanks and line ends in one go: looking for blanks around a line end takes the square of their number. */
export const BLANKS = /[\s\u0085]+/g
/** Blanks with a line end among them become the mark, others stay. */
export const foldLineEnds = (blanks: string, mark: string) =>
  /[\r\n\v\f\u0085\u2028\u2029]/.test(blanks) ? mark : blanks

/** Prints one line that may hold foreign text; it must not begin with any. */
export const say = (line: string): void => core.info(oneLine(line, 1000))

/** Foreign text of several lines for an annotation, whose line ends `@actions/core` escapes. */
export function severalLines(text: string, limit = 3500): string {
  const lines = (text.length > limit ? `${text.slice(0, limit)}…` : text).split(LINE_END)
  return lines.map((line) => oneLine(line, limit)).join('\n')
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNPRINTABLE = /[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
/** The runner ends lines at all three, so text is split at all three. */
const LINE_END = /\r\n|\n|\r/

/**
 * Foreign lines as a block in which no workflow command can act, by two defences: a visible prefix keeps `::` from
 * the start of every line, and the runner is told to stop reading commands until a word nobody can know.
 * @param group the title of a collapsed group around the block; none where undefined
 */
export function foreignBlock(lines: readonly string[], prefix: string, group?: string): string {
  if (lines.length === 0) return ''
  const token = randomUUID()
  const block = [`::stop-commands::${token}`, ...lines.map((line) => `${prefix}${oneLine(line, 4000)}`), `::${token}::`]
  return (group === undefined ? block : [`::group::${oneLine(group)}`, ...block, '::endgroup::']).join('\n')
}

/** What has been shown of one prediction's log, so that every line is shown once. */
export interface LogView {
  /** The log so far, up to its last line end. */
  readonly text: string
  /** Seconds at which a progress bar was shown last, and which. */
  readonly barAt: number
  readonly bar: string
  /** Characters shown in all. */
  readonly shown: number
}

export const emptyLog: LogView = { text: '', barAt: Number.NEGATIVE_INFINITY, bar: '', shown: 0 }

/** Seconds between two lines of a progress bar: a short run shows some, a long one not hundreds. */
const barPause = (now: number) => Math.min(30, Math.max(2, now / 5))
/**
 * Characters of one prediction's log that are shown in all, where so many are waited for: a megabyte, and not much more
 * than four of all together. A step whose log is read more slowly than it prints hears no signal meanwhile.
 */
export const shownLimit = (predictions: number) => Math.min(2 ** 20, Math.max(4096, 2 ** 22 / predictions))

/**
 * The lines of a log that are new since the last look; of a progress bar only one now and then, and its end.
 * A line without its end is held back until it is whole or the log is `complete`. Where the log was rewritten, new
 * lines are those that were not there before.
 * @param now seconds
 * @param limit characters of the log that are shown in all
 */
export function newLogLines(
  view: LogView,
  log: string,
  now: number,
  complete: boolean,
  limit = shownLimit(1),
): { view: LogView; lines: string[] } {
  const whole = complete ? log : log.slice(0, Math.max(log.lastIndexOf('\n'), log.lastIndexOf('\r')) + 1)
  const added = whole.startsWith(view.text)
    ? whole.slice(view.text.length).split(LINE_END)
    : linesNotIn(view.text.split(LINE_END), whole.split(LINE_END))
  let { barAt, bar, shown } = view
  const lines: string[] = []
  for (const [i, line] of added.entries()) {
    if (line.trim() === '') continue
    if (isProgressLine(line)) {
      const next = added[i + 1]
      if (next !== undefined && isProgressLine(next)) continue
      const ended = (progressOf(line)?.fraction ?? 0) >= 1
      if (line === bar || (!ended && now - barAt < barPause(now))) continue
      barAt = now
      bar = line
    }
    if (shown >= limit) continue
    shown += line.length
    lines.push(shown >= limit ? '… the rest of this log is not shown: it is too long' : line)
  }
  return { view: { text: whole, barAt, bar, shown }, lines }
}

/** The lines of `after` that `before` has not, or has fewer times. */
function linesNotIn(before: readonly string[], after: readonly string[]): string[] {
  const count = new Map<string, number>()
  for (const line of before) count.set(line, (count.get(line) ?? 0) + 1)
  return after.filter((line) => {
    const left = count.get(line) ?? 0
    count.set(line, left - 1)
    return left <= 0
  })
}

/** Seconds as people read them: `0.8 s`, `42 s`, `12m 5s`, `2h 3m`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`
  return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`
}

/** Bytes as people read them: `512 B`, `1.2 MB`. */
export function fileSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[power]}`
}

/** The first of these lines, as many as fit into so many bytes with their line ends. */
export function linesWithin(lines: readonly string[], bytes: number): string[] {
  let left = bytes
  const end = lines.findIndex((line) => {
    left -= Buffer.byteLength(line) + 1
    return left < 0
  })
  return lines.slice(0, end < 0 ? lines.length : end)
}
