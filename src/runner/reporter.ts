import { type Answer, progressLog } from '../predictions/answer.ts'
import { NotStartedError } from '../predictions/batch.ts'
import type { Clock } from '../predictions/clock.ts'
import { ConnectionError } from '../predictions/errors.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { isTerminal, type Prediction, predictTime, readStatus } from '../predictions/prediction.ts'
import { errorText } from '../predictions/prediction-error.ts'
import { progressOf } from '../predictions/progress.ts'
import { outputViewOf } from '../predictions/stored-answer.ts'
import { clip, sentence } from '../predictions/text.ts'
import type { WaitObserver } from '../predictions/wait-options.ts'
import { counted, duration } from './format.ts'
import { startHeartbeat } from './heartbeat.ts'
import { emptyLog, type LogView, newLogLines, shownLimit } from './model-log.ts'
import { block, info, urlBlock, warn } from './print.ts'
import { oneLine } from './untrusted.ts'

export interface Reporter extends WaitObserver, Disposable {
  /** A prediction was started for an input of that name, which is printed instead of its ID from now on. */
  started(name: string, answer: Answer): void
  /** The prediction of an input failed; the next attempt starts after this many seconds. */
  again(name: string, outcome: Outcome, pause: number): void
  /** No prediction, or no further attempt, was started for an input. The end of all starting is reported once. */
  notStarted(name: string, refusal: Error): void
}

export interface ReporterOptions {
  clock: Clock
  streamLogs: boolean
  /** Predictions of the step; as many as there are IDs unless given. */
  total?: number
  /** Whether every change and every log is printed; up to {@link FEW} predictions unless given. */
  detailed?: boolean
}

/** With more predictions than this, a line for each of their changes would bury the rest. */
export const FEW = 20
/** Lines from which a piece of a log reads better when it is collapsed. */
const LONG_LOG = 12
/** Warnings about odd answers, of all predictions together. */
const MOST_WARNINGS = 8
/** Predictions that a heartbeat names, and URLs that are listed of one. */
const NAMED = 5
const LISTED_URLS = 10

/** Characters kept of what others wrote. */
const LONGEST_WORD = 60
const LONGEST_PREFIX = 20
const LONGEST_MODEL = 120
const LONGEST_TROUBLE = 500
const LONGEST_PROGRESS = 80
/** In a heartbeat, which repeats it. */
const LONGEST_REPEATED_TROUBLE = 200

/** What is known of a prediction that has not ended. */
interface PredictionView {
  status: string
  /** As the wait says it: seconds to the end at the time of `at`. */
  left: number | undefined
  at: number
  progress: string | undefined
  log: LogView
  trouble: string | undefined
}

/** What the lines of a step have in common. */
interface Report {
  clock: Clock
  start: number
  total: number
  detailed: boolean
  names: Map<string, string>
  /** Names of predictions that have ended; one that is retried has not. */
  done: Set<string>
  open: Map<string, PredictionView>
}

/**
 * Prints the progress of a step: status changes, models' logs, problems, and a heartbeat for those who open the page in
 * the middle. Dispose of it after the wait.
 */
export function createReporter(
  ids: readonly string[],
  { clock, streamLogs, total = ids.length, detailed = total <= FEW }: ReporterOptions,
): Reporter {
  if (streamLogs && !detailed) info(`${total} predictions: only the logs of failed ones are shown.`)
  const open = new Map(ids.map((id) => [id, newView()]))
  const report: Report = { clock, start: clock.now(), total, detailed, names: new Map(), done: new Set(), open }
  return {
    ...startEvents(report),
    ...waitEvents(report, createLogPrinter({ streamLogs, total, detailed })),
    ...startHeartbeat(() => printHeartbeat(report), clock),
  }
}

