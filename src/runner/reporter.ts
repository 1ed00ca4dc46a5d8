import * as core from '@actions/core'
import type { Clock } from '../predictions/clock.ts'
import { outputUrls } from '../predictions/output.ts'
import { isTerminal, predictTime, readStatus } from '../predictions/prediction.ts'
import { progressOf } from '../predictions/progress.ts'
import type { WaitObserver } from '../predictions/wait.ts'
import { duration } from './format.ts'
import { emptyLog, type LogView, newLogLines, shownLimit } from './model-log.ts'
import { oneLine, untrustedBlock } from './untrusted.ts'

export interface Reporter extends WaitObserver, Disposable {}

/** Seconds between two heartbeats: a bit less than the 30 that are promised. */
const HEARTBEAT = 25
/** With more predictions than this, a line for each of their changes would bury the rest. */
const FEW = 20
/** Lines from which a piece of a log reads better when it is collapsed. */
const LONG_LOG = 12

const ENDS = { timeout: 'not over in time', refused: 'refused by the API', interrupted: 'interrupted' } as const

interface Known {
  status: string
  /** As the wait tells it: seconds to the end at the time of `at`. */
  left: number | undefined
  at: number
  progress: string | undefined
  log: LogView
  trouble: string | undefined
}

/**
 * Tells the log of the job what happens: status changes, models' logs, trouble, and a heartbeat for those who open the
 * page in the middle. Dispose of it when the wait is over.
 */
export function createReporter(
  ids: readonly string[],
  { clock, streamLogs }: { clock: Clock; streamLogs: boolean },
): Reporter {
  const start = clock.now()
  const few = ids.length <= FEW
  const open = new Map<string, Known>(
    ids.map((id) => [
      id,
      { status: '', left: undefined, at: 0, progress: undefined, log: emptyLog, trouble: undefined },
    ]),
  )
  const warned = new Set<string>()
  const stop = new AbortController()

  const warnOnce = (topic: string, text: string) => {
    if (warned.size < 8 && !warned.has(topic)) core.warning(text)
    warned.add(topic)
  }
  const heartbeat = async () => {
    for (;;) {
      await clock.sleep(HEARTBEAT, stop.signal)
      if (open.size > 0) core.info(beat([...open], ids.length, clock.now() - start))
    }
  }
  heartbeat().catch(() => {})

  return {
    answered({ prediction }, id, now, left) {
      const known = open.get(id)
      if (!known) return
      const { status, spelling } = readStatus(prediction.status)
      const word = oneLine(prediction.status, 60)
      if (spelling === 'synonym') {
        warnOnce(`status ${word}`, `The API says "${word}" where others say "${status}"; it is taken as that.`)
      } else if (spelling === 'unknown') {
        warnOnce(
          `status ${word}`,
          `The API says status "${word}", which is not known. It is not taken as the end: the wait goes on until the timeout.`,
        )
      }
      if (prediction.id !== id) {
        warnOnce(
          'id',
          `Asked for prediction ${id}, the API answered with one of the id "${oneLine(prediction.id, 60)}".`,
        )
      }
      const shown = status === 'unknown' ? word : status
      if (shown !== known.status && few && !isTerminal(status)) {
        const model = known.status === '' && prediction.model ? ` · ${oneLine(prediction.model, 120)}` : ''
        core.info(`[${duration(now)}] ${id}: ${shown}${model}`)
      }
      if (streamLogs && prediction.logs !== undefined) {
        const { view, lines } = newLogLines(known.log, prediction.logs, now, isTerminal(status), shownLimit(ids.length))
        known.log = view
        const title = lines.length >= LONG_LOG ? `Log of ${id}: ${lines.length} lines` : undefined
        const block = untrustedBlock(lines, ids.length === 1 ? '│ ' : `${id.slice(0, 8)} │ `, title)
        if (block !== '') core.info(block)
      }
      known.status = shown
      known.left = left
      known.at = now
      known.progress = progressOf(prediction.logs ?? '')?.text
      known.trouble = undefined
    },

    failed(error, id, now, pause) {
      const known = open.get(id)
      if (!known) return
      const trouble = error.message
      // The same trouble again is part of the heartbeat; a line for each try would be noise.
      if (few && trouble !== known.trouble) {
        core.info(`[${duration(now)}] asking again in ${duration(pause)}: ${oneLine(trouble)}`)
      }
      known.trouble = trouble
    },

    settled(outcome) {
      open.delete(outcome.id)
      const parts = [outcome.end === 'ended' ? outcome.status : ENDS[outcome.end]]
      const prediction = outcome.answer?.prediction
      if (few && prediction?.model) parts.push(oneLine(prediction.model, 120))
      const time = prediction && predictTime(prediction)
      if (time !== undefined) parts.push(`predict time ${Number(time.toFixed(2))} s`)
      const urls = outputUrls(prediction?.output)
      if (urls.length > 0) parts.push(urls.length === 1 ? '1 file' : `${urls.length} files`)
      if (ids.length > 1) parts.push(`${ids.length - open.size} of ${ids.length}`)
      core.info(`[${duration(outcome.waited)}] ${outcome.id}: over · ${parts.join(' · ')}`)
      if (few && urls.length > 0) core.info(untrustedBlock(urls.slice(0, 10), '  '))
    },

    [Symbol.dispose]() {
      stop.abort()
    },
  }
}

/** The line that says how things stand. */
function beat(open: readonly [string, Known][], total: number, now: number): string {
  const lines = open.slice(0, 5).map(([id, known]) => {
    const parts = [known.status === '' ? 'no answer yet' : known.status]
    if (known.progress !== undefined) parts.push(oneLine(known.progress, 80))
    const left = known.left === undefined ? undefined : known.left - (now - known.at)
    if (left !== undefined && left > 0) parts.push(`about ${duration(left)} left`)
    if (known.trouble !== undefined) parts.push(`last request failed: ${oneLine(known.trouble, 200)}`)
    return `[${duration(now)}] ${id}: ${parts.join(' · ')}`
  })
  if (open.length > lines.length) {
    const counts = Object.entries(Object.groupBy(open, ([, known]) => known.status || 'not answered yet'))
    const tally = counts.map(([status, list]) => `${list?.length ?? 0} ${status}`).join(', ')
    lines.push(`[${duration(now)}] ${total - open.length} of ${total} ended; ${tally}`)
  }
  return lines.join('\n')
}
