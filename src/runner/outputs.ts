import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as core from '@actions/core'
import type { SavedFile } from '../predictions/files/save.ts'
import { errorText, outputText, outputUrls, predictTime, totalTime } from '../predictions/prediction.ts'
import type { Judged } from '../predictions/verdict.ts'
import type { UploadedArtifact } from './artifact.ts'
import { type Failure, messageOf, warn } from './failure.ts'
import { linesWithin } from './log.ts'

/** What became of the files that predictions made. */
export interface Delivery {
  files: SavedFile[]
  artifacts: UploadedArtifact[]
  /** Of the files on the release, in their order. */
  releaseUrls: string[]
  /** What was asked for and did not work: each turns the step red. */
  failures: Failure[]
}

export const nothingDelivered: Delivery = { files: [], artifacts: [], releaseUrls: [], failures: [] }

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
    each.verdict.ok ? [] : [one ? reason(each) : `${each.outcome.id}: ${reason(each)}`],
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
    release_urls: JSON.stringify(delivery.releaseUrls),
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

/** Why a prediction is not green: in the API's own words where it has some, else in ours. */
function reason({ outcome, verdict }: Judged): string {
  const said = outcome.end === 'ended' ? errorText(outcome.answer?.prediction.error) : ''
  return said !== '' ? said : verdict.ok ? '' : verdict.message
}

function describe(judged: Judged, delivery: Delivery) {
  const { outcome } = judged
  const prediction = outcome.answer?.prediction
  return {
    id: outcome.id,
    status: outcome.status,
    model: prediction?.model ?? null,
    version: prediction?.version ?? null,
    error: judged.verdict.ok ? null : reason(judged),
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
export function setOutputs(values: Readonly<Record<string, string>>, resultFile: string | undefined): void {
  const all = Object.entries(values)
  const tooLong = all.filter(([, value]) => Buffer.byteLength(value) > LONGEST_VALUE).map(([name]) => name)
  if (tooLong.length > 0) {
    const where =
      resultFile === undefined ? '' : ` All of it is in the file that the output result_file names: ${resultFile}`
    warn(`Left out, because longer than 32 kB: the outputs ${tooLong.join(', ')}.${where}`)
  }
  try {
    // Without the file, core would print the commands that runners no longer carry out.
    if (!process.env.GITHUB_OUTPUT) throw new Error('GITHUB_OUTPUT is not set')
    for (const [name, value] of all) if (!tooLong.includes(name)) core.setOutput(name, value)
  } catch (error) {
    warn(
      `The outputs could not be handed to later steps: ${messageOf(error)}. Only a runner of GitHub Actions, or a faithful copy of one, can take them.`,
    )
  }
}

/**
 * Writes every prediction's outcome, whole body and saved files as JSON into a folder of its own under RUNNER_TEMP.
 * @returns the absolute path of the file; undefined, after a warning, where it could not be written
 */
export async function writeResultFile(judged: readonly Judged[], delivery: Delivery): Promise<string | undefined> {
  const files = Map.groupBy(delivery.files, ({ predictionId }) => predictionId)
  let folder: string | undefined
  try {
    folder = await makeTemporaryFolder('result')
    const file = path.join(folder, 'result.json')
    const entries = judged.map((each) => {
      const { id, end, status, answer } = each.outcome
      const error = each.verdict.ok ? null : reason(each)
      const saved = (files.get(id) ?? []).map((one) => ({ path: one.path, ...describeFile(one) }))
      return { id, end, status, error, body: answer?.body ?? null, files: saved }
    })
    await writePredictions(file, entries)
    return file
  } catch (error) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => {})
    warn(`The file for the output result_file could not be written: ${messageOf(error)}`)
    return undefined
  }
}

/** Makes a folder of our own in the temporary folder of the runner, which the runner empties after the job. */
export async function makeTemporaryFolder(purpose: string): Promise<string> {
  const parent = process.env.RUNNER_TEMP || tmpdir()
  try {
    return await mkdtemp(path.join(parent, `await-prediction-${purpose}-`))
  } catch (error) {
    throw new Error(`No folder could be made under ${parent}, the RUNNER_TEMP: ${messageOf(error)}.`, { cause: error })
  }
}

/** Writes `{"predictions":[…]}`, one entry after the other: a thousand large bodies are more than a string can hold. */
export async function writePredictions(file: string, entries: readonly unknown[]): Promise<void> {
  await using handle = await open(file, 'wx')
  await handle.appendFile('{"predictions":[')
  for (const [i, entry] of entries.entries()) await handle.appendFile(`${i === 0 ? '' : ','}\n${JSON.stringify(entry)}`)
  await handle.appendFile('\n]}\n')
}

/** A file as the result file lists it. */
export function describeFile({ name, size, type, sha256, width, height, source }: SavedFile): Record<string, unknown> {
  return {
    name,
    size,
    type,
    sha256,
    ...(width === undefined ? {} : { width, height }),
    source: source.startsWith('http') ? source : undefined,
  }
}
