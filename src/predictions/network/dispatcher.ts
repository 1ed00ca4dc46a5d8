import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Dispatcher, Pool } from 'undici'
import { discard, MAX_HEADER_SIZE } from '../http.ts'
import { unlessAborted } from '../promises.ts'
import { allowedAddresses, checkUrl, type HostPolicy, publicLookup } from './addresses.ts'
import { Connector, type ConnectSettings, HTTP1 } from './connector.ts'
import { errorCode, ProxyRefusal } from './network-errors.ts'
import { offeredSchemes, type ProxyEnvironment, type ProxyServer, proxiesOf } from './proxy.ts'
import { UntilSent } from './until-sent.ts'

export type { ProxyEnvironment } from './proxy.ts'

/** Connections to one origin at once: as many as requests are made in a second. */
export const CONNECTIONS = 40
/** Origins whose connections are kept for the next request. */
const MOST_ORIGINS = 100

/** One request, as undici takes it. */
export interface RequestOptions {
  /** Scheme, host and port, such as `https://api.example.com`. */
  origin: string
  path: string
  method: Dispatcher.HttpMethod
  headers: Readonly<Record<string, string>>
  body?: string | Buffer
  /** Ends the request at once, wherever it is: in a queue, in a handshake, in its body. */
  signal?: AbortSignal
  /** Ends the request as `signal` does, but only as long as it has not been sent. */
  unsent?: AbortSignal | undefined
  /** Aborted by a caller that has waited for too long: the connection in use gets no new requests. */
  silence?: AbortSignal
  /** Milliseconds until the headers of the answer must have come, from now on; 0 or undefined for no limit. */
  headersTimeout?: number
  /** Milliseconds without a byte of the body. */
  bodyTimeout?: number
}

/** Makes requests over connections that it keeps. */
export interface Connections {
  /** @throws the reason of the signal, or what the network says */
  request(options: RequestOptions): Promise<Dispatcher.ResponseData>
  /** Closes every connection at once, whatever is under way. */
  destroy(): Promise<void>
}

export interface DispatcherSettings {
  /** Connections to one origin at once; more requests wait for one of them. */
  connections?: number
  /** How sockets are made that lead to a server directly. */
  connect?: ConnectSettings
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
    options.silence?.addEventListener('abort', retire, { once: true })
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

const isTimeout = (error: unknown) => /^UND_ERR_(?:HEADERS|BODY)_TIMEOUT$/.test(errorCode(error) ?? '')

/** The connections to one origin, made over one period: until one of its requests hangs. */
class OriginPool {
  readonly origin: string
  readonly #pool: Pool
  readonly #connector: Connector
  /** The proxy that forwards plain http; https goes through a tunnel, which is the connector's. */
  readonly #forwarder: ProxyServer | undefined
  retired = false
  #requests = 0

  constructor(url: URL, proxy: ProxyServer | undefined, { connections = CONNECTIONS, connect }: DispatcherSettings) {
    this.origin = url.origin
    this.#forwarder = url.protocol === 'http:' ? proxy : undefined
    // A connection through a proxy starts at the proxy, and `connect` applies only to the addresses of servers.
    this.#connector = this.#forwarder
      ? new Connector(undefined, { ALPNProtocols: HTTP1 }, this.#forwarder.variable)
      : new Connector(proxy, connect ?? {})
    this.#pool = new Pool(this.#forwarder?.url.origin ?? url.origin, {
      connections,
      connect: this.#connector.connect,
      maxHeaderSize: MAX_HEADER_SIZE,
      ...(this.#forwarder ? { allowH2: false } : {}),
    })
  }

  hold(): void {
    this.#requests++
  }

