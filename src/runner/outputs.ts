import { setOutput } from '@actions/core'
import { outputText, outputUrls } from '../predictions/output.ts'
import { predictTime, totalTime } from '../predictions/prediction.ts'
import { type Judged, reasonOf } from '../predictions/verdict.ts'
import type { RunnerContext } from './context.ts'
import type { Delivery } from './delivery.ts'
import { messageOf } from './failure.ts'
import { linesWithin } from './format.ts'
import { warn } from './print.ts'

/** From the worst to the best; a status that is not here is one of a prediction that is not over. */
const WORST_FIRST = ['failed', 'aborted', 'canceled', '', 'starting', 'processing']

/**
 * The outputs of the root action, apart from result_file. A value is a text; JSON values are for `fromJSON`.
 * Of several predictions every list is in the order of the ids.
 */
export function outputsOf(judged: readonly Judged[], delivery: Delivery): Record<string, string> {
  const one = judged.length === 1 ? judged[0]?.outcome : undefined
  const predictions = judged.flatMap(({ outcome }) => outcome.answer?.prediction ?? [])
  const outputs = judged.map(({ outcome }) => outcome.answer?.prediction.output ?? null)
  const urls = outputs.flatMap(outputUrls)
  const texts = outputs.flatMap((output) => outputText(output) ?? [])
  const times = predictions.flatMap((prediction) => predictTime(prediction) ?? [])
  const total = predictions.length === judged.length ? totalTime(predictions) : undefined
  const reasons = judged.flatMap((each) =>
    each.verdict.ok ? [] : [one ? reasonOf(each) : `${each.outcome.id}: ${reasonOf(each)}`],
  )
  return {
    status: worst(judged.map(({ outcome }) => outcome.status)),
    output: one ? JSON.stringify(outputs[0]) : `[${joined(outputs, ',', JSON.stringify)}]`,
    output_urls: `[${joined(urls, ',', JSON.stringify)}]`,
    output_url: urls[0] ?? '',
    output_text: joined(texts, '\n'),
    // A sum of decimal fractions has a tail of digits that nobody measured.
    predict_time: times.length === 0 ? '' : String(Number(times.reduce((sum, time) => sum + time).toFixed(9))),
    total_time: String(total ?? ''),
    error: errorOf([...reasons, ...delivery.failures.map(({ message }) => message)]),
    predictions: `[${joined(judged, ',', (each) => JSON.stringify(describe(each, delivery)))}]`,
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

/**
 * Joins texts as far as an output can take them, because hundreds of large ones are more than a string can hold. What
 * has been cut off here is too long for {@link setOutputs} all the same.
 */
function joined<T>(items: readonly T[], separator: string, toText: (item: T) => string = String): string {
  let all = ''
  for (const [i, item] of items.entries()) {
    if (all.length > LONGEST_VALUE) break
    all += `${i === 0 ? '' : separator}${toText(item)}`
  }
  return all
}

/** What went wrong, cut to what an output can take: an error that is left out would look like none. */
function errorOf(reasons: readonly string[]): string {
  const texts = reasons.map((text) => (text.length > LONGEST_REASON ? `${text.slice(0, LONGEST_REASON)}…` : text))
  const kept = linesWithin(texts, LONGEST_VALUE - 100)
  return [...kept, ...(kept.length < texts.length ? [`… and ${texts.length - kept.length} more`] : [])].join('\n')
}

function worst(statuses: readonly string[]): string {
  const rank = (status: string) =>
    status === 'succeeded'
      ? WORST_FIRST.length
      : (WORST_FIRST.indexOf(status) + WORST_FIRST.length) % WORST_FIRST.length
  return statuses.reduce((a, b) => (rank(b) < rank(a) ? b : a))
}

function describe(judged: Judged, delivery: Delivery) {
  const { outcome } = judged
  const prediction = outcome.answer?.prediction
  return {
    id: outcome.id,
    status: outcome.status,
    model: prediction?.model ?? null,
    version: prediction?.version ?? null,
    error: judged.verdict.ok ? null : reasonOf(judged),
    predict_time: prediction ? (predictTime(prediction) ?? null) : null,
    output_urls: outputUrls(prediction?.output),
    files: delivery.files.flatMap((file) => (file.predictionId === outcome.id ? [file.path] : [])),
  }
}

/**
 * The longest value that is set, in bytes. Longer ones break the next step that has them in its environment:
 * Windows allows 32,767 characters there, the name among them, Linux 128 KiB.
 */
const LONGEST_VALUE = 32_000

/** Characters of one reason in the output error; none of them has more than three bytes. */
const LONGEST_REASON = 8000

/** Sets the outputs; a value that is too long is left out, with one warning that names the file that has it. */
export function setOutputs(
  values: Readonly<Record<string, string>>,
  resultFile: string | undefined,
  { outputFile }: RunnerContext,
): void {
  const all = Object.entries(values)
  const tooLong = all.filter(([, value]) => Buffer.byteLength(value) > LONGEST_VALUE).map(([name]) => name)
  if (tooLong.length > 0) {
    const where =
      resultFile === undefined ? '' : ` All of it is in the file that the output result_file names: ${resultFile}`
    warn(`Outputs longer than 32 kB were omitted: ${tooLong.join(', ')}.${where}`)
  }
  try {
    // Without the file, core would print the commands that runners no longer carry out.
    if (outputFile === undefined) throw new Error('GITHUB_OUTPUT is not set')
    for (const [name, value] of all) if (!tooLong.includes(name)) setOutput(name, value)
  } catch (error) {
    warn(
      `The outputs could not be set: ${messageOf(error)}. Only the runner of GitHub Actions, or a compatible one, supports them.`,
    )
  }
}
