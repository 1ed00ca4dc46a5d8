import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import {
  discard,
  headerOf,
  REDIRECT_STATUSES,
  requestTarget,
  retryAfterOf,
  TRANSIENT_STATUSES,
  USER_AGENT,
} from '../http.ts'
import { HostRefusal } from '../network/addresses.ts'
import type { UntrustedNetwork } from '../network/dispatcher.ts'
import { describeFault, isCertificateFault } from '../network/network-errors.ts'
import { PermanentError, tooLarge } from './file-error.ts'

const REDIRECTS = 5
/** Attempts in a row that bring nothing; one that brings bytes starts the count anew. */
const TRIES = 5
/** Seconds without a byte after which a transfer is broken off and resumed. */
const STALL = 30
/** Seconds between two lines about a file that is still coming. */
const PROGRESS_PAUSE = 5
/** Bytes gathered before they are written. */
const WRITE_SIZE = 2 ** 18

/** What a transfer needs, and whom it tells. */
export interface TransferOptions {
  /** The name of the file in messages. */
  label: string
  network: UntrustedNetwork
  clock: Clock
  signal: AbortSignal
  /** In bytes. */
  maxFileSize: number
  /** Seconds without a byte after which a transfer is broken off and resumed. */
  stall?: number
  collectGarbage(bytes: number): void
  observer: {
    /** Bytes of a large file that have come, now and then; `total` if the server said it. */
    progress(label: string, bytes: number, total: number | undefined): void
    retrying(label: string, reason: string, pause: number): void
  }
}

/** What a file was filled with. */
export interface Received {
  size: number
  hash: Hash
  claimed: { type: string; extension: string }
}

/** A transfer that is cut off, stalls or is put off can be taken up again where it stopped. */
class InterruptedTransfer extends Error {
  /** Seconds that the server asked to wait. */
  readonly retryAfter: number | undefined
  constructor(reason: string, retryAfter?: number) {
    super(reason)
    this.retryAfter = retryAfter
  }
}

/** The download of one URL into one file, over as many requests as it takes. */
export class Transfer {
  readonly #url: URL
  readonly #file: FileHandle
  readonly #context: TransferOptions
  #size = 0
  #hash = createHash('sha256')
  /** What tells that a later answer is about the same bytes: a strong ETag, else the date. */
  #validator: string | undefined
  #type = ''
  #lastWord: number

  constructor(url: URL, file: FileHandle, context: TransferOptions) {
    this.#url = url
    this.#file = file
    this.#context = context
    this.#lastWord = context.clock.now()
  }