  /** @returns whether the pool was closed, because this was the last request of a retired one */
  release(): boolean {
    if (--this.#requests > 0 || !this.retired) return false
    this.destroy()
    return true
  }

  destroy(): void {
    this.#pool.destroy().catch(() => {})
    this.#connector.destroy()
  }

  async request({
    silence: _,
    headersTimeout = 0,
    unsent,
    ...options
  }: RequestOptions): Promise<Dispatcher.ResponseData> {
    const { signal } = options
    using limit = new Limit(headersTimeout)
    using untilSent = unsent && new UntilSent(unsent)
    const signals = [limit.signal, untilSent?.signal, signal].filter((each) => each !== undefined)
    const stop = AbortSignal.any(signals)
    const pool = untilSent ? this.#pool.compose(untilSent.watch) : this.#pool
    // undici passes the signal to a request only after the queue and the handshake.
    const answer = await unlessAborted(
      pool.request({ ...this.#forwarded(options), signal: stop, headersTimeout: 0 }),
      stop,
      ({ body }) => discard(body),
    )
    if (this.#forwarder && answer.statusCode === 407) {
      discard(answer.body)
      const schemes = offeredSchemes(answer.headers['proxy-authenticate'])
      throw new ProxyRefusal(this.#forwarder, answer.statusCode, schemes)
    }
    return answer
  }

  /** A proxy forwards plain http by its whole URL. */
  #forwarded(options: Omit<RequestOptions, 'silence' | 'headersTimeout' | 'unsent'>) {
    if (!this.#forwarder) return options
    const { authorization } = this.#forwarder
    const headers = {
      ...options.headers,
      host: new URL(options.origin).host,
      ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
    }
    return { ...options, origin: this.#forwarder.url.origin, path: options.origin + options.path, headers }
  }
}

/** A time limit on the machine's clock. undici's own limits apply only once a request is sent. */
class Limit implements Disposable {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined

  /** @param ms 0 for no limit */
  constructor(ms: number) {
    const late = () => Object.assign(new Error(`no response within ${ms} ms`), { code: 'UND_ERR_HEADERS_TIMEOUT' })
    if (ms > 0) this.#timer = setTimeout(() => this.#controller.abort(late()), ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}

/**
 * Connections to hosts that the API chose: those of files and of streams. The key is sent over them only to the API's own
 * address of a file.
 */
export interface UntrustedNetwork {
  /** The way to a URL. @throws HostRefusal if the policy forbids it, or the reason of the signal */
  to(url: URL, signal?: AbortSignal): Promise<Connections>
  close(): Promise<void>
}

export interface UntrustedNetworkOptions {
  /** To one origin at once; more requests wait for one of them. */
  connections?: number
  /** Resolves the names of what goes through a proxy. */
  resolve?: (hostname: string) => Promise<LookupAddress[]>
  /** Whether HTTP/2 is offered to the servers; true unless given. */
  http2?: boolean
}

export function openUntrustedNetwork(
  policy: HostPolicy,
  env: ProxyEnvironment,
  {
    connections = CONNECTIONS,
    resolve = (name) => lookup(name, { all: true }),
    http2 = true,
  }: UntrustedNetworkOptions = {},
): UntrustedNetwork {
  const proxyOf = proxiesOf(env)
  const connect = http2 ? {} : { ALPNProtocols: HTTP1 }
  const open = createDispatcher(env, { connect, connections })
  // What is connected to directly is checked at its socket, also if there is a proxy for other hosts.
  const guarded = createDispatcher(env, { connect: { ...connect, lookup: publicLookup(policy) }, connections })
  return {
    async to(url, signal) {
      if (checkUrl(url, policy).trusted) return open
      // A proxy resolves by itself; what resolves here to a private address is refused all the same.
      if (proxyOf(url) !== undefined && isIP(url.hostname) === 0) {
        const found = resolve(url.hostname).catch(() => [])
        // A look-up cannot be stopped, and may take longer than anyone waits for it.
        const addresses = await (signal ? unlessAborted(found, signal) : found)
        allowedAddresses(url.hostname, addresses, policy)
      }
      return guarded
    },
    async close() {
      await Promise.all([open.destroy(), guarded.destroy()])
    },
  }
}
