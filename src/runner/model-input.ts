import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { isJsonObject, isRawNumber } from '../predictions/json/numbers.ts'
import { ModelInputError, resolveInside } from './embedded-files.ts'
import { parseInput } from './input-yaml.ts'

/** What others keep inputs in, some of which would be read as YAML of one line. */
const OTHER_FORMATS: ReadonlySet<string> = new Set(['.jsonl', '.ndjson', '.csv', '.tsv'])

/** Reads a JSON or YAML file of the workspace. @throws ModelInputError */
export async function readInputFile(file: string, workspace: string): Promise<unknown> {
  const extension = path.extname(file).toLowerCase()
  if (OTHER_FORMATS.has(extension)) {
    throw new ModelInputError(`The file ${file} cannot be read as ${extension.slice(1)}. Use a JSON or YAML file.`)
  }
  let text: string | undefined
  try {
    const bytes = await readFile(await resolveInside(file, workspace))
    text = isUtf8(bytes) ? bytes.toString() : undefined
  } catch (error) {
    if (error instanceof ModelInputError) throw error
    throw new ModelInputError(`The file ${file} could not be read: ${(error as Error).message}.`, { cause: error })
  }
  if (text === undefined) throw new ModelInputError(`The file ${file} is not encoded in UTF-8. Save it as UTF-8.`)
  return parseInput(text, `the file ${file}`, { isFile: true })
}

/** @throws ModelInputError if it is not a mapping */
export function mapping(value: unknown, where: string): Record<string, unknown> {
  if (isJsonObject(value)) return value
  throw new ModelInputError(
    `${asSubject(where)} is not a mapping but ${kindOf(value)}. Use a mapping from names to values, as JSON or YAML.`,
  )
}

/** What an error is about, at the start of its sentence: `the file x` begins with a capital, the name of an input never. */
export const asSubject = (where: string) => where.replace(/^the /, 'The ')

function kindOf(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return isRawNumber(value) ? 'a number' : `a ${typeof value}`
}