function startEvents({ clock, start, names, done, open }: Report): Pick<Reporter, 'started' | 'again' | 'notStarted'> {
  let isStopReported = false
  const print = (line: string) => info(`[${duration(clock.now() - start)}] ${line}`)
  return {
    started(name, { prediction }) {
      names.set(prediction.id, name)
      done.delete(name)
      open.set(prediction.id, { ...newView(), status: shownStatus(prediction) })
      print(`${name}: started ${prediction.id}${modelOf(prediction)}`)
    },

    again(name, { answer, status }, pause) {
      const reason = errorText(answer?.prediction.error) || status
      print(`${name}: ${clip(reason, LONGEST_TROUBLE)} · the next attempt begins in ${duration(pause)}`)
    },

    notStarted(name, refusal) {
      if (!(refusal instanceof NotStartedError)) return print(`${name}: ${refusal.message}`)
      if (!isStopReported) print(`No more predictions are started: ${sentence(refusal.reason)}`)
      isStopReported = true
    },
  }
}

function waitEvents(report: Report, printNewLogLines: ReturnType<typeof createLogPrinter>): WaitObserver {
  const { total, detailed, done, open } = report
  const warnOfOddities = createOddityWarnings()
  return {
    answered({ id, now, answer, left }) {
      const view = open.get(id)
      if (!view) return
      warnOfOddities(id, answer)
      printStatusChange(report, { id, answer, now }, view)
      printNewLogLines(nameOf(report, id), answer, view, now)
      view.left = left
      view.at = now
      view.progress = progressOf(progressLog(answer))?.text
      view.trouble = undefined
    },

    failed({ id, now, error, pause }) {
      const view = open.get(id)
      if (!view) return
      // A repeated problem is part of the heartbeat; a line for each attempt would be noise.
      if (detailed && error.message !== view.trouble) {
        const which = total > 1 ? `${nameOf(report, id)}: ` : ''
        info(`[${duration(now)}] ${which}retrying in ${duration(pause)}: ${clip(error.message, LONGEST_TROUBLE)}`)
      }
      view.trouble = error.message
    },

    settled(outcome) {
      const name = nameOf(report, outcome.id)
      open.delete(outcome.id)
      done.add(name)
      const count = total > 1 ? [`${done.size} of ${total}`] : []
      const parts = [...outcomeParts(outcome, detailed), ...count]
      info(`[${duration(outcome.waited)}] ${name}: ${parts.join(' · ')}`)
      if (detailed) urlBlock(outputViewOf(outcome.answer).urls.slice(0, LISTED_URLS), '  ')
    },
  }
}

const nameOf = ({ names }: Report, id: string) => names.get(id) ?? id

const modelOf = ({ model }: Prediction) => (model ? ` · ${clip(model, LONGEST_MODEL)}` : '')

function printStatusChange(
  report: Report,
  { id, answer: { prediction }, now }: { id: string; answer: Answer; now: number },
  view: PredictionView,
): void {
  const shown = shownStatus(prediction)
  if (shown !== view.status && report.detailed && !isTerminal(readStatus(prediction.status).status)) {
    info(`[${duration(now)}] ${nameOf(report, id)}: ${shown}${view.status === '' ? modelOf(prediction) : ''}`)
  }
  view.status = shown
}

function printHeartbeat(report: Report): void {
  const { open, done, total, clock, start } = report
  const views = [...open].map(([id, view]): [string, PredictionView] => [nameOf(report, id), view])
  for (const line of heartbeatLines(views, `${done.size} of ${total} ended`, clock.now() - start)) info(line)
}

/** The status in our words, or an unknown one as the API has it. */
function shownStatus(prediction: Prediction): string {
  const { status } = readStatus(prediction.status)
  return status === 'unknown' ? clip(prediction.status, LONGEST_WORD) : status
}

