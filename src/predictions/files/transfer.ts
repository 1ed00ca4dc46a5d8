import type { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import { contentTypeOf, discard, type Headers, headerOf } from '../http.ts'
import { describeNetworkError } from '../network/network-errors.ts'
import type { UntrustedNetwork } from '../network/untrusted-network.ts'
import { packingsOf, UnpackError, unpacked } from '../unpack.ts'
import { type Claim, extensionOf, namesOf } from './extensions.ts'
import { InterruptedTransfer, isWebPage, lengthOfPart, refusalOf } from './file-answer.ts'
import { PermanentError, WebPageError } from './file-error.ts'
import { type Responded, requestFile } from './file-request.ts'
import type { Host, Turn } from './host.ts'
import type { Hosts } from './hosts.ts'
import { Meter } from './meter.ts'
import { type Ending, givenUpAt, LEAST_PATIENCE, LONGEST_SAVING, SLOWEST, STALL } from './patience.ts'
import { Pieces } from './pieces.ts'
import type { Allowance } from './size-limits.ts'

/** Seconds after the end of the patience within which a file that waited for it has its last attempt. */
const LAST_ATTEMPT = 1

/** Where the bytes go. */
export interface Sink {
  /** Announces how many bytes are to come. @throws DiskError if there is no room for them */
  expect(bytes: number): Promise<void>
  /** Writes all of them. @throws DiskError */
  write(pieces: readonly Buffer[], position: number): Promise<void>
  /** Gives up what is held open, until the next write. */
  rest(): Promise<void>
}

/** What a transfer needs, and its observers. */
export interface TransferOptions {
  network: UntrustedNetwork
  hosts: Hosts
  clock: Clock
  signal: AbortSignal
  allowance: Allowance
  ending: Ending
  /** The base URL of the API. */
  apiUrl: string
  /** Sent to the origin of the URL, and to no other that it redirects to; most files are fetched without it. */
  authorization?: string | undefined
  /** Seconds over which the speed is measured; {@link STALL} by default. */
  stall?: number | undefined
  collectGarbage(bytes: number): void
  /** An attempt failed; the next one is made in about `pause` seconds. */
  retrying(reason: string, pause: number): void
}

/** What a file was filled with. */
export interface Received {
  size: number
  sha256: string
  claim: Claim
  /** Whether the server gave the length. */
  lengthKnown: boolean
  /** Whether it is a web page, of a link without an extension. */
  isPage: boolean
}

/** An answer with data, and what is known about it. */
interface Accepted {
  answer: Dispatcher.ResponseData
  /** Of the address that answered at last. */
  url: URL
  /** Bytes of the complete file; undefined if the server did not give them, or compressed the file. */
  total: number | undefined
  packed: boolean
}

/** The download of one URL into one file, over as many requests as it takes. */
export class Transfer {
  readonly #url: URL
  readonly #sink: Sink
  readonly #options: TransferOptions
  readonly #host: Host
  #hash = createHash('sha256')
  /** What identifies the same bytes in a later answer: a strong ETag, otherwise the date. */
  #validator: string | undefined
  /** When the first of the attempts began that brought nothing. */
  #nothingSince: number | undefined
  #failure: InterruptedTransfer | undefined
  #size = 0
  #total: number | undefined

  constructor(url: URL, sink: Sink, options: TransferOptions) {
    this.#url = url
    this.#sink = sink
    this.#options = options
    this.#host = options.hosts.of(url.origin)
  }

  /** The state: bytes written, total bytes if the server gave them, and the current problem. */
  get state(): { bytes: number; total: number | undefined; trouble: string | undefined } {
    return { bytes: this.#size, total: this.#total, trouble: this.#failure?.message }
  }

  /**
   * Fetches the file, with as much patience as there is.
   * @throws PermanentError, HostRefusal, or the reason of the signal
   */
  async run(): Promise<Received> {
    const { clock, signal } = this.#options
    for (;;) {
      const pause = await this.#attempt()
      if (typeof pause !== 'number') return pause
      await this.#sink.rest()
      await clock.sleep(pause, signal)
    }
  }

  /** @returns the file, or the seconds until the next attempt */
  async #attempt(): Promise<Received | number> {
    const { signal, clock } = this.#options
    using turn = await this.#host.take()
    const late = clock.now() - this.#overAt()
    // Who waited for the end of the patience makes the last attempt just then.
    const isLast = turn !== undefined && this.#failure !== undefined && late < LAST_ATTEMPT
    if (late >= 0 && !isLast) throw this.#givenUp()
    if (turn === undefined) return 0
    const began = clock.now()
    const before = this.#size
    try {
      const received = await this.#watched(turn)
      this.#gave()
      return received
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (!(error instanceof InterruptedTransfer)) throw error
      // A transfer that breaks off again and again has not stalled if it brings enough each time.
      if (this.#size - before >= SLOWEST * Math.max(STALL, clock.now() - began)) this.#gave()
      return this.#interrupted(error, began)
    }
  }

  #gave(): void {
    this.#nothingSince = undefined
    this.#failure = undefined
    this.#host.gave()
  }

  /** @returns the seconds until the next attempt @throws PermanentError if there is none */
  #interrupted(failure: InterruptedTransfer, began: number): number {
    const { clock, retrying } = this.#options
    this.#failure = failure
    // A host that serves others at the same time gives something: this file only waits for its turn.
    const queued = failure.overloaded && this.#host.serves
    this.#nothingSince = queued ? undefined : (this.#nothingSince ?? began)
    const wanted = this.#host.failed(failure, began)
    const until = Math.min(this.#overAt(), failure.until)
    const left = until - clock.now()
    if (left <= 0) throw this.#givenUp()
    this.#host.waitNoLongerThan(until)
    const pause = Math.min(wanted, left)
    retrying(failure.message, pause)
    return pause
  }

  /** When this file is given up if nothing comes. */
  #overAt(): number {
    const { ending, hosts } = this.#options
    const hour = ending.seenAt + LONGEST_SAVING
    const { gaveAt } = this.#host
    const since = [this.#nothingSince, this.#host.nothingSince].filter((time) => time !== undefined)
    if (since.length > 0) return Math.min(hour, givenUpAt(ending, Math.min(...since), gaveAt))
    if (gaveAt !== undefined) return hour
    // Nobody knows this host yet: it has its chance while the patience lasts, and while files come from others.
    return Math.min(hour, Math.max(givenUpAt(ending, undefined, undefined), (hosts.gaveAt ?? 0) + LEAST_PATIENCE))
  }

  #givenUp(): PermanentError {
    const { clock, ending } = this.#options
    this.#host.wake()
    const seconds = Math.round(clock.now() - ending.seenAt)
    const why = this.#failure?.message ?? this.#host.trouble ?? 'other downloads from the host took too long'
    const message = `${why}. The download was given up ${seconds} s after the step noticed the end of the prediction. If the file still exists, wait again with the same ID`
    return this.#failure?.page === true ? new WebPageError(message) : new PermanentError(message)
  }

  /** Receives the data of one request, unless it is too slow or takes too long. */
  async #watched(turn: Turn): Promise<Received> {
    const { clock, signal, ending, stall = STALL } = this.#options
    const over = new AbortController()
    /** Aborted when nothing comes, so that the connection is not used again. */
    const silence = new AbortController()
    const stop = AbortSignal.any([signal, over.signal])
    const meter = new Meter(clock, stall)
    const moves = () => {
      this.#gave()
      if (clock.now() - ending.seenAt >= LONGEST_SAVING) {
        over.abort(new PermanentError(`the download was not complete an hour after the end (${this.#size} bytes)`))
      }
    }
    meter.watch(moves, stop).then(
      (failure) => {
        if (meter.isSilent) silence.abort(failure)
        over.abort(failure)
      },
      () => {},
    )
    try {
      return await this.#receive(turn, { meter, signal: stop, silence: silence.signal })
    } catch (error) {
      if (error instanceof PermanentError || !over.signal.aborted) throw error
      throw over.signal.reason
    } finally {
      over.abort(new Error('the request has ended'))
    }
  }

  async #receive(
    turn: Turn,
    { meter, signal, silence }: { meter: Meter; signal: AbortSignal; silence: AbortSignal },
  ): Promise<Received> {
    const { network, authorization } = this.#options
    const rest = this.#size > 0 && this.#validator ? { from: this.#size, validator: this.#validator } : undefined
    const responded = await requestFile(this.#url, { network, authorization, rest, signal, silence })
    const { url } = responded
    const { headers, body } = responded.answer
    try {
      const accepted = this.#accept(responded)
      turn.accepted()
      if (accepted.total !== undefined) await this.#sink.expect(accepted.total - this.#size)
      await this.#write(accepted, meter, signal)
      const { total, packed } = accepted
      if (total !== undefined && this.#size !== total) {
        throw new InterruptedTransfer(`the transfer stopped after ${this.#size} of ${total} bytes`)
      }
      const lengthKnown = total !== undefined || packed
      return { size: this.#size, sha256: this.#hash.digest('hex'), ...this.#claim(headers, url), lengthKnown }
    } finally {
      discard(body)
    }
  }

  #claim(headers: Dispatcher.ResponseData['headers'], url: URL): { claim: Claim; isPage: boolean } {
    const names = namesOf(
      headerOf(headers, 'content-disposition'),
      url.href === this.#url.href ? [url] : [this.#url, url],
    )
    return { claim: { type: contentTypeOf(headers), names }, isPage: isWebPage(headers) && !this.#hasExtension() }
  }

  #hasExtension(): boolean {
    return namesOf(undefined, [this.#url]).some((name) => extensionOf(name) !== undefined)
  }

  /** Decides what an answer contains. @throws InterruptedTransfer or PermanentError if it is of no use */
  #accept({ answer, url, keyed }: Responded): Accepted {
    const { allowance, clock, ending, apiUrl } = this.#options
    const { statusCode: status, headers } = answer
    if (status === 416 && this.#size > 0) throw this.#startOver('the server cannot send the rest of it')
    if (status !== 200 && status !== 206) {
      const ofApi = url.origin === new URL(apiUrl).origin
      throw refusalOf(status, headers, { ending, now: clock.now(), ofApi, keyed, hasExtension: this.#hasExtension() })
    }
    const packed = isPacked(headers, this.#claim(headers, url).claim)
    if (status === 200 && this.#size > 0) this.#startOver('the server sent the entire file again')
    const part = status === 206 && !packed ? lengthOfPart(headers, this.#size) : undefined
    if (status === 206 && part === undefined) throw this.#startOver('the server sent a different range than requested')
    const length = headerOf(headers, 'content-length')
    const total = part ?? (length === undefined || packed ? undefined : Number(length))
    if (total !== undefined) allowance.expect(total)
    const validator = validatorOf(headers)
    if (this.#size > 0 && this.#isOfAnother(validator, total)) {
      throw this.#startOver('the file has changed in the meantime')
    }
    this.#validator = validator
    this.#total = total
    return { answer, url, total, packed }
  }

  /** Some servers ignore If-Range, and some leave the validator out of the answer to it. */
  #isOfAnother(validator: string | undefined, total: number | undefined): boolean {
    if (validator !== undefined && validator !== this.#validator) return true
    return total !== undefined && this.#total !== undefined && total !== this.#total
  }

  /** Writes what comes; on an error, what has come until then counts, unless it is packed. */
  async #write({ answer, packed }: Accepted, meter: Meter, signal: AbortSignal): Promise<void> {
    const pieces = new Pieces((gathered, bytes) => this.#append(gathered, bytes))
    const raw = metered(answer.body as AsyncIterable<Buffer>, meter)
    const stop = () => discard(answer.body)
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const piece of packed ? unpacked(raw, answer.headers) : raw) await pieces.add(piece)
      signal.throwIfAborted()
    } catch (error) {
      if (error instanceof PermanentError || this.#options.signal.aborted) throw error
      if (packed) throw this.#startOver(`the transfer stopped: ${wordsOf(error)}`)
      await pieces.flush()
      throw new InterruptedTransfer(`the transfer stopped after ${this.#size} bytes: ${wordsOf(error)}`)
    } finally {
      signal.removeEventListener('abort', stop)
    }
    await pieces.flush()
  }

  async #append(pieces: readonly Buffer[], bytes: number): Promise<void> {
    const { allowance, collectGarbage } = this.#options
    allowance.use(this.#size + bytes)
    await this.#sink.write(pieces, this.#size)
    // Only what was written: after an error, the same bytes come again.
    for (const piece of pieces) this.#hash.update(piece)
    this.#size += bytes
    collectGarbage(bytes)
  }

  #startOver(reason: string): InterruptedTransfer {
    this.#size = 0
    this.#hash = createHash('sha256')
    return new InterruptedTransfer(reason)
  }
}

async function* metered(body: AsyncIterable<Buffer>, meter: Meter): AsyncGenerator<Buffer> {
  for await (const piece of body) {
    meter.add(piece.length)
    yield piece
  }
}

/** Some servers declare the compression of the file itself as its encoding, as for `a.tar.gz`: it is not decompressed. */
function isPacked(headers: Dispatcher.ResponseData['headers'], { type, names }: Claim): boolean {
  const packings = packingsOf(headers)
  const isGzip = /gzip$/.test(type) || names.some((name) => /gz$/.test(extensionOf(name) ?? ''))
  return packings.length > 0 && !(isGzip && packings.length === 1 && /gzip$/.test(packings[0] ?? ''))
}

const wordsOf = (error: unknown): string => (error instanceof UnpackError ? error.message : describeNetworkError(error))

/** What If-Range takes: a strong ETag, else the date of the last change. */
function validatorOf(headers: Headers): string | undefined {
  const etag = headerOf(headers, 'etag')
  return etag !== undefined && !etag.startsWith('W/') ? etag : headerOf(headers, 'last-modified')
}
