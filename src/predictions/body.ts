import { Buffer } from 'node:buffer'
import { decoded } from './decode.ts'
import { type ApiRequest, TooLargeError } from './errors.ts'
import { collectBuffers } from './garbage.ts'

/** The largest body that is kept in memory, and what is stored of a larger one at once, in bytes. */
const LARGE = 2 ** 20

/** A text that is kept outside of memory. */
export interface StoredText {
  /** Appends all or nothing. @throws an error of the file system */
  append(bytes: readonly Buffer[]): Promise<void>
  /** @throws an error of the file system */
  read(): Promise<string>
  /** The bytes, in parts. @throws an error of the file system */
  bytes(): AsyncIterable<Buffer>
  /** Another text in the same store, empty. @throws an error of the file system */
  another(): Promise<StoredText>
  /** Removes it. */
  close(): Promise<void>
}

/** Takes what is too large to be kept in memory. */
export interface TextStore {
  /** Begins an empty text. @throws an error of the file system */
  open(): Promise<StoredText>
}

/** What came as the body of an answer. */
export type Body = string | StoredText

export interface ReceiveOptions {
  /** The largest body that is read, in bytes. */
  limit: number
  /** Takes large bodies; without it they stay in memory. */
  store: TextStore | undefined
  /** The header, which may name the encoding. */
  contentType?: string | undefined
}

/**
 * Reads a complete body. If it cannot be stored, as on a full disk, it is kept in memory.
 * @throws TooLargeError, or what the connection throws
 */
export async function receive(
  chunks: AsyncIterable<Buffer>,
  request: ApiRequest,
  { limit, store, contentType }: ReceiveOptions,
): Promise<Body> {
  await using receiver = new Receiver(store)
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > limit) throw new TooLargeError(request, limit)
    await receiver.take(chunk)
  }
  return await receiver.finish(contentType)
}

/** Collects a body: in memory while it is small, else in a store. */
class Receiver implements AsyncDisposable {
  #store: TextStore | undefined
  #stored: StoredText | undefined
  #pending: Buffer[] = []
  #pendingSize = 0

  constructor(store: TextStore | undefined) {
    this.#store = store
  }

  async take(chunk: Buffer): Promise<void> {
    this.#pending.push(chunk)
    this.#pendingSize += chunk.length
    if (this.#stored) collectBuffers(chunk.length)
    if (this.#pendingSize > LARGE) await this.#putAway()
  }

  async finish(contentType: string | undefined): Promise<Body> {
    if (this.#stored) await this.#putAway()
    const stored = this.#stored
    // It is the caller's now.
    this.#stored = undefined
    return stored ?? decoded(Buffer.concat(this.#pending), contentType)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stored?.close()
  }

  async #putAway(): Promise<void> {
    if (!this.#store) return
    try {
      this.#stored ??= await this.#store.open()
      await this.#stored.append(this.#pending)
      this.#pending = []
      this.#pendingSize = 0
    } catch {
      await this.#takeBack()
    }
  }

  /** What could not be stored whole goes on in memory. */
  async #takeBack(): Promise<void> {
    this.#store = undefined
    const before = this.#stored
    this.#stored = undefined
    if (!before) return
    const stored: Buffer[] = []
    for await (const part of before.bytes()) stored.push(part)
    this.#pending.unshift(...stored)
    await before.close()
  }
}
