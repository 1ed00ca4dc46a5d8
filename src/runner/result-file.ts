import { mkdtemp, open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { SavedFile } from '../predictions/files/save.ts'
import { numberOf } from '../predictions/json.ts'
import { errorText } from '../predictions/prediction-error.ts'
import { isRecord } from '../predictions/text.ts'
import { type Judged, reasonOf } from '../predictions/verdict.ts'
import { messageOf } from './failure.ts'
import { type Entry, isJudged, type Unstarted } from './outputs.ts'
import { warn } from './print.ts'
import { redacted } from './secrets.ts'

/**
 * Writes every prediction's outcome, whole body and saved files as JSON into a folder of its own under RUNNER_TEMP, and
 * why inputs came to none.
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
    await writePredictions(
      file,
      entries.map((entry) => (isJudged(entry) ? describeEntry(entry, files.get(entry.outcome.id)) : withoutId(entry))),
    )
    return file
  } catch (error) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => {})
    warn(`The file for the output result_file could not be written: ${messageOf(error)}`)
    return undefined
  }
}

function describeEntry(entry: Judged, files: readonly SavedFile[] = []): Record<string, unknown> {
  const { outcome, verdict, name, earlier = [] } = entry
  const { id, end, status, answer } = outcome
  return {
    ...(name === undefined ? {} : { name }),
    id,
    end,
    status,
    error: verdict.ok ? null : reasonOf(entry),
    ...(earlier.length === 0 ? {} : { attempts: earlier.map((attempt) => attempt.id) }),
    body: answer?.body ?? null,
    files: files.map((file) => ({ path: file.path, ...describeFile(file) })),
  }
}

const withoutId = ({ name, status, error }: Unstarted) => ({ name, id: null, status, error: error ?? null })

/** Makes a folder of our own in the temporary folder of the runner, which the runner empties after the job. */
export async function makeTemporaryFolder(purpose: string, temp: string): Promise<string> {
  try {
    return await mkdtemp(path.join(temp, `await-prediction-${purpose}-`))
  } catch (error) {
    throw new Error(`No folder could be made under ${temp}, the RUNNER_TEMP: ${messageOf(error)}.`, { cause: error })
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

/** A prediction as `prediction.json` in an artifact describes it. */
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
