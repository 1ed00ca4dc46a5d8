import { readdir } from 'node:fs/promises'
import { stemOf } from '../predictions/files/extensions.ts'
import { nameInName } from '../predictions/files/file-name.ts'
import { statusOf } from '../predictions/prediction.ts'
import type { Delivered } from './delivery.ts'
import { fingerprint } from './embedded-files.ts'
import type { NamedInput } from './entries.ts'
import { type Entry, isJudged } from './entry.ts'
import { type Failure, messageOf } from './failure.ts'
import { InputError, type RunInputs } from './inputs.ts'
import { info, notice } from './print.ts'
import {
  existing,
  hashOf,
  INCOMPLETE,
  RECORD_FILE,
  type RecordEntry,
  RecordError,
  type Recorded,
  readRecord,
  writeRecord,
} from './record.ts'

/** Which inputs are left to be started, and what is recorded of them afterwards. */
export interface Plan {
  toStart: NamedInput[]
  skipped: string[]
  /** Names of the record, and of files that belong to inputs which are not started, also to those of other steps. */
  kept: string[]
  /** Records which files were saved of each input, and that it is done if its prediction succeeded and none is missing. */
  record(entries: readonly Entry[], delivered: Delivered): Promise<Failure[]>
}

/**
 * Looks what exists already. Without `skip-existing` everything is started, and nothing recorded.
 * @throws InputError if the record cannot be read
 */
export async function planOf(named: readonly NamedInput[], inputs: RunInputs): Promise<Plan> {
  const { directory } = inputs.download
  if (!inputs.skipExisting || directory === undefined) {
    return { toStart: [...named], skipped: [], kept: [], record: async () => [] }
  }
  const recorded = await readRecord(directory).catch((error: unknown) => {
    const what = error instanceof RecordError ? error.message : `${RECORD_FILE} cannot be read: ${messageOf(error)}.`
    throw new InputError([`output-dir: ${what}`])
  })
  const taken = new Set([...recorded.values()].flatMap(({ files }) => files.map((file) => file.normalize('NFC'))))
  const patterns = named.map(({ name }) => patternsOf(inputs.download.fileName, name))
  const hashes = new Map<string, string>()
  const toStart: NamedInput[] = []
  const skipped: string[] = []
  const there = await readdir(directory).catch(() => [])
  const unrecorded: string[] = []
  for (const [i, each] of named.entries()) {
    const { name, input } = each
    const hash = hashOf({ target: inputs.target, input: await fingerprint(input) })
    hashes.set(name, hash)
    const isOurs = filesOf(patterns, i, taken)
    const found = await existing(directory, recorded.get(name), hash, isOurs)
    if (found === 'missing') toStart.push(each)
    else skipped.push(name)
    if (found === 'unchanged') info(`${name}: not started, because its files exist and its input has not changed`)
    if (found === 'unrecorded') {
      unrecorded.push(...there.filter(isOurs))
      notice(
        `${name}: not started, because files of that name exist. There is no record of their input: delete them to generate them again.`,
      )
    }
  }
  const kept = [RECORD_FILE, ...unrecorded, ...recordedForOthers(recorded, toStart, there)]
  return { toStart, skipped, kept, record: (entries, delivered) => record(directory, hashes, entries, delivered) }
}

/** The files that are there and recorded, but not for what is started, or what it was called before. */
function recordedForOthers(recorded: Recorded, toStart: readonly NamedInput[], there: readonly string[]): string[] {
  const folded = (name: string) => nameInName(name).toLowerCase()
  const started = new Set(toStart.map(({ name }) => folded(name)))
  const existing = new Set(there.map((file) => file.normalize('NFC')))
  const others = [...recorded].filter(([name]) => !started.has(folded(name)))
  return others.flatMap(([, { files }]) => files).filter((file) => existing.has(file.normalize('NFC')))
}

/** What became of each input, in the order of the inputs. */
export function inOrder(named: readonly NamedInput[], entries: readonly Entry[], { skipped }: Plan): Entry[] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]))
  const isSkipped = new Set(skipped)
  return named.flatMap(({ name }): Entry[] => {
    if (isSkipped.has(name)) return [{ name, status: 'skipped', error: undefined }]
    return [byName.get(name)].filter((entry) => entry !== undefined)
  })
}

async function record(
  directory: string,
  hashes: ReadonlyMap<string, string>,
  entries: readonly Entry[],
  { files, incomplete }: Delivered,
): Promise<Failure[]> {
  const added = new Map<string, RecordEntry>()
  for (const entry of entries) {
    if (!isJudged(entry) || entry.name === undefined) continue
    const { name, outcome, verdict } = entry
    const own = files.filter(({ predictionId }) => predictionId === outcome.id)
    const hash = hashes.get(name)
    if (hash === undefined || own.length === 0) continue
    const hasSucceeded = outcome.answer && statusOf(outcome.answer.prediction) === 'succeeded'
    const isComplete = verdict.ok && hasSucceeded && !incomplete.has(outcome.id)
    added.set(name, { hash: isComplete ? hash : INCOMPLETE, files: own.map((file) => file.name) })
  }
  try {
    await writeRecord(directory, added)
    return []
  } catch (error) {
    return [
      { title: 'Files not recorded', message: `The record of ${directory} could not be written: ${messageOf(error)}` },
    ]
  }
}

/** The names of the files of an input, without extensions. */
interface Patterns {
  /** The template with its name and any index. */
  exact: RegExp
  /** Also with a number at the end, for one of several files, or one whose name was taken. */
  numbered: RegExp
}

function patternsOf(template: string, name: string): Patterns {
  const parts = template.normalize('NFC').split(/(\{\w+\})/)
  const pattern = parts.map((part) => {
    if (part === '{name}') return RegExp.escape(nameInName(name))
    return part === '{index}' || part === '{number}' ? '\\d+' : RegExp.escape(part)
  })
  const stem = pattern.join('')
  return { exact: new RegExp(`^${stem}$`, 'u'), numbered: new RegExp(`^${stem}-\\d+$`, 'u') }
}

/**
 * Whether a file would be one of the input at `place`: by its name, unless it is recorded (`taken`) or is exactly that
 * of another input, as `page-2` is among `page` and `page-2`.
 */
function filesOf(
  patterns: readonly Patterns[],
  place: number,
  taken: ReadonlySet<string>,
): (fileName: string) => boolean {
  const own = patterns[place]
  return (fileName) => {
    const normal = fileName.normalize('NFC')
    const stem = stemOf(normal)
    if (!own || taken.has(normal)) return false
    // A template that ends with the extension already has it.
    const isExactly = ({ exact }: Patterns) => exact.test(stem) || (stem !== normal && exact.test(normal))
    return isExactly(own) || (own.numbered.test(stem) && !patterns.some(isExactly))
  }
}
