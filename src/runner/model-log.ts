import { isProgressLine, progressOf } from '../predictions/progress.ts'
import { detached } from '../predictions/text.ts'
import { fileSize } from './format.ts'
import { LINE_END } from './untrusted.ts'

/** What has been shown of one prediction's log, so that every line is shown once. */
export interface LogView {
  /** Characters of the log so far, up to its last line end. */
  readonly length: number
  /** The end of those, which shows whether a log has only grown or was rewritten. */
  readonly tail: string
  /** Seconds at which a progress bar was shown last, and which. */
  readonly barAt: number
  readonly bar: string
  /** Characters shown in all. */
  readonly shown: number
}

export const emptyLog: LogView = { length: 0, tail: '', barAt: Number.NEGATIVE_INFINITY, bar: '', shown: 0 }

/** Seconds between two lines of a progress bar: a short run shows some, a long one not hundreds. */
const barPause = (now: number) => Math.min(30, Math.max(2, now / 5))
/**
 * Characters of one prediction's log that are shown in all, by how many are waited for: at most a megabyte, and of all
 * together not much more than four. A step whose log is read more slowly than it is printed cannot react to signals in
 * the meantime.
 */
export const shownLimit = (predictions: number) => Math.min(2 ** 20, Math.max(4096, 2 ** 22 / predictions))

/** What is known when the new lines of a log are printed. */
export interface LogProgress {
  /** Seconds. */
  now: number
  /** Whether the log is complete, so that its last line is whole. */
  complete: boolean
  /** Characters of the log that are shown in all. */
  limit?: number
  /** Characters of the log that are missing before what is given of it. */
  start?: number | undefined
}

/** Characters of new text that are read at a time; nobody can read a log that grows faster. */
const MOST_READ = 4 * 2 ** 20
/** Characters at the end of a log that are compared with those of the one before. */
const MOST_COMPARED = 2 ** 20

/**
 * The lines of a log that are new since the last look; of a progress bar only one now and then, and its end.
 * A line without its end is held back until it is whole or the log is complete. If the log was rewritten, new lines are
 * those that were not there before. However large the log is, a look takes a fraction of a second.
 */
export function newLogLines(
  view: LogView,
  log: string,
  { now, complete, limit = shownLimit(1), start = 0 }: LogProgress,
): { view: LogView; lines: string[] } {
  if (view.shown >= limit) return { view: { ...view, tail: '' }, lines: [] }
  const text = complete ? log : log.slice(0, Math.max(log.lastIndexOf('\n'), log.lastIndexOf('\r')) + 1)
  const added = addedLines(view, text, start)
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
    shown += line.length
    if (shown >= limit) {
      lines.push('… the rest of this log is not shown: it is too long')
      break
    }
    lines.push(line)
  }
  return { view: { length: start + text.length, tail: detached(text.slice(-MOST_COMPARED)), barAt, bar, shown }, lines }
}

/** @param start characters of the log before `text` */
function addedLines({ length, tail }: LogView, text: string, start: number): string[] {
  const seen = length - start
  if (seen < 0) return [notShown(-seen), ...text.split(LINE_END)]
  const compared = tail.slice(Math.max(0, tail.length - seen))
  if (!text.startsWith(compared, seen - compared.length)) {
    return linesNotIn(tail.split(LINE_END), text.slice(-MOST_COMPARED).split(LINE_END))
  }
  const added = text.slice(seen)
  const lines = added.slice(0, MOST_READ).split(LINE_END)
  return added.length > MOST_READ ? [...lines, notShown(added.length - MOST_READ)] : lines
}

const notShown = (characters: number) => `… ${fileSize(characters)} of this log are not shown`

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
