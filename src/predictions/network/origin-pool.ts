import { type Dispatcher, Pool } from 'undici'
import { discard, MAX_HEADER_SIZE } from '../http.ts'
import { unlessAborted } from '../promises.ts'
import { ProxyRefusal } from './connect-errors.ts'
import { Connector, type ConnectSettings, HTTP1 } from './connector.ts'
import type { ProxyServer } from './proxy.ts'
import { TimeLimit } from './time-limit.ts'
import { offeredSchemes } from './tunnel.ts'
import { UntilSent } from './until-sent.ts'

/** Connections to one origin at once: as many as requests are made in a second. */
export const CONNECTIONS = 40

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

export interface DispatcherSettings {
  /** Connections to one origin at once; more requests wait for one of them. */
  connections?: number
  /** How sockets are made that lead to a server directly. */
  connect?: ConnectSettings
}

/** The connections to one origin, made over one period: until one of its requests hangs. */
export class OriginPool {
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
    using limit = new TimeLimit(headersTimeout, 'UND_ERR_HEADERS_TIMEOUT', 'response')
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
