import { readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { parseDocument } from 'yaml'
import { INVISIBLE } from '../predictions/invisible.ts'

/** What the model is given could not be read. The message is whole sentences. */
export class ModelInputError extends Error {
  override readonly name = 'ModelInputError'
}

/**
 * The largest file that is embedded, in bytes. The request carries it as base64, a third larger, and the API keeps it
 * in every answer: larger files belong on a server, with their URL as the value.
 */
export const LARGEST_EMBEDDED = 2 ** 20

/**
 * Reads the input of a model from a text and a file, each a JSON or YAML mapping; the text wins where both have a key.
 * A value `@path` becomes a `data:` URI of that file of the workspace, `@@text` stands for `@text`.
 * @throws ModelInputError
 */
export async function readModelInput(text: string, file: string, workspace: string): Promise<Record<string, unknown>> {
  const fromFile = file === '' ? {} : parseMapping(await readText(file, workspace), `the file ${file}`)
  const merged = { ...fromFile, ...(text.trim() === '' ? {} : parseMapping(text, 'the input')) }
  return (await embedFiles(merged, workspace)) as Record<string, unknown>
}

async function readText(file: string, workspace: string): Promise<string> {
  try {
    return await readFile(await resolveInside(file, workspace), 'utf8')
  } catch (error) {
    throw error instanceof ModelInputError
      ? error
      : new ModelInputError(`The file ${file} could not be read: ${(error as Error).message}.`)
  }
}

function parseMapping(text: string, where: string): Record<string, unknown> {
  // YAML 1.2 holds JSON. Warnings would be printed with the keys that they are about. Aliases are bounded by the parser, so that a few lines cannot grow into gigabytes.
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true, logLevel: 'error' })
  const [fault] = document.errors
  if (fault)
    throw new ModelInputError(`In ${where}: ${fault.message.split('\n')[0]} It must be a mapping, as JSON or YAML.`)
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new ModelInputError(`In ${where}: ${(error as Error).message}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ModelInputError(
      `In ${where} is no mapping but ${value === null ? 'nothing' : Array.isArray(value) ? 'a list' : `a ${typeof value}`}. Give names and values, as JSON or YAML.`,
    )
  }
  return value as Record<string, unknown>
}

async function embedFiles(value: unknown, workspace: string): Promise<unknown> {
  if (typeof value === 'string') {
    if (value.startsWith('@@')) return value.slice(1)
    return /^@\S/.test(value) ? dataUri(value.slice(1), workspace) : value
  }
  if (Array.isArray(value)) return Promise.all(value.map((item) => embedFiles(item, workspace)))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(async ([key, item]) => [key, await embedFiles(item, workspace)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

const TYPES: Readonly<Record<string, string>> = {
  '.avif': 'image/avif',
  '.flac': 'audio/flac',
  '.gif': 'image/gif',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.json': 'application/json',
  '.m4a': 'audio/mp4',
  '.mov': 'video/quicktime',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.ogg': 'audio/ogg',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain',
  '.wav': 'audio/wav',
  '.webm': 'video/webm',
  '.webp': 'image/webp',
  '.zip': 'application/zip',
}

async function dataUri(name: string, workspace: string): Promise<string> {
  const file = await resolveInside(name, workspace)
  const { size } = await stat(file)
  if (size > LARGEST_EMBEDDED) {
    throw new ModelInputError(
      `The file ${name} has ${size} bytes, and ${LARGEST_EMBEDDED} are embedded at the most: the request carries it as base64, and APIs refuse large requests. Put it on a server and give its URL.`,
    )
  }
  const type = TYPES[path.extname(file).toLowerCase()] ?? 'application/octet-stream'
  return `data:${type};base64,${(await readFile(file)).toString('base64')}`
}

/**
 * The real path of a file of the workspace. What lies outside, also by a link, and what lies in .git, where checkout
 * keeps its token, is refused: the value may come from the title of an issue.
 */
async function resolveInside(name: string, workspace: string): Promise<string> {
  const root = await realpath(workspace)
  // Before the disk is asked: on Windows a look at \\host\share alone sends that host the runner's credentials.
  const spelt = path.resolve(workspace, name)
  const refused = whyNotSent(workspace, spelt)
  if (refused && whyNotSent(root, spelt)) throw new ModelInputError(`The file ${name} ${refused}, so it is not sent.`)
  let file: string
  try {
    file = await realpath(spelt)
  } catch {
    throw new ModelInputError(
      `There is no file ${name} in the workspace. A value that begins with @ names one; @@ stands for an @ at the start of a text.`,
    )
  }
  const reason = whyNotSent(root, file)
  if (reason) throw new ModelInputError(`The file ${name} ${reason}, so it is not sent.`)
  if (!(await stat(file)).isFile()) throw new ModelInputError(`${name} is no file.`)
  return file
}

/** What Windows and macOS take for `.git` too: case, blanks and dots at the end, the short name, invisible characters. */
const GIT = /^(?:\.git|git~\d)[. ]*$/i

/**
 * Why a file must not be sent, as a clause; undefined where it may.
 * @param flavour how paths are read: those of Windows are tested on every system
 */
export function whyNotSent(
  root: string,
  file: string,
  { relative, isAbsolute, sep }: path.PlatformPath = path,
): string | undefined {
  const inside = relative(root, file)
  const parts = inside.split(sep)
  if (inside === '' || parts[0] === '..' || isAbsolute(inside)) return 'is not inside the workspace'
  if (parts.some((part) => GIT.test(part.replace(INVISIBLE, '')))) {
    return 'belongs to git, which keeps secrets there'
  }
  // NTFS keeps streams behind a colon, and .git has one that is .git itself.
  if (sep === '\\' && inside.includes(':')) return 'names a stream of a file'
  return undefined
}
