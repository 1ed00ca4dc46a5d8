import { mkdtemp, open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { SavedFile } from '../predictions/files/save.ts'
import { type Judged, reasonOf } from '../predictions/verdict.ts'
import { messageOf } from './failure.ts'
import { warn } from './print.ts'

/**
 * Writes every prediction's outcome, whole body and saved files as JSON into a folder of its own under RUNNER_TEMP.
 * @returns the absolute path of the file; undefined, after a warning, if it could not be written
 */
export async function writeResultFile(
  judged: readonly Judged[],
  saved: readonly SavedFile[],
  temp: string,
): Promise<string | undefined> {
  const files = Map.groupBy(saved, ({ predictionId }) => predictionId)
  let folder: string | undefined
  try {
    folder = await makeTemporaryFolder('result', temp)
    const file = path.join(folder, 'result.json')
    const entries = judged.map((each) => {
      const { id, end, status, answer } = each.outcome
      const error = each.verdict.ok ? null : reasonOf(each)
      const own = (files.get(id) ?? []).map((one) => ({ path: one.path, ...describeFile(one) }))
      return { id, end, status, error, body: answer?.body ?? null, files: own }
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

/**
 * A prediction's body without what is not for everybody who can download an artifact: the input, the logs and the
 * stream, whose address alone is the right to read it.
 */
export function publicResult({ outcome }: Judged, files: readonly SavedFile[]): unknown {
  const { input: _input, logs: _logs, urls, ...body } = outcome.answer?.body ?? {}
  const { stream: _stream, ...others } = (typeof urls === 'object' && urls !== null ? urls : {}) as Record<
    string,
    unknown
  >
  const own = files.filter(({ predictionId }) => predictionId === outcome.id)
  return { id: outcome.id, status: outcome.status, body: { ...body, urls: others }, files: own.map(describeFile) }
}
