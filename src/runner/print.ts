import { AsyncLocalStorage } from 'node:async_hooks'
import { addAbortListener } from 'node:events'
import * as core from '@actions/core'
import { redacted } from './secrets.ts'
import { LINE_END, oneLine, severalLines, untrustedBlock, withoutColons, withoutCommands } from './untrusted.ts'

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

/** Marks what this file prints, so that {@link toolkitOutput} can distinguish it from what the toolkit prints. */
const clean = new AsyncLocalStorage<true>()
const emit = (print: () => void): void => clean.run(true, print)

/** Prints one line. */
export const info = (line: string): void => emit(() => core.info(withoutCommands(cleanLine(line, LONGEST_LINE))))

/** Prints one line that is shown only if the workflow runs with debug logging. */
export const debug = (line: string): void => emit(() => core.debug(withoutColons(cleanLine(line, LONGEST_LINE))))

/** Prints untrusted lines, such as a log, each after a prefix; in a collapsed group if it has a title. */
export function block(lines: readonly string[], prefix: string, title?: string): void {
  printBlock(lines, prefix, redacted.text, title)
}

/** Prints URLs as {@link block} prints lines. */
export const urlBlock = (urls: readonly string[], prefix: string): void => printBlock(urls, prefix, redacted.identifier)

function printBlock(lines: readonly string[], prefix: string, redact: (line: string) => string, title?: string): void {
  if (lines.length === 0) return
  const safe = lines.map((line) => redact(oneLine(line, LONGEST_LINE)))
  emit(() => core.info(untrustedBlock(safe, redact(prefix), title === undefined ? undefined : redact(title))))
}

/** Prints an annotation. */
export const warn = (message: string): void => emit(() => core.warning(withoutColons(cleanLines(message))))
/** As {@link warn}. */
export const notice = (message: string): void => emit(() => core.notice(withoutColons(cleanLines(message))))
/** As {@link warn}. It does not end the step: see failure.ts. */
export const error = (message: string, title: string): void =>
  emit(() => core.error(withoutColons(cleanLines(message)), { title: cleanLine(title, LONGEST_TITLE) }))

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

/**
 * Lets the toolkit print while it works: its lines go out as {@link info} prints them, in a collapsed group if there is
 * a title. Of its commands only those act that mask, debug, warn or notify. It prints names and answers as they are,
 * and its commands cannot be stopped as in a block: it would print signed URLs instead of masking them.
 *
 * The group ends when the signal is aborted; the lines of what is left behind are watched until it has ended.
 */
export async function toolkitOutput<T>(
  title: string | undefined,
  act: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  if (title === undefined) return watchOutput(act)
  emit(() => core.startGroup(withoutColons(cleanLine(title, LONGEST_TITLE))))
  let open = true
  const end = () => {
    if (open) emit(core.endGroup)
    open = false
  }
  using _listener = addAbortListener(signal, end)
  return await watchOutput(act).finally(end)
}

async function watchOutput<T>(act: () => Promise<T>): Promise<T> {
  const write = process.stdout.write
  const watched = (chunk: string | Uint8Array, ...rest: never[]): boolean => {
    if (clean.getStore() || typeof chunk !== 'string') return write.call(process.stdout, chunk, ...rest)
    for (const line of chunk.replace(/(?:\r\n|\n|\r)$/, '').split(LINE_END)) printForToolkit(line)
    return write.call(process.stdout, '', ...rest)
  }
  process.stdout.write = watched
  try {
    return await act()
  } finally {
    if (process.stdout.write === watched) process.stdout.write = write
  }
}

const TOOLKIT_COMMAND = /^::(?<name>add-mask|debug|notice|warning)(?: [^:]*)?::(?<data>.*)$/

function printForToolkit(line: string): void {
  const { name, data = '' } = TOOLKIT_COMMAND.exec(line)?.groups ?? {}
  const text = data.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
  if (name === 'add-mask') emit(() => core.setSecret(text))
  else if (name === 'debug') debug(text)
  else if (name === 'notice') notice(text)
  else if (name === 'warning') warn(text)
  else info(line)
}

/** Calls back once everything that was printed has been written: macOS does not wait for the reader of a pipe. */
export const flush = (then: () => void): void => emit(() => void process.stdout.write('', then))

/**
 * Keeps Node from printing the warnings of libraries, whose texts can be anybody's, to the log as they are: they are
 * debug lines.
 */
export function catchProcessWarnings(): void {
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message }) => debug(`${name}: ${message}`))
}

/**
 * Lets the step go on if nobody reads its log any more, because the runner has died: its files are still saved and its
 * outputs set. As an uncaught error, each failed write would print one more line, without end.
 */
export function ignoreOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
}
