import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { StoredText, TextStore } from '../predictions/body.ts'

/** Bytes that are read at once. */
const PART = 2 ** 18
/** The most files that are open at once: connections need descriptors too. */
const MOST_OPEN = 500

/**
 * Keeps texts in files without a name, which vanish with the process: they may hold the key.
 * @param folder absolute
 */
export function createTextStore(folder: string): TextStore {
  /** Held, because Node warns of a file that the collection of garbage closes. */
  const files = new Set<FileHandle>()
  let opened = 0
  const store: TextStore = {
    async open() {
      if (opened >= MOST_OPEN) throw new Error(`more than ${MOST_OPEN} texts are stored`)
      opened++
      try {
        const name = path.join(folder, `await-prediction-body-${randomUUID()}`)
        const file = await open(name, 'wx+', 0o600)
        files.add(file)
        await rm(name, { force: true }).catch(async (error) => {
          files.delete(file)
          await file.close()
          throw error
        })
        return new FileText(file, store, () => {
          if (files.delete(file)) opened--
        })
      } catch (error) {
        opened--
        throw error
      }
    },
  }
  return store
}

class FileText implements StoredText {
  readonly #file: FileHandle
  readonly #store: TextStore
  readonly #closed: () => void
  #size = 0

  constructor(file: FileHandle, store: TextStore, closed: () => void) {
    this.#file = file
    this.#store = store
    this.#closed = closed
  }

  async append(bytes: readonly Buffer[]): Promise<void> {
    let end = this.#size
    for (const part of bytes) {
      for (let done = 0; done < part.length; ) {
        const { bytesWritten } = await this.#file.write(part, done, part.length - done, end)
        done += bytesWritten
        end += bytesWritten
      }
    }
    this.#size = end
  }

  async read(): Promise<string> {
    const bytes = Buffer.allocUnsafeSlow(this.#size)
    let end = 0
    for await (const part of this.bytes()) end += part.copy(bytes, end)
    const text = bytes.toString('utf8')
    // Not left to the collection of garbage: it is as large as the text.
    bytes.buffer.transfer(0)
    return text
  }

  async *bytes(): AsyncGenerator<Buffer> {
    for (let done = 0; done < this.#size; ) {
      const wanted = Math.min(PART, this.#size - done)
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(wanted), 0, wanted, done)
      if (bytesRead === 0) throw new Error('A stored body is shorter than it was.')
      done += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  another(): Promise<StoredText> {
    return this.#store.open()
  }

  async close(): Promise<void> {
    this.#closed()
    await this.#file.close()
  }
}