  async run(): Promise<Received> {
    const { clock, signal, observer } = this.#context
    for (let tries = 1; ; tries++) {
      const before = this.#size
      try {
        await this.#receive()
        const extension = /\.(\w{1,8})$/.exec(this.#url.pathname)?.[1]?.toLowerCase() ?? ''
        return { size: this.#size, hash: this.#hash, claimed: { type: this.#type, extension } }
      } catch (error) {
        if (signal.aborted || !(error instanceof InterruptedTransfer)) throw error
        if (this.#size > before) tries = 0
        if (tries === TRIES) throw new PermanentError(`${error.message}, ${TRIES} times in a row`)
        const pause = Math.max(0.5 * 2 ** tries * (0.75 + 0.5 * Math.random()), Math.min(60, error.retryAfter ?? 0))
        observer.retrying(this.#context.label, error.message, pause)
        await clock.sleep(pause, signal)
      }
    }
  }

  async #receive(): Promise<void> {
    const { maxFileSize } = this.#context
    const { statusCode, headers, body } = await this.#ask()
    try {
      const header = (name: string) => headerOf(headers, name)
      if (statusCode === 416 && this.#size > 0) {
        this.#startOver()
        throw new InterruptedTransfer('the server does not have the rest of it')
      }
      if (statusCode !== 200 && statusCode !== 206) refuse(statusCode, headers)
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header('content-range') ?? '')
      if (statusCode === 200 && this.#size > 0) this.#startOver()
      if (statusCode === 206 && Number(range?.[1]) !== this.#size) {
        this.#startOver()
        throw new InterruptedTransfer('the server sent another part than was asked for')
      }
      if (header('content-encoding') !== undefined && header('content-encoding') !== 'identity') {
        throw new PermanentError(`the server packed it (${header('content-encoding')}) although it was asked not to`)
      }
      const etag = header('etag')
      this.#validator = etag !== undefined && !etag.startsWith('W/') ? etag : header('last-modified')
      this.#type = /^[\w.+-]+\/[\w.+-]+/.exec(header('content-type') ?? '')?.[0].toLowerCase() ?? ''
      const length = header('content-length')
      const total = length === undefined ? undefined : this.#size + Number(length)
      if (total !== undefined && total > maxFileSize) throw tooLarge(total, maxFileSize)
      await this.#write(body, total)
      if (total !== undefined && this.#size !== total)
        throw new InterruptedTransfer(`it broke off after ${this.#size} of ${total} bytes`)
    } finally {
      discard(body)
    }
  }

  /** Writes what comes; on a fault, what has come until then counts. */
  async #write(body: Dispatcher.ResponseData['body'], total: number | undefined): Promise<void> {
    const { maxFileSize, observer, clock, signal } = this.#context
    let gathered: Buffer[] = []
    let bytes = 0
    const flush = async () => {
      for (const chunk of gathered) this.#hash.update(chunk)
      const { bytesWritten } = bytes === 0 ? { bytesWritten: 0 } : await this.#file.writev(gathered, this.#size)
      if (bytesWritten < bytes)
        throw new PermanentError(`the disk is full (${bytesWritten} of ${bytes} bytes were written)`)
      this.#size += bytes
      this.#context.collectGarbage(bytes)
      gathered = []
      bytes = 0
    }
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        gathered.push(chunk)
        bytes += chunk.length
        if (this.#size + bytes > maxFileSize) throw tooLarge(undefined, maxFileSize)
        if (bytes < WRITE_SIZE) continue
        await flush()
        if (clock.now() - this.#lastWord < PROGRESS_PAUSE) continue
        this.#lastWord = clock.now()
        observer.progress(this.#context.label, this.#size, total)
      }
    } catch (error) {
      if (error instanceof PermanentError || signal.aborted) throw error
      await flush()
      throw new InterruptedTransfer(`it broke off after ${this.#size} bytes: ${describeFault(error)}`)
    }
    await flush()
  }

  #startOver(): void {
    this.#size = 0
    this.#hash = createHash('sha256')
  }

  /** Asks for the file, or the rest of it, and follows redirects by hand: each hop is a host that somebody else chose. */
  async #ask(): Promise<Dispatcher.ResponseData> {
    const { network, signal, stall = STALL } = this.#context
    let url = this.#url
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const dispatcher = await network.to(url)
      let answer: Dispatcher.ResponseData
      try {
        answer = await dispatcher.request({
          ...requestTarget(url),
          method: 'GET',
          headers: {
            accept: '*/*',
            'accept-encoding': 'identity',
            'user-agent': USER_AGENT,
            ...(this.#size > 0 && this.#validator !== undefined
              ? { range: `bytes=${this.#size}-`, 'if-range': this.#validator }
              : {}),
          },
          signal,
          headersTimeout: stall * 2000,
          bodyTimeout: stall * 1000,
        })
      } catch (error) {
        if (signal.aborted) throw error
        const refusal = causeOf(error, HostRefusal)
        if (refusal) throw refusal
        if (isCertificateFault(error)) throw new PermanentError(`${url.hostname}: ${describeFault(error)}`)
        throw new InterruptedTransfer(describeFault(error))
      }
      if (!REDIRECT_STATUSES.has(answer.statusCode)) return answer
      discard(answer.body)
      const location = headerOf(answer.headers, 'location')
      const next = location === undefined ? null : URL.parse(location, url.href)
      if (!next) throw new PermanentError(`it was redirected (${answer.statusCode}) to nowhere`)
      url = next
    }
    throw new PermanentError(`it was redirected more than ${REDIRECTS} times`)
  }
}

function causeOf<T>(error: unknown, type: abstract new (...args: never) => T): T | undefined {
  for (let current = error; current instanceof Error; current = current.cause)
    if (current instanceof type) return current
  return undefined
}

function refuse(status: number, headers: Dispatcher.ResponseData['headers']): never {
  if (TRANSIENT_STATUSES.has(status))
    throw new InterruptedTransfer(`the server answered ${status}`, retryAfterOf(headers))
  if (status === 403 || status === 404 || status === 410) {
    throw new PermanentError(
      `the server answered ${status}: it has probably expired, for files are deleted one hour after the prediction ended. Only a new prediction brings them back`,
    )
  }
  throw new PermanentError(`the server answered ${status}`)
}
