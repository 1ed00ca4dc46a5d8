import { createReadStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { ArtifactNotFoundError, DefaultArtifactClient } from '@actions/artifact'
import { unlessAborted } from '../predictions/promises.ts'
import { errorOfClient } from './artifact-client-errors.ts'
import { type Content, digestOf } from './artifact-content.ts'
import { stage } from './artifact-staging.ts'
import type { ArtifactStore, ListedArtifact, Retry, StoredArtifact, StoreOptions } from './artifact-store.ts'
import type { RunnerContext } from './context.ts'
import { digitsOf } from './digest.ts'
import { toolkitOutput } from './print.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { type ReadEntry, readZipEntries } from './zip-reader.ts'

/** Opens the artifacts of GitHub. */
export async function openClient(options: StoreOptions, { temp }: RunnerContext): Promise<ArtifactStore> {
  return new ClientStore(options, temp, await makeTemporaryFolder('staging', temp))
}

/**
 * The artifacts of GitHub, through `@actions/artifact`.
 *
 * The client zips what it is given by name, mode and time of change, so files are staged as copies with a fixed mode and
 * time, in order of their names. The order inside the zip is the client's: it examines four files at once, takes them as
 * they come, and has no option for it. So the same files mostly give the same zip, not always, and whether an artifact
 * holds them already is answered by its entries, not by its digest.
 *
 * The client takes its settings from the environment of the process, and cannot be stopped: when the step is canceled it
 * is left behind.
 */
class ClientStore implements ArtifactStore {
  readonly #client = new DefaultArtifactClient()
  readonly #options: StoreOptions
  readonly #temp: string
  readonly #staging: string
  #staged = 0

  constructor(options: StoreOptions, temp: string, staging: string) {
    this.#options = options
    this.#temp = temp
    this.#staging = staging
  }

  async upload(name: string, content: Content, retry: Retry): Promise<StoredArtifact> {
    const { compressionLevel, retentionDays: days } = this.#options
    const root = path.join(this.#staging, String(++this.#staged))
    try {
      const files = await stage(content, root, name)
      const retention = days === undefined ? {} : { retentionDays: days }
      const options = { compressionLevel, skipArchive: !content.isZip, ...retention }
      const upload = () => this.#client.uploadArtifact(name, files, root, options)
      const { id = 0, size = 0, digest = '' } = await retry(() => this.#call(upload, `Uploading ${name}`))
      return { id, size, digest }
    } finally {
      await this.#discard(root)
    }
  }

  async newest(name: string): Promise<ListedArtifact | undefined> {
    const found = await this.#call(() => this.#client.getArtifact(name).catch(undefinedIfNotFound))
    return found && describe(found.artifact)
  }

  async holds(artifact: ListedArtifact, content: Content): Promise<boolean> {
    if (artifact.digest === '') return false
    if (!content.isZip) return artifact.digest === (await digestOf(createReadStream(content.files[0]?.path ?? '')))
    if (artifact.size > (await largestZip(content))) return false
    const folder = await makeTemporaryFolder('comparison', this.#temp)
    try {
      const options = { path: folder, skipDecompress: true, expectedHash: `sha256:${artifact.digest}` }
      const download = () => this.#client.downloadArtifact(artifact.id, options)
      const { digestMismatch } = await this.#call(download, `Comparing with the artifact ${content.name}`)
      return !digestMismatch && (await isZipOf(folder, content))
    } finally {
      await this.#discard(folder)
    }
  }

  async remove(name: string): Promise<void> {
    await this.#call(() => this.#client.deleteArtifact(name).catch(undefinedIfNotFound))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#discard(this.#staging)
  }

  /** Calls the client, which prints into a group if there is a title. */
  async #call<T>(act: () => Promise<T>, group?: string): Promise<T> {
    const { signal } = this.#options
    signal.throwIfAborted()
    const withData = () =>
      act().catch((error) => {
        throw errorOfClient(error)
      })
    return await unlessAborted(toolkitOutput(group, withData, signal), signal)
  }

  /** What a client that was left behind still reads is left to the runner, as is what a scanner for viruses holds open. */
  async #discard(folder: string): Promise<void> {
    if (!this.#options.signal.aborted) await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}

function undefinedIfNotFound(error: unknown): undefined {
  if (!(error instanceof ArtifactNotFoundError)) throw error
}

type Listed = Awaited<ReturnType<DefaultArtifactClient['getArtifact']>>['artifact']

const describe = ({ id, size, digest = '', createdAt = new Date(0) }: Listed): ListedArtifact => ({
  id,
  size,
  digest: digitsOf(digest),
  created: createdAt,
})

/** Bytes that the records of one entry take at most: its name twice, with at most 4 bytes for each of 255 characters. */
const ENTRY_RECORDS = 2500
/** Compression makes what cannot be compressed hardly larger. */
const WORST_RATIO = 1.01

async function largestZip({ files }: Content): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file.path)).size * WORST_RATIO + ENTRY_RECORDS))
  return sizes.reduce((sum, size) => sum + size, ENTRY_RECORDS)
}

/** Whether the one file of a folder is a zip with the same names and bytes, in any order. */
async function isZipOf(folder: string, { files }: Content): Promise<boolean> {
  const [name = ''] = await readdir(folder)
  const entries = await readZipEntries(path.join(folder, name))
  if (entries.length !== files.length) return false
  const byName = new Map(entries.map((entry) => [entry.name, entry]))
  for (const file of files) {
    const entry = byName.get(file.name)
    if (entry === undefined || !(await isEntryOf(entry, file.path))) return false
  }
  return true
}

async function isEntryOf(entry: ReadEntry, file: string): Promise<boolean> {
  if (entry.size !== (await stat(file)).size) return false
  const theirs = digestOf(await entry.open()).catch(() => undefined)
  const digests = await Promise.all([theirs, digestOf(createReadStream(file))])
  return digests[0] === digests[1]
}
