import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { SavedFile } from '../predictions/files/save.ts'
import { numberOf } from '../predictions/json/numbers.ts'
import { errorText } from '../predictions/prediction-error.ts'
import { isRecord } from '../predictions/text.ts'
import { type Judged, reasonOf } from '../predictions/verdict.ts'
import { type Entry, isJudged } from './entry.ts'
import { messageOf } from './failure.ts'
import { warn } from './print.ts'
import { redacted } from './secrets.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/**
 * Writes every prediction's outcome, whole body and saved files as JSON into a folder of its own under RUNNER_TEMP, and
 * why inputs have none.
 * @returns the absolute path of the file; undefined, after a warning, if it could not be written
 */
export async function writeResultFile(
  entries: readonly Entry[],
  saved: readonly SavedFile[],
  temp: string,
): Promise<string | undefined> {
  const files = Map.groupBy(saved, ({ predictionId }) => predictionId)
  let folder: string | undefined
  try {
    folder = await makeTemporaryFolder('result', temp)
    const file = path.join(folder, 'result.json')
    await writePredictions(file, entries, (entry) => resultOf(entry, files))
    return file
  } catch (error) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => {})
    warn(`The file for the output result_file could not be written: ${messageOf(error)}`)
    return undefined
  }
}

/** An entry of the result file as JSON, in parts. */
async function* resultOf(entry: Entry, saved: ReadonlyMap<string, SavedFile[]>): AsyncGenerator<string | Buffer> {
  if (!isJudged(entry)) {
    const { name, status, error = null } = entry
    yield JSON.stringify({ name, id: null, status, error })
    return
  }
  const { outcome, verdict, name, earlier = [] } = entry
  const { id, end, status, answer } = outcome
  const attempts = earlier.length === 0 ? undefined : earlier.map((attempt) => attempt.id)
  const files = (saved.get(id) ?? []).map((file) => ({ path: file.path, ...describeFile(file) }))
  const head = JSON.stringify({ name, id, end, status, error: verdict.ok ? null : reasonOf(entry), attempts })
  yield `${head.slice(0, -1)},"body":`
  // A stored body is JSON already.
  if (answer?.stored) yield* answer.stored.json()
  else yield JSON.stringify(answer?.body ?? null)
  yield `,"files":${JSON.stringify(files)}}`
}

/**
 * Writes `{"predictions":[…]}`, one entry after the other: a thousand large bodies are more than a string can hold.
 * @param toJson an entry as JSON, in parts
 */
export async function writePredictions<E>(
  file: string,
  entries: readonly E[],
  toJson: (entry: E) => AsyncIterable<string | Buffer>,
): Promise<void> {
  await using handle = await open(file, 'wx')
  await handle.appendFile('{"predictions":[')
  for (const [i, entry] of entries.entries()) {
    await handle.appendFile(i === 0 ? '\n' : ',\n')
    await handle.appendFile(toJson(entry))
  }
  await handle.appendFile('\n]}\n')
}

/** A file as the result file lists it. */
function describeFile({ name, size, type, sha256, width, height, source }: SavedFile): Record<string, unknown> {
  return {
    name,
    size,
    type,
    sha256,
    ...(width === undefined ? {} : { width, height }),
    source: source.startsWith('http') ? redacted.identifier(source) : undefined,
  }
}

/** What of an answer may be read by everybody who can download an artifact: neither input, logs, stream nor webhooks. */
const PUBLIC_TEXTS = [
  'model',
  'version',
  'deployment',
  'source',
  'created_at',
  'started_at',
  'completed_at',
  'deadline',
] as const
/**
 * What is public as it was read: a task API has it elsewhere and in other forms, and there may be prompts in what it
 * calls `output`.
 */
const READ_TEXTS = ['status', 'model', 'created_at', 'completed_at'] as const
/** Pages and addresses that only the key opens. */
const PUBLIC_URLS = ['get', 'web'] as const

/** A prediction as `prediction.json` in an artifact describes it, as JSON. */
export async function* publicJson(judged: Judged, files: readonly SavedFile[]): AsyncGenerator<string> {
  const { stored } = judged.outcome.answer ?? {}
  const json = (answer = judged.outcome.answer) =>
    JSON.stringify(publicResult({ ...judged, outcome: { ...judged.outcome, answer } }, files))
  yield stored ? await stored.use(async (answer) => json(answer)) : json()
}

/** A prediction as `prediction.json` describes it. */
export function publicResult({ outcome }: Judged, files: readonly SavedFile[]): unknown {
  const { id, status, answer } = outcome
  const body = answer?.body ?? {}
  const own = files.filter(({ predictionId }) => predictionId === id)
  return {
    id,
    status,
    body: {
      ...picked(body, ['id', 'status', ...PUBLIC_TEXTS], isText),
      ...picked({ ...answer?.prediction }, READ_TEXTS, isText),
      ...picked(body, ['data_removed'], (value) => typeof value === 'boolean'),
      ...picked({ ...answer?.prediction }, ['output'], () => true),
      // As text: an object may repeat the input.
      error: errorText(answer?.prediction.error) || null,
      metrics: isRecord(body.metrics) ? picked(body.metrics, Object.keys(body.metrics), isNumber) : undefined,
      urls: isRecord(body.urls) ? picked(body.urls, PUBLIC_URLS, isText) : undefined,
    },
    files: own.map(describeFile),
  }
}

const isText = (value: unknown) => typeof value === 'string'
const isNumber = (value: unknown) => numberOf(value) !== undefined

const picked = (from: Record<string, unknown>, keys: readonly string[], fits: (value: unknown) => boolean) =>
  Object.fromEntries(keys.flatMap((key) => (fits(from[key]) && from[key] !== undefined ? [[key, from[key]]] : [])))
