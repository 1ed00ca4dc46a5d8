import { Buffer } from 'node:buffer'
import type { Clock } from '../../src/predictions/clock.ts'
import { Hosts } from '../../src/predictions/files/hosts.ts'
import type { Ending } from '../../src/predictions/files/patience.ts'
import { SizeLimits } from '../../src/predictions/files/size-limits.ts'
import { type Received, type Sink, Transfer, type TransferOptions } from '../../src/predictions/files/transfer.ts'
import type { Connections } from '../../src/predictions/network/dispatcher.ts'
import type { UntrustedNetwork } from '../../src/predictions/network/untrusted-network.ts'
import { VirtualClock } from './virtual-time.ts'

/** A request that a scripted host of files gets; `at` is in seconds since the end of the prediction. */
export interface FileRequest {
  at: number
  url: string
  range: string | undefined
  headers: Readonly<Record<string, string>>
  /** Aborted when the transfer gives the connection up. */
  silence: AbortSignal | undefined
}

/** A piece of a body, or the error that ends it. */
type Piece = string | Buffer | Error

/** What it does: an answer with pieces that come `every` so many seconds, a failure of the connection, or silence. */
export type FileReaction =
  | { status: number; headers?: Record<string, string>; pieces?: readonly Piece[]; every?: number }
  | { code: string }
  | 'hang'

class ScriptedBody {
  readonly #pieces: AsyncGenerator<Buffer>
  readonly #gone = new AbortController()

  constructor(clock: Clock, pieces: readonly Piece[], every: number, over: () => void) {
    const gone = this.#gone.signal
    gone.addEventListener('abort', over, { once: true })
    this.#pieces = (async function* () {
      for (const piece of pieces) {
        if (every > 0) await clock.sleep(every, gone)
        if (piece instanceof Error) throw piece
        yield Buffer.from(piece)
      }
      over()
    })()
  }

  [Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    return this.#pieces
  }

  on(): this {
    return this
  }

  destroy(): void {
    this.#gone.abort(Object.assign(new Error('destroyed'), { code: 'ECONNRESET' }))
  }
}

export interface Played {
  requests: FileRequest[]
  /** What became of each URL, in their order. */
  results: (Received | Error)[]
  /** Seconds until all of that was known. */
  took: number
  /** Bodies that came at the same time, at most. */
  together: number
  reasons: string[]
  /** Bodies that were neither read to their end nor given up. */
  left: number
}

/** Fetches files from a scripted host in virtual time. */
export async function playTransfers(
  urls: readonly string[],
  react: (request: FileRequest, open: number) => FileReaction,
  ending: Partial<Omit<Ending, 'seenAt'>> = {},
  sink: Partial<Sink> = {},
  more: Partial<TransferOptions> = {},
): Promise<Played> {
  const clock = new VirtualClock()
  const seenAt = clock.now()
  const played: Played = { requests: [], results: [], took: 0, together: 0, reasons: [], left: 0 }
  let open = 0
  const connections = {
    async request({ origin, path, headers, signal, silence }: Parameters<Connections['request']>[0]) {
      const request = { at: clock.now() - seenAt, url: origin + path, range: headers.range, headers, silence }
      played.requests.push(request)
      const reaction = react(request, open)
      if (reaction === 'hang') return await clock.sleep(10 ** 6, signal)
      if ('code' in reaction) throw Object.assign(new Error(reaction.code), { code: reaction.code })
      const { status, headers: given = {}, pieces = [], every = 0 } = reaction
      let counted = status < 300
      if (counted) played.together = Math.max(played.together, ++open)
      let isLeft = true
      played.left++
      const over = () => {
        if (isLeft) played.left--
        isLeft = false
        if (counted) open--
        counted = false
      }
      return { statusCode: status, headers: given, body: new ScriptedBody(clock, pieces, every, over) }
    },
    async destroy() {},
  } as unknown as Connections
  const network: UntrustedNetwork = { to: async () => connections, close: async () => {} }
  const { signal } = new AbortController()
  const limits = new SizeLimits(10 ** 9, Number.POSITIVE_INFINITY)
  const hosts = new Hosts({ clock, signal, random: () => 0.5 })
  const fetchOne = (url: string) =>
    new Transfer(
      new URL(url),
      { expect: async () => {}, write: async () => {}, rest: async () => {}, ...sink },
      {
        network,
        hosts,
        clock,
        signal,
        allowance: limits.open(),
        ending: { seenAt, age: 0, deadline: seenAt + 1800, ...absolute(ending, seenAt) },
        apiUrl: 'https://api.example.com/v1',
        collectGarbage() {},
        retrying: (reason) => played.reasons.push(reason),
        ...more,
      },
    )
      .run()
      .catch((error: Error) => error)
  played.results = await clock.run(Promise.all(urls.map(fetchOne)))
  played.took = clock.now() - seenAt
  return played
}

const absolute = (ending: Partial<Omit<Ending, 'seenAt'>>, seenAt: number) =>
  ending.deadline === undefined ? ending : { ...ending, deadline: seenAt + ending.deadline }
