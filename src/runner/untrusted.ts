import { randomUUID } from 'node:crypto'
import { stripVTControlCharacters } from 'node:util'
import { INVISIBLE } from '../predictions/invisible.ts'
import { clip } from '../predictions/text.ts'

/**
 * Untrusted text as one line that is safe inside a line of ours: no line ends, no invisible characters, no `##[`, which
 * the runner takes for a command anywhere in a line.
 * @param limit characters kept
 */
export function oneLine(text: string, limit = 500): string {
  return stripVTControlCharacters(clip(text, limit))
    .replace(BLANKS, (blanks) => foldLineEnds(blanks, ' ⏎ '))
    .replace(INVISIBLE, '')
    .replaceAll('##[', '## [')
}

/** Blanks and line ends in one go: looking for blanks around a line end takes the square of their number. */
export const BLANKS = /[[\s\u0085]--\ufeff]+/gv
/** Blanks with a line end among them become the mark, others become as many spaces. */
export const foldLineEnds = (blanks: string, mark: string): string =>
  /[\r\n\v\f\u0085\u2028\u2029]/.test(blanks) ? mark : ' '.repeat(blanks.length)

/** The runner ends lines at all three, so text is split at all three. */
export const LINE_END = /\r\n|\n|\r/

/** Untrusted text of several lines for an annotation, whose line ends `@actions/core` escapes. */
export function severalLines(text: string, limit = 3500): string {
  return clip(text, limit)
    .split(LINE_END)
    .map((line) => oneLine(line, limit))
    .join('\n')
}

/** Characters kept of a line of a log. */
const LONGEST_LINE = 4000

/**
 * Untrusted lines as a block in which no workflow command can act, by two defenses: a visible prefix keeps `::` from
 * the start of every line, and the runner stops reading commands until a word that nobody can guess.
 * @param group the title of a collapsed group around the block; none if undefined
 */
export function untrustedBlock(lines: readonly string[], prefix: string, group?: string): string {
  if (lines.length === 0) return ''
  const token = randomUUID()
  const block = [
    `::stop-commands::${token}`,
    ...lines.map((line) => `${prefix}${oneLine(line, LONGEST_LINE)}`),
    `::${token}::`,
  ]
  return (group === undefined ? block : [`::group::${withoutColons(oneLine(group))}`, ...block, '::endgroup::']).join(
    '\n',
  )
}

/**
 * Text for the end of a workflow command. The runners of Gitea and Forgejo read a command up to the last `::` of its
 * line (act/runner/command.go), so there must be no other.
 */
export const withoutColons = (text: string): string => text.replace(/:(?=:)/g, ': ')

/** A secret as the parts that a command can mask: a value with `::` would be printed there in place of being masked. */
export const maskableParts = (secret: string): string[] => secret.split(/^:+|:{2,}/)

/**
 * A line without a workflow command: neither `##[…]` anywhere in it nor `::…` at its start, blanks apart. A space makes
 * it harmless, and leaves it readable. Blanks are those of JavaScript and of .NET, in which the runner is written.
 */
export const withoutCommands = (line: string): string =>
  line.replaceAll('##[', '## [').replace(/^([\s\u0085]*):(?=:)/v, '$1: ')
