import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { INVISIBLE } from '../predictions/invisible.ts'
import { isJsonObject } from '../predictions/json/numbers.ts'

/** What the model is given could not be read. The message is whole sentences. */
export class ModelInputError extends Error {
  override readonly name = 'ModelInputError'
}

class MissingFileError extends ModelInputError {}

/** Files up to this many bytes are embedded in the request as `data:` URIs, a third larger. */
export const EMBEDDED_LIMIT = 256 * 2 ** 10
/** If the API takes no uploads, files up to this many bytes are embedded all the same; APIs refuse larger requests. */
const LARGEST_EMBEDDED = 2 ** 20
/** The largest file that is uploaded, in bytes (Replicate's `POST /files`). */
const LARGEST_UPLOAD = 100 * 10 ** 6
/** Mentions of files in the inputs of one step, and their bytes together, each counted as often as it is mentioned. */
export const MOST_MENTIONS = 100
export const MENTIONS_LIMIT = 100 * 10 ** 6

/** A file of the workspace that an input references, too large to be embedded without trying an upload first. */
export class LargeFile {
  /** Its place in the inputs, such as `inputs.hero.image`. */
  readonly where: string
  /** As it was mentioned, without the `@`. */
  readonly name: string
  /** The real path. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** MIME type, by the extension. */
  readonly type: string

  constructor(file: { where: string; name: string; path: string; size: number; type: string }) {
    this.where = file.where
    this.name = file.name
    this.path = file.path
    this.size = file.size
    this.type = file.type
  }
}

/** Counts what one step mentions, so that one small file mentioned a thousand times does not become a gigabyte. */
export class MentionBudget {
  #mentions = 0
  #bytes = 0

  /** @throws ModelInputError if this mention is one too many */
  add(size: number): void {
    this.#mentions++
    this.#bytes += size
    if (this.#mentions > MOST_MENTIONS) {
      throw new ModelInputError(`More than ${MOST_MENTIONS} files are referenced with @. Use URLs instead.`)
    }
    if (this.#bytes > MENTIONS_LIMIT) {
      throw new ModelInputError(
        `The files that are referenced with @ have more than ${MENTIONS_LIMIT / 10 ** 6} MB in total, each counted as often as it is referenced. Use URLs instead.`,
      )
    }
  }
}

/** Where files are looked for, and what the step may mention. */
export interface FileScope {
  workspace: string
  budget: MentionBudget
}

/**
 * Puts files in the place of values `@path`: small ones as `data:` URIs, larger ones as a {@link LargeFile}. `@@text`
 * stands for `@text`.
 * @param where the place of the value, such as `inputs.hero`
 * @throws ModelInputError that names the place
 */
