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

/** What came over a scripted network so far. */
interface NetworkLog {
  requests: FileRequest[]
  /** Bodies that came at the same time, at most. */
  together: number
  /** Bodies that were neither read to their end nor given up. */
  left: number
  isClosed: boolean
}

/**
 * A network whose every host reacts as the script says.
 * @param react `open`: how many bodies are coming
 */
export function scriptedNetwork(
  clock: Clock,
  react: (request: FileRequest, open: number) => FileReaction,
): { network: UntrustedNetwork; log: NetworkLog } {
  const start = clock.now()
  const log: NetworkLog = { requests: [], together: 0, left: 0, isClosed: false }
  let open = 0
  const connections = {
    async request({ origin, path, headers, signal, silence }: Parameters<Connections['request']>[0]) {
      const request = { at: clock.now() - start, url: origin + path, range: headers.range, headers, silence }
      log.requests.push(request)
      const reaction = react(request, open)
      if (reaction === 'hang') return await clock.sleep(10 ** 6, signal)
      if ('code' in reaction) throw Object.assign(new Error(reaction.code), { code: reaction.code })
      const { status, headers: given = {}, pieces = [], every = 0 } = reaction
      let counted = status < 300
      if (counted) log.together = Math.max(log.together, ++open)
      let isLeft = true
      log.left++
      const over = () => {
        if (isLeft) log.left--
        isLeft = false
        if (counted) open--
        counted = false
      }
      return { statusCode: status, headers: given, body: new ScriptedBody(clock, pieces, every, over) }
    },
    async destroy() {},
  } as unknown as Connections
  const network = {
    to: async () => connections,
    async close() {
      log.isClosed = true
    },
  }
  return { network, log }
}

export interface Played extends NetworkLog {
  /** What became of each URL, in their order. */
  results: (Received | Error)[]
  /** Seconds until all of that was known. */
  took: number
  reasons: string[]
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
  const { network, log } = scriptedNetwork(clock, react)
  const reasons: string[] = []
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
        retrying: (reason) => reasons.push(reason),
        ...more,
      },
    )
      .run()
      .catch((error: Error) => error)
  const results = await clock.run(Promise.all(urls.map(fetchOne)))
  return { ...log, results, took: clock.now() - seenAt, reasons }
}

const absolute = (ending: Partial<Omit<Ending, 'seenAt'>>, seenAt: number) =>
  ending.deadline === undefined ? ending : { ...ending, deadline: seenAt + ending.deadline }
