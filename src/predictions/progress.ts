import { detached } from './text.ts'

/** The newest mark that a model's log has made of how far it is. */
export interface Progress {
  /** Tells one mark from the next: where in the log it stands, and how it reads. */
  readonly at: string
  /** From 0 to 1. */
  readonly fraction: number
  /** Seconds to the end of the bar as the bar itself says; undefined where it says nothing that can be trusted. */
  readonly left: number | undefined
  /** For people: `45 % (18/40)` or `45 %`. */
  readonly text: string
}

/** Characters of a log that are looked at: a mark that is further from the end is an old one, and logs can be large. */
const TAIL = 2000

/** A bar of tqdm behind its picture: `18/40 [00:03<00:04,  5.08it/s]`, with units, hours, `?` and seconds per step. */
const BAR =
  /(\d{1,12}(?:\.\d{1,6})?)([kMGT]?)\/(\d{1,12}(?:\.\d{1,6})?)([kMGT]?)B? \[(?:\d{1,4}:)?\d{1,4}:\d{1,2}<(?:(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})|\?)(?:, {1,8}(\d{1,9}(?:\.\d{1,6})?|\?)([^\]/]{0,12})\/([^\],]{1,12}))?/g
const PERCENT = /(\d{1,3}(?:\.\d{1,6})?) ?%/g
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }

/** Reads the last bar in the end of a log, or else the last percentage. */
export function progressOf(logs: string): Progress | undefined {
  const tail = detached(logs.slice(-TAIL))
  const start = logs.length - tail.length
  const bar = [...tail.matchAll(BAR)].at(-1)
  if (bar) return barOf(bar, start)
  const percent = [...tail.matchAll(PERCENT)].at(-1)
  const fraction = Number(percent?.[1]) / 100
  if (!percent || !(fraction <= 1)) return undefined
  return { at: `${start + percent.index} ${percent[0]}`, fraction, left: undefined, text: `${percent[1]} %` }
}

function barOf(bar: RegExpExecArray, start: number): Progress | undefined {
  const [mark, done, doneUnit = '', all, allUnit = '', hours, minutes, seconds, rate, steps = '', per = ''] = bar
  const n = Number(done) * (UNITS[doneUnit] ?? 1)
  const total = Number(all) * (UNITS[allUnit] ?? 1)
  if (!(total > 0 && n <= total)) return undefined
  const shown = seconds === undefined ? undefined : (Number(hours ?? 0) * 60 + Number(minutes)) * 60 + Number(seconds)
  const speed = Number(rate)
  // The bar shows whole seconds; its rate is finer. The rate of a download in bytes says nothing about the end.
  const bySpeed =
    !(speed > 0) || /B$/.test(steps)
      ? undefined
      : steps.trim() === 's' && per !== 's'
        ? (total - n) * speed
        : (total - n) / speed
  return {
    at: `${start + bar.index} ${mark}`,
    fraction: n / total,
    left: bySpeed ?? shown,
    text: `${Math.floor((n / total) * 100)} % (${done}${doneUnit}/${all}${allUnit})`,
  }
}

/** True for a line that is a step of a progress bar, or a percentage and little else: one of many of its kind. */
export function isProgressLine(line: string): boolean {
  const short = line.slice(0, 300)
  return /\d{1,3}%\|.{0,200}\|/.test(short) || /^[\w .:-]{0,40}\b\d{1,3}(?:\.\d{1,3})? ?%[\s.…]*$/.test(short)
}
