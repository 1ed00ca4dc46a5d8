import type { Dispatcher } from 'undici'
import { errorCode } from './network-errors.ts'
import { type DispatcherSettings, OriginPool, type RequestOptions } from './origin-pool.ts'
import { type ProxyEnvironment, proxiesOf } from './proxy.ts'

/** Origins whose connections are kept for the next request. */
const MOST_ORIGINS = 100

/** Makes requests over connections that it keeps. */
export interface Connections {
  /** @throws the reason of the signal, or what the network says */
  request(options: RequestOptions): Promise<Dispatcher.ResponseData>
  /** Closes every connection at once, whatever is under way. */
  destroy(): Promise<void>
}

/**
 * Pools of connections, one for each origin, through the proxy of the environment if it names one.
 * @throws ProxyError
 */
export function createDispatcher(env: ProxyEnvironment, settings: DispatcherSettings = {}): Connections {
  const proxyOf = proxiesOf(env)
  return new OriginPools((origin) => {
    const url = new URL(origin)
    return new OriginPool(url, proxyOf(url), settings)
  })
}

type Pool = Pick<OriginPool, 'origin' | 'retired' | 'hold' | 'release' | 'request' | 'destroy'>

/** A pool for each origin, until one of its requests hangs. */
export class OriginPools implements Connections {
  readonly #open: (origin: string) => Pool
  /** The pools that take new requests, by origin. */
  readonly #current = new Map<string, Pool>()
  readonly #all = new Set<Pool>()
  #destroyed = false

  constructor(open: (origin: string) => Pool) {
    this.#open = open
  }

  async request(options: RequestOptions): Promise<Dispatcher.ResponseData> {
    options.signal?.throwIfAborted()
    if (this.#destroyed) throw new Error('the connections are closed')
    const pool = this.#poolOf(options.origin)
    const retire = () => this.#retire(pool)
    options.silence?.addEventListener('abort', retire)
    const done = () => {
      options.silence?.removeEventListener('abort', retire)
      if (this.#current.size > MOST_ORIGINS) retire()
      if (pool.release()) this.#all.delete(pool)
    }
    pool.hold()
    try {
      const answer = await pool.request(options)
      answer.body.once('error', (error) => isTimeout(error) && retire()).once('close', done)
      return answer
    } catch (error) {
      if (isTimeout(error)) retire()
      done()
      throw error
    }
  }

  async destroy(): Promise<void> {
    this.#destroyed = true
    for (const pool of this.#all) pool.destroy()
    this.#all.clear()
    this.#current.clear()
  }

  #poolOf(origin: string): Pool {
    const known = this.#current.get(origin)
    if (known) return known
    const pool = this.#open(origin)
    this.#current.set(origin, pool)
    this.#all.add(pool)
    return pool
  }

  /** New requests go over new connections; the pool is closed when its last request is over. */
  #retire(pool: Pool): void {
    if (this.#current.get(pool.origin) === pool) this.#current.delete(pool.origin)
    pool.retired = true
  }
}

const TIMEOUTS: ReadonlySet<string | undefined> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

const isTimeout = (error: unknown): boolean => TIMEOUTS.has(errorCode(error))