export async function embedFiles(value: unknown, where: string, scope: FileScope): Promise<unknown> {
  if (typeof value === 'string') {
    if (value.startsWith('@@')) return value.slice(1)
    return /^@\S/.test(value) ? await fileOf(value.slice(1), where, scope) : value
  }
  if (Array.isArray(value)) {
    const items: unknown[] = []
    for (const [i, item] of value.entries()) items.push(await embedFiles(item, `${where}[${i}]`, scope))
    return items
  }
  if (!isJsonObject(value)) return value
  const entries: [string, unknown][] = []
  for (const [key, item] of Object.entries(value)) entries.push([key, await embedFiles(item, `${where}.${key}`, scope)])
  return Object.fromEntries(entries)
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

async function fileOf(name: string, where: string, { workspace, budget }: FileScope): Promise<string | LargeFile> {
  try {
    const file = await resolveInside(name, workspace)
    const { size } = await stat(file)
    const type = TYPES[path.extname(file).toLowerCase()] ?? 'application/octet-stream'
    if (size > LARGEST_UPLOAD) throw tooLarge(name, size, LARGEST_UPLOAD)
    budget.add(size)
    const large = new LargeFile({ where, name, path: file, size, type })
    return size > EMBEDDED_LIMIT ? large : await dataUri(large)
  } catch (error) {
    if (!(error instanceof MissingFileError)) throw located(error, where)
    const advice = 'A value that starts with @ names a file; write @@ for a text that starts with @.'
    throw located(new ModelInputError(`${error.message} ${advice}`, { cause: error }), where)
  }
}

/** The error with the place in the input that it is about. */
const located = (error: unknown, where: string): unknown =>
  error instanceof ModelInputError ? new ModelInputError(`${where}: ${error.message}`, { cause: error }) : error

/** @returns a `data:` URI with the whole file */
const dataUri = async (file: LargeFile): Promise<string> =>
  `data:${file.type};base64,${(await contentOf(file)).toString('base64')}`

/** @throws ModelInputError if the file cannot be read, such as one that was removed in the meantime */
export async function contentOf(file: LargeFile): Promise<Buffer> {
  try {
    return await readFile(file.path)
  } catch (error) {
    throw new ModelInputError(`The file ${file.name} could not be read: ${(error as Error).message}.`, { cause: error })
  }
}

const tooLarge = (name: string, size: number, limit: number) =>
  new ModelInputError(
    `The file ${name} has ${size} bytes; at most ${limit} can be sent. Put it on a server and use its URL.`,
  )

/** What became of an upload: a URL or, if the API did not take the file, what to say of it, in sentences. */
export type UploadResult = { url: string } | { refusal: string }
type Upload = (file: LargeFile) => Promise<UploadResult>

/**
 * Puts URLs in the place of large files, or `data:` URIs if the API does not take them.
 * @throws ModelInputError if a file is too large for that; what `upload` throws
 */
export async function resolveLargeFiles(value: unknown, upload: Upload): Promise<unknown> {
  if (value instanceof LargeFile) return await sent(value, upload)
  if (Array.isArray(value)) return await Promise.all(value.map((item) => resolveLargeFiles(item, upload)))
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(
    async ([key, item]) => [key, await resolveLargeFiles(item, upload)] as const,
  )
  return Object.fromEntries(await Promise.all(entries))
}

async function sent(file: LargeFile, upload: Upload): Promise<string> {
  try {
    const result = await upload(file)
    if ('url' in result) return result.url
    if (file.size <= LARGEST_EMBEDDED) return await dataUri(file)
    throw new ModelInputError(
      `The file ${file.name} has ${file.size} bytes. This API did not accept it as an upload, and more than ${LARGEST_EMBEDDED} bytes cannot be embedded in a request. ${result.refusal}`,
    )
  } catch (error) {
    throw located(error, file.where)
  }
}

/** The input with the SHA-256 of their content in the place of large files, for a comparison. @throws an error of the file system */
export async function fingerprint(value: unknown): Promise<unknown> {
  if (value instanceof LargeFile) {
    const hash = createHash('sha256')
    await pipeline(createReadStream(value.path), hash)
    return `sha256:${hash.digest('hex')}`
  }
  if (Array.isArray(value)) return await Promise.all(value.map(fingerprint))
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(async ([key, item]) => [key, await fingerprint(item)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

/**
 * The real path of a file of the workspace. What lies outside, also by a link, and what lies in .git, where checkout
 * keeps its token, is refused: the value may come from the title of an issue.
 */
export async function resolveInside(name: string, workspace: string): Promise<string> {
  const root = await realpath(workspace)
  // Before any access to the disk: on Windows, looking up \\host\share sends the runner's credentials to that host.
  const spelt = path.resolve(workspace, name)
  const refused = whyNotSent(workspace, spelt)
  if (refused && whyNotSent(root, spelt)) throw new ModelInputError(`The file ${name} ${refused}, so it is not sent.`)
  let file: string
  try {
    file = await realpath(spelt)
  } catch {
    throw new MissingFileError(
      `There is no file ${name} in the workspace. A file of the repository needs actions/checkout before this step.`,
    )
  }
  const reason = whyNotSent(root, file)
  if (reason) throw new ModelInputError(`The file ${name} ${reason}, so it is not sent.`)
  if (!(await stat(file)).isFile()) throw new ModelInputError(`${name} is not a file.`)
  return file
}

/** What Windows and macOS take for `.git` too: case, blanks and dots at the end, the short name, invisible characters. */
const GIT = /^(?:\.git|git~\d)[. ]*$/i

/**
 * Why a file must not be sent, as a clause; undefined if it may.
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
    return 'belongs to Git, which stores secrets there'
  }
  // NTFS keeps streams behind a colon, and .git has one that is .git itself.
  if (sep === '\\' && inside.includes(':')) return 'names an alternate data stream'
  return undefined
}
