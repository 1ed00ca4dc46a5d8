import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { DiskError, describeDiskError } from './file-error.ts'
import type { Folder } from './folder.ts'
import type { Sink } from './transfer.ts'

/** A file that is not whole yet, under a name of its own. It is made by the first write. */
export class PartFile implements Sink, AsyncDisposable {
  readonly path: string
  readonly #folder: Folder
  #handle: FileHandle | undefined
  #made = false

  constructor(folder: Folder) {
    this.#folder = folder
    this.path = path.join(folder.path, `.${randomBytes(8).toString('hex')}.part`)
  }

  async write(pieces: readonly Buffer[], position: number): Promise<void> {
    await this.use(async (handle) => {
      const size = pieces.reduce((sum, { length }) => sum + length, 0)
      let { bytesWritten } = await handle.writev(pieces, position)
      // A disk that is nearly full takes a part, and says why with the next one.
      for (let rest = Buffer.alloc(0); bytesWritten < size; ) {
        if (rest.length === 0) rest = Buffer.concat(pieces, size)
        const more = await handle.write(rest, bytesWritten, size - bytesWritten, position + bytesWritten)
        if (more.bytesWritten === 0) throw new DiskError(`the disk is full: ${this.#folder.path}`)
        bytesWritten += more.bytesWritten
      }
      this.#folder.wrote(this, size)
    })
  }

  async expect(bytes: number): Promise<void> {
    await this.#folder.reserve(this, bytes)
  }

  /** Cuts it to its size: a transfer that started over can have left more. */
  async cut(size: number): Promise<void> {
    await this.use((handle) => handle.truncate(size))
  }

  /** Works with the open file. @throws DiskError for errors of the file system */
  async use<T>(work: (handle: FileHandle) => Promise<T>): Promise<T> {
    try {
      await this.#folder.make()
      this.#handle ??= await open(this.path, this.#made ? 'r+' : 'wx+')
      this.#made = true
      return await work(this.#handle)
    } catch (error) {
      const words = describeDiskError(error, this.#folder.path) ?? describeSystemError(error, this.#folder.path)
      throw words === undefined ? error : new DiskError(words, { cause: error })
    }
  }

  async rest(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }

  /** It has another name now, or is not wanted. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#folder.release(this)
    await this.rest().catch(() => {})
    if (this.#made) await rm(this.path, { force: true }).catch(() => {})
  }
}

/** Any other error of the file system, such as EIO: what the network brings comes from elsewhere. */
function describeSystemError(error: unknown, place: string): string | undefined {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  return code === undefined || syscall === undefined ? undefined : `${place} cannot be written to (${code})`
}
