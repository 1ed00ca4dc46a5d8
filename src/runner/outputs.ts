import type { OutputView } from '../predictions/output.ts'
import { totalTime } from '../predictions/prediction.ts'
import { outputViewOf } from '../predictions/stored-answer.ts'
import { type Judged, reasonOf } from '../predictions/verdict.ts'
import type { Delivery } from './delivery.ts'
import { type Entry, isJudged, predictTimesOf } from './entry.ts'
import { linesWithin } from './format.ts'
import { refusalsOf } from './refusals.ts'
import { redacted } from './secrets.ts'
import { oneLine, withoutCommands } from './untrusted.ts'

/** From the worst to the best; a status that is not here is one of a prediction that is not over. */
const WORST_FIRST = ['failed', 'aborted', 'canceled', '', 'starting', 'processing']

/**
 * The longest value that is set, in bytes. Longer ones break the next step that has them in its environment:
 * Windows allows 32,767 characters there, the name among them, Linux 128 KiB.
 */
export const LONGEST_VALUE = 32_000

/** Characters of one reason in the output error; none of them has more than three bytes. */
const LONGEST_REASON = 8000

/** The outputs of the root action. All of them are always set. */
export const OUTPUTS = [
  'status',
  'output',
  'output_urls',
  'output_url',
  'output_text',
  'predict_time',
  'total_time',
  'error',
  'predictions',
  'results',
  'files',
  'artifact_id',
  'artifact_url',
  'artifact_digest',
  'release_urls',
  'result_file',
] as const
export type OutputName = (typeof OUTPUTS)[number]

/** The outputs of the action that starts predictions and waits for them. */
export const RUN_OUTPUTS = ['prediction_id', ...OUTPUTS] as const

/** The outputs of the action that starts predictions. */
export const CREATE_OUTPUTS = ['prediction_id', 'status', 'model'] as const

/**
 * The outputs of the root action, apart from result_file. A value is a text; JSON values are for `fromJSON`.
 * Of several predictions every list is in the order of the ids.
 */
export function outputsOf(
  entries: readonly Entry[],
  delivery: Delivery,
): Record<Exclude<OutputName, 'result_file'>, string> {
  const judged = entries.filter(isJudged)
  const predictions = judged.flatMap(({ outcome }) => outcome.answer?.prediction ?? [])
  const outputs = judged.map(({ outcome }) => outputViewOf(outcome.answer))
  const urls = outputs.flatMap((output) => output.urls)
  const texts = outputs.flatMap(({ text }) => text ?? [])
  const times = judged.flatMap(predictTimesOf)
  const total = predictions.length === judged.length ? totalTime(predictions) : undefined
  const described = entries.map((entry) => describe(entry, delivery))
  return {
    status: worst(entries.map(statusOf)),
    output: outputOf(judged, outputs, entries.length === 1),
    output_urls: `[${joined(urls, ',', JSON.stringify)}]`,
    output_url: urls[0] ?? '',
    output_text: joined(texts, '\n'),
    predict_time: times.length === 0 ? '' : String(sumOf(times)),
    total_time: String(total ?? ''),
    error: joinReasons([
      ...judged.flatMap((each) => reasonsOf(each, entries.length > 1)),
      ...refusalsOf(entries),
      ...delivery.failures.map(({ message }) => message),
    ]),
    predictions: `[${joined(described, ',', (each) => JSON.stringify(each))}]`,
    results: `{${joined(described, ',', (each) => `${JSON.stringify(each.name)}:${JSON.stringify(each)}`)}}`,
    files: joined(
      delivery.files.map((file) => file.path),
      '\n',
    ),
    artifact_id: String(delivery.artifacts[0]?.id ?? ''),
    artifact_url: delivery.artifacts[0]?.url ?? '',
    artifact_digest: delivery.artifacts[0]?.digest ?? '',
    release_urls: JSON.stringify(delivery.releaseUrls.filter((url) => url !== undefined)),
  }
}

/** Of several predictions as a list; of one as it is, and empty if it is not known: `null` would be an output. */
function outputOf([first]: readonly Judged[], outputs: readonly OutputView[], isOnly: boolean): string {
  if (!isOnly) return `[${joined(outputs, ',', ({ json }) => json)}]`
  return first?.outcome.answer ? (outputs[0]?.json ?? '') : ''
}

/**
 * Joins texts as far as an output can take them, because hundreds of large ones are more than a string can hold. What
 * has been cut off here is too long to be set all the same.
 */
function joined<T>(items: readonly T[], separator: string, toText: (item: T) => string = String): string {
  let all = ''
  for (const [i, item] of items.entries()) {
    if (all.length > LONGEST_VALUE) break
    all += `${i === 0 ? '' : separator}${toText(item)}`
  }
  return all
}

/**
 * What went wrong as one line per reason, in which no workflow command can act when a later step prints it. Cut to what
 * an output can take: an error that is left out would look like none.
 */
export function joinReasons(reasons: readonly string[]): string {
  const lines = reasons.map(reasonLine)
  const kept = linesWithin(lines, LONGEST_VALUE - 100)
  return [...kept, ...(kept.length < lines.length ? [`… and ${lines.length - kept.length} more`] : [])].join('\n')
}

/** A reason as one line, cut, in which no workflow command can act. */
export const reasonLine = (reason: string) => withoutCommands(redacted.text(oneLine(reason, LONGEST_REASON)))

/** An input that was not started has no status of the API; one that was skipped has its files. */
function statusOf(entry: Entry): string {
  if (isJudged(entry)) return entry.outcome.status
  return entry.status === 'skipped' ? 'succeeded' : ''
}

function worst(statuses: readonly string[]): string {
  const rank = (status: string) => {
    if (status === 'succeeded') return WORST_FIRST.length
    const place = WORST_FIRST.indexOf(status)
    return place < 0 ? WORST_FIRST.length - 1 : place
  }
  return statuses.reduce((a, b) => (rank(b) < rank(a) ? b : a), statuses[0] ?? '')
}

function reasonsOf(entry: Judged, named: boolean): string[] {
  if (entry.verdict.ok) return []
  return [named ? `${entry.name ?? entry.outcome.id}: ${reasonOf(entry)}` : reasonOf(entry)]
}

function describe(entry: Entry, delivery: Delivery) {
  if (!isJudged(entry)) {
    const { name, status, error } = entry
    return { name, id: null, status, error: error === undefined ? null : reasonLine(error) }
  }
  const { outcome, verdict, name = outcome.id, earlier } = entry
  const prediction = outcome.answer?.prediction
  const times = predictTimesOf(entry)
  return {
    name,
    id: outcome.id,
    status: outcome.status,
    model: prediction?.model ?? null,
    version: prediction?.version ?? null,
    error: verdict.ok ? null : reasonLine(reasonOf(entry)),
    predict_time: times.length === 0 ? null : sumOf(times),
    output_urls: outputViewOf(outcome.answer).urls,
    files: delivery.files.flatMap((file) => (file.predictionId === outcome.id ? [file.path] : [])),
    ...(earlier && earlier.length > 0 ? { attempts: earlier.map(({ id }) => id) } : {}),
  }
}

/** A sum of decimal fractions has a tail of digits that nobody measured. */
const sumOf = (times: readonly number[]) => Number(times.reduce((sum, time) => sum + time, 0).toFixed(9))
