import { detached } from './text.ts'

/** The newest mark that a model's log has made of how far it is. */
export interface Progress {
  /** Tells one mark from the next: where in the log it stands, and how it reads. */
  readonly at: string
  /** From 0 to 1. */
  readonly fraction: number
  /** Seconds to the end of the bar as the bar itself says; undefined if it says nothing that can be trusted. */
  readonly left: number | undefined
  /** For people: `45 % (18/40)` or `45 %`. */
  readonly text: string
}

/** Characters of a log that are looked at: a mark that is further from the end is an old one, and logs can be large. */
const TAIL = 2000

const NUMBER = String.raw`\d{1,12}(?:\.\d{1,6})?`
/** The time left, or `?` while it is unknown. */
const LEFT = String.raw`(?:(?:(?<hours>\d{1,4}):)?(?<minutes>\d{1,4}):(?<seconds>\d{1,2})|\?)`
const RATE = String.raw`(?<rate>${NUMBER}|\?)(?<steps>[^\]/]{0,12})/(?<per>[^\],]{1,12})`
/** A bar of tqdm after its picture: `18/40 [00:03<00:04,  5.08it/s]`, with units, hours, `?` and seconds per step. */
const BAR = new RegExp(
  `(?<done>${NUMBER})(?<doneUnit>[kMGT]?)/(?<all>${NUMBER})(?<allUnit>[kMGT]?)B? ` +
    String.raw`\[(?:\d{1,4}:)?\d{1,4}:\d{1,2}<${LEFT}(?:, {1,8}${RATE})?`,
  'g',
)
const PERCENT = /(\d{1,3}(?:\.\d{1,6})?) ?%/g
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }

/** Reads the last bar in the end of a log, or else the last percentage. */
export function progressOf(logs: string): Progress | undefined {
  if (logs === '') return undefined
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
  const { done, doneUnit = '', all, allUnit = '' } = bar.groups ?? {}
  const n = Number(done) * (UNITS[doneUnit] ?? 1)
  const total = Number(all) * (UNITS[allUnit] ?? 1)
  if (!(total > 0 && n <= total)) return undefined
  return {
    at: `${start + bar.index} ${bar[0]}`,
    fraction: n / total,
    // The bar shows whole seconds; its rate is finer.
    left: leftByRate(total - n, bar.groups ?? {}) ?? leftShown(bar.groups ?? {}),
    text: `${Math.floor((n / total) * 100)} % (${done}${doneUnit}/${all}${allUnit})`,
  }
}

type Groups = Readonly<Record<string, string | undefined>>

function leftByRate(steps: number, { rate, steps: unit = '', per }: Groups): number | undefined {
  const speed = Number(rate)
  // The rate of a download in bytes says nothing about the end.
  if (!(speed > 0) || unit.endsWith('B')) return undefined
  return unit.trim() === 's' && per !== 's' ? steps * speed : steps / speed
}

const leftShown = ({ hours = '0', minutes, seconds }: Groups): number | undefined =>
  seconds === undefined ? undefined : (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)

/** Characters of a line that are looked at. */
const LINE_START = 300

/** True for a line that is a step of a progress bar, or a percentage and little else: one of many of its kind. */
export function isProgressLine(line: string): boolean {
  const short = line.slice(0, LINE_START)
  return /\d{1,3}%\|.{0,200}\|/.test(short) || /^[\w .:-]{0,40}\b\d{1,3}(?:\.\d{1,3})? ?%[\s.…]*$/.test(short)
}
