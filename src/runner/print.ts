import * as core from '@actions/core'
import { redacted } from './secrets.ts'
import { oneLine, severalLines, untrustedBlock, withoutColons, withoutCommands } from './untrusted.ts'

/*
 * The only place that prints. Every text may hold untrusted parts: names of files, answers, messages of errors. Nothing
 * of it reaches the runner as a command, and the key is removed last: what is not seen could have parted
 * it. The linter and test/source.test.ts keep the rest of src/ from printing.
 */

/** Characters of a line: a path has at most 4096. */
const LONGEST_LINE = 5000
const LONGEST_TITLE = 200

const cleanLine = (line: string, limit: number) => redacted.text(oneLine(line, limit))
const cleanLines = (message: string) => redacted.text(severalLines(message))

/** Prints one line. */
export const info = (line: string): void => core.info(withoutCommands(cleanLine(line, LONGEST_LINE)))

/** Prints one line that is shown only if the workflow runs with debug logging. */
export const debug = (line: string): void => core.debug(withoutColons(cleanLine(line, LONGEST_LINE)))

/** Prints lines that somebody else wrote, such as a log, each after a prefix; in a collapsed group if it has a title. */
export function block(lines: readonly string[], prefix: string, title?: string): void {
  printBlock(lines, prefix, redacted.text, title)
}

/** Prints URLs as {@link block} prints lines. */
export const urlBlock = (urls: readonly string[], prefix: string): void => printBlock(urls, prefix, redacted.identifier)

function printBlock(lines: readonly string[], prefix: string, redact: (line: string) => string, title?: string): void {
  if (lines.length === 0) return
  const clean = lines.map((line) => redact(oneLine(line, LONGEST_LINE)))
  core.info(untrustedBlock(clean, prefix, title === undefined ? undefined : redact(title)))
}

/** Prints an annotation. */
export const warn = (message: string): void => core.warning(withoutColons(cleanLines(message)))
/** As {@link warn}. */
export const notice = (message: string): void => core.notice(withoutColons(cleanLines(message)))
/** As {@link warn}. It does not end the step: see failure.ts. */
export const error = (message: string, title: string): void =>
  core.error(withoutColons(cleanLines(message)), { title: cleanLine(title, LONGEST_TITLE) })

/** Prints an error as lines of the log, for runners that show annotations nowhere. */
export function errorLines(message: string, title: string): void {
  for (const line of severalLines(`${title}: ${message}`).split('\n')) info(line)
}

/** Warnings of one kind that are printed in full: GitHub shows ten of a step, and others come from elsewhere. */
const WARNINGS = 5

/** Prints warnings of one kind; if there are many, the last counts the rest. */
export function warnAll(messages: readonly string[]): void {
  const shown = messages.length > WARNINGS ? messages.slice(0, WARNINGS - 1) : messages
  for (const message of shown) warn(message)
  const rest = messages.slice(shown.length)
  if (rest.length > 0) warn(`${rest.length} more warnings like this one: ${rest[0]}`)
}

/** Calls back once everything that was printed has gone out: macOS does not wait for the reader of a pipe. */
export const flush = (then: () => void): void => void process.stdout.write('', then)

/**
 * Keeps Node from printing the warnings of libraries, whose texts can be anybody's, to the log as they are: they are
 * debug lines.
 */
export function catchProcessWarnings(): void {
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message }) => debug(`${name}: ${message}`))
}
