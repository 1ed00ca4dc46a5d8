import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isJsonObject } from '../predictions/json/numbers.ts'
import { isRecord } from '../predictions/text.ts'

/** The file beside saved files that says which input made them. */
export const RECORD_FILE = '.predictions.json'

/** What is known of one name. */
export interface RecordEntry {
  /** SHA-256 of target and input, as {@link hashOf} makes it, or {@link INCOMPLETE}. */
  hash: string
  /** Names of files in the folder of the record. */
  files: string[]
}

/**
 * In place of a hash: files were saved, but not all. Without an entry they would look like files whose input is unknown,
 * and the input would be skipped.
 */
export const INCOMPLETE = ''

/** Entries by name. */
export type Recorded = ReadonlyMap<string, RecordEntry>

/** Why an entry is not started, or why it is. */
export type Existing =
  /** It is recorded, its files are there, and nothing has changed. */
  | 'unchanged'
  /** Files of that name are there, but nothing says which input made them. */
  | 'unrecorded'
  /** There is something to make. */
  | 'missing'

/**
 * A hash of what is run and with what. The order of keys does not count, every other difference does; numbers count by
 * their digits.
 * @param value JSON, in which embedded files stand as `data:` URIs
 */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex')
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (!isJsonObject(value)) return JSON.stringify(value) ?? 'null'
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`
}

/** The record is damaged. The message is whole sentences. */
export class RecordError extends Error {
  override readonly name = 'RecordError'
}

/**
 * Reads the record of a folder; empty if there is none.
 * @throws RecordError if it is no JSON, as after a merge with conflicts: it would be overwritten; or an error of the file
 * system
 */
export async function readRecord(folder: string): Promise<Recorded> {
  const text = await readIfThere(path.join(folder, RECORD_FILE))
  const parsed = text === undefined ? undefined : parse(text)
  const entries = isRecord(parsed) && isRecord(parsed.predictions) ? Object.entries(parsed.predictions) : []
  return new Map(entries.filter((entry): entry is [string, RecordEntry] => isEntry(entry[1])))
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parse(text: string): unknown {
  try {
    // An editor may have put a byte order mark before it.
    return JSON.parse(text.trim())
  } catch (cause) {
    const message = `${RECORD_FILE} is not valid JSON. Restore it, or delete it together with the files.`
    throw new RecordError(message, { cause })
  }
}

/** A record is a file of the repository: its names of files must be names in its own folder. */
function isEntry(value: unknown): value is RecordEntry {
  if (!isRecord(value) || typeof value.hash !== 'string' || !Array.isArray(value.files)) return false
  return value.files.every((name) => typeof name === 'string' && name !== '' && path.basename(name) === name)
}

/**
 * Says whether there is anything to make.
 * @param isOurs whether a file of that name would be one of this entry
 */
export async function existing(
  folder: string,
  recorded: RecordEntry | undefined,
  hash: string,
  isOurs: (fileName: string) => boolean,
): Promise<Existing> {
  if (recorded) {
    const there = await Promise.all(recorded.files.map((name) => isFile(path.join(folder, name))))
    const isComplete = recorded.files.length > 0 && there.every(Boolean)
    return isComplete && recorded.hash === hash ? 'unchanged' : 'missing'
  }
  const names = await readdir(folder).catch(() => [])
  return names.some(isOurs) ? 'unrecorded' : 'missing'
}

const isFile = async (file: string) => (await stat(file).catch(() => undefined))?.isFile() ?? false

/**
 * Records entries. What another step has recorded in the meantime is kept; the file appears whole or not at all.
 * @throws RecordError if what is there is damaged, or an error of the file system
 */
export async function writeRecord(folder: string, added: ReadonlyMap<string, RecordEntry>): Promise<void> {
  if (added.size === 0) return
  const all = [...new Map([...(await readRecord(folder)), ...added])].sort(([a], [b]) => (a < b ? -1 : 1))
  const predictions = Object.fromEntries(all.map(([name, { hash, files }]) => [name, { hash, files }]))
  const temporary = path.join(folder, `${RECORD_FILE}.${randomBytes(6).toString('hex')}.part`)
  try {
    await writeFile(temporary, `${JSON.stringify({ predictions }, null, 2)}\n`, { flag: 'wx' })
    await rename(temporary, path.join(folder, RECORD_FILE))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
