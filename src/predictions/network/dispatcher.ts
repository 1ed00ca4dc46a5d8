import type { Dispatcher } from 'undici'
import { errorCode } from './network-errors.ts'
import { type DispatcherSettings, OriginPool, type RequestOptions } from './origin-pool.ts'
import { type ProxyEnvironment, type ProxyServer, proxiesOf } from './proxy.ts'

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
  return new OriginPools(proxiesOf(env), settings)
}

class OriginPools implements Connections {
  readonly #proxyOf: (url: URL) => ProxyServer | undefined
  readonly #settings: DispatcherSettings
  /** The pools that take new requests, by origin. */
  readonly #current = new Map<string, OriginPool>()
  readonly #all = new Set<OriginPool>()
  #destroyed = false

  constructor(proxyOf: (url: URL) => ProxyServer | undefined, settings: DispatcherSettings) {
    this.#proxyOf = proxyOf
    this.#settings = settings
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

  #poolOf(origin: string): OriginPool {
    const known = this.#current.get(origin)
    if (known) return known
    const pool = new OriginPool(new URL(origin), this.#proxyOf(new URL(origin)), this.#settings)
    this.#current.set(origin, pool)
    this.#all.add(pool)
    return pool
  }

  /** New requests go over new connections; the pool is closed when its last request is over. */
  #retire(pool: OriginPool): void {
    if (this.#current.get(pool.origin) === pool) this.#current.delete(pool.origin)
    pool.retired = true
  }
}

const TIMEOUTS: ReadonlySet<string | undefined> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

const isTimeout = (error: unknown): boolean => TIMEOUTS.has(errorCode(error))