/** Warns of answers that are odd, once for each topic. */
function createOddityWarnings(): (id: string, answer: Answer) => void {
  const warned = new Set<string>()

  const warnOnce = (topic: string, text: string) => {
    if (warned.size < MOST_WARNINGS && !warned.has(topic)) warn(text)
    warned.add(topic)
  }

  return (id, { prediction, hadNonFinite }) => {
    if (hadNonFinite) {
      warnOnce(
        'NaN',
        `The response for ${id} contains NaN or Infinity, which JSON does not allow; they are read as null.`,
      )
    }
    const { status, spelling } = readStatus(prediction.status)
    const word = clip(prediction.status, LONGEST_WORD)
    if (spelling === 'synonym') warnOnce(`status ${word}`, `The API's status "${word}" is treated as "${status}".`)
    if (spelling === 'unknown') {
      const meaning = 'It does not end the wait, unless it stays unchanged together with an error or a completion time.'
      warnOnce(`status ${word}`, `The API's status is "${word}", which is unknown. ${meaning}`)
    }
    if (prediction.id !== id) {
      const other = clip(prediction.id, LONGEST_WORD)
      warnOnce('id', `Prediction ${id} was requested, and the API returned one with the ID "${other}".`)
    }
  }
}

/** Prints what is new in the log of a prediction. */
function createLogPrinter({ streamLogs, total, detailed }: { streamLogs: boolean; total: number; detailed: boolean }) {
  return (name: string, { prediction, logStart }: Answer, view: PredictionView, now: number): void => {
    if (!streamLogs || prediction.logs === undefined) return
    const { status } = readStatus(prediction.status)
    const complete = isTerminal(status)
    // Nobody reads a hundred logs side by side.
    if (!detailed && (!complete || status === 'succeeded')) return
    const news = newLogLines(view.log, prediction.logs, { now, complete, limit: shownLimit(total), start: logStart })
    view.log = news.view
    const title = news.lines.length >= LONG_LOG ? `Log of ${name}: ${news.lines.length} lines` : undefined
    block(news.lines, total === 1 ? '│ ' : `${oneLine(name, LONGEST_PREFIX)} │ `, title)
  }
}

const newView = (): PredictionView => ({
  status: '',
  left: undefined,
  at: 0,
  progress: undefined,
  log: emptyLog,
  trouble: undefined,
})

/** The parts of the line about an outcome. */
function outcomeParts(outcome: Outcome, few: boolean): string[] {
  const prediction = outcome.answer?.prediction
  const parts = [endInWords(outcome)]
  if (few && prediction?.model) parts.push(clip(prediction.model, LONGEST_MODEL))
  const time = prediction && predictTime(prediction)
  if (time !== undefined) parts.push(`predict time ${Number(time.toFixed(2))} s`)
  const { urls } = outputViewOf(outcome.answer)
  if (urls.length > 0) parts.push(counted(urls.length, 'file'))
  return parts
}

function endInWords({ end, status, error }: Outcome): string {
  switch (end) {
    case 'ended':
      return `done · ${status}`
    case 'timeout':
      return 'not finished in time'
    case 'refused':
      return error instanceof ConnectionError ? 'API not reached' : 'request refused'
    case 'interrupted':
      return 'interrupted'
    case 'crashed':
      return 'given up because of a bug in this action'
  }
}

/** The lines that say how things stand; none if everything has ended. */
function heartbeatLines(open: readonly [string, PredictionView][], ended: string, now: number): string[] {
  const lines = open
    .slice(0, NAMED)
    .map(([id, view]) => `[${duration(now)}] ${id}: ${viewParts(view, now).join(' · ')}`)
  if (open.length <= lines.length) return lines
  const counts = Object.entries(Object.groupBy(open, ([, view]) => view.status || 'without a status'))
  const tally = counts.map(([status, list]) => `${list?.length ?? 0} ${status}`).join(', ')
  return [...lines, `[${duration(now)}] ${ended}; ${tally}`]
}

function viewParts({ status, progress, left, at, trouble }: PredictionView, now: number): string[] {
  const parts = [status === '' ? 'no response yet' : status]
  if (progress !== undefined) parts.push(clip(progress, LONGEST_PROGRESS))
  const seconds = left === undefined ? 0 : left - (now - at)
  if (seconds > 0) parts.push(`about ${duration(seconds)} left`)
  if (trouble !== undefined) parts.push(`last request failed: ${clip(trouble, LONGEST_REPEATED_TROUBLE)}`)
  return parts
}
