import { isProgressLine, progressOf } from '../predictions/progress.ts'
import { LINE_END } from './untrusted.ts'

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

export interface Look {
  /** Seconds. */
  now: number
  /** Whether the log has come to its end, so that its last line is whole. */
  complete: boolean
  /** Characters of the log that are shown in all. */
  limit?: number
}

/**
 * The lines of a log that are new since the last look; of a progress bar only one now and then, and its end.
 * A line without its end is held back until it is whole or the log is complete. If the log was rewritten, new
 * lines are those that were not there before.
 */
export function newLogLines(
  view: LogView,
  log: string,
  { now, complete, limit = shownLimit(1) }: Look,
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
