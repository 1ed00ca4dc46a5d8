import { isIP, type LookupFunction, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { unlessAborted } from '../promises.ts'
import { describeCertificate } from './certificate.ts'
import { ConnectFailure, type ProxyFault } from './connect-errors.ts'
import { isCertificateError } from './network-errors.ts'
import type { ProxyServer } from './proxy.ts'
import { type Attempt, connectTcp, handshake, type Server } from './sockets.ts'
import { TimeLimit } from './time-limit.ts'
import { openTunnel } from './tunnel.ts'

/** How sockets are made. */
export interface ConnectSettings {
  /** Resolves the names of servers that are connected to directly; the system's resolver unless given. */
  lookup?: LookupFunction
  /** Certificates to trust in place of the usual ones, as PEM. */
  ca?: string
  /** The protocols that are offered in the TLS handshake, in the order of preference; HTTP/1.1 and 2 unless given. */
  ALPNProtocols?: string[]
}

/** Milliseconds for a connection, its tunnel and its TLS handshake together. */
const CONNECT_TIMEOUT_MS = 10_000
/** Milliseconds for a look at a certificate that was not accepted. */
const LOOK_TIMEOUT_MS = 5000

/** The only protocol that is spoken with proxies. */
export const HTTP1 = ['http/1.1']

/**
 * Makes the sockets of one pool, directly or through a proxy, and knows all of them, so that also those in a handshake
 * can be closed at once.
 */
export class Connector {
  readonly #proxy: ProxyServer | undefined
  readonly #lookup: LookupFunction | undefined
  readonly #tls: Omit<ConnectSettings, 'lookup'>
  /** What every failure is blamed on, if the sockets end at a proxy. */
  readonly #fault: ProxyFault | undefined
  readonly #sockets = new Set<Socket>()
  readonly #destroyed = new AbortController()
  /** Of the last TLS connection, to shorten the next handshake. */
  #session: Buffer | undefined

  /**
   * @param proxy through which a tunnel leads to the servers; undefined to connect directly, also to a proxy itself
   * @param endsAt the environment variable of that proxy, to name it in errors
   */
  constructor(proxy: ProxyServer | undefined, { lookup, ...tls }: ConnectSettings, endsAt?: string) {
    this.#proxy = proxy
    this.#lookup = lookup
    this.#tls = tls
    this.#fault = endsAt === undefined ? undefined : { variable: endsAt, step: 'connection' }
  }

  /** As undici calls it. Every error comes as a ConnectFailure. */
  readonly connect = (
    origin: { hostname: string; port: string; protocol: string },
    callback: (...result: [null, Socket] | [Error, null]) => void,
  ): void => {
    this.#reach(serverOf(origin)).then(
      (socket) => callback(null, socket),
      (error) => callback(error, null),
    )
  }

  /** Closes every socket, and ends what makes more of them. */
  destroy(): void {
    this.#destroyed.abort(new Error('the connections are closed'))
    destroyAll(this.#sockets)
  }

  async #reach(server: Server): Promise<Socket> {
    try {
      return await this.#within(CONNECT_TIMEOUT_MS, async (attempt) => {
        const socket = await this.#plain(server, attempt)
        return server.tls ? await this.#secure(socket, server, attempt) : socket
      })
    } catch (error) {
      // A failure at a proxy says nothing about the certificate of the server.
      if (error instanceof ConnectFailure) throw error
      const certificate = isCertificateError(error) ? await this.#certificateOf(server) : undefined
      throw new ConnectFailure(error, certificate, this.#fault)
    }
  }

  /** A connection to a server without TLS of its own. */
  #plain(server: Server, attempt: Attempt): Promise<Socket> {
    return this.#proxy ? tunnelThrough(this.#proxy, server, attempt) : connectTcp(server, this.#lookup, attempt)
  }

  async #secure(socket: Socket, server: Server, attempt: Attempt): Promise<TLSSocket> {
    const secure = await handshake(socket, server, attempt, { ...this.#tls, session: this.#session })
    return secure.on('session', (session) => {
      this.#session = session
    })
  }

  /** Only looks at the certificate: nothing is sent. */
  async #certificateOf(server: Server): Promise<string | undefined> {
    try {
      return await this.#within(LOOK_TIMEOUT_MS, async (attempt) => {
        const socket = await this.#plain(server, attempt)
        const secure = await handshake(socket, server, attempt, { ...this.#tls, rejectUnauthorized: false })
        const words = describeCertificate(secure.getPeerCertificate())
        secure.destroy()
        return words
      })
    } catch {
      return undefined
    }
  }

  /** Closes every socket of an attempt that fails or takes too long. */
  async #within<T>(ms: number, act: (attempt: Attempt) => Promise<T>): Promise<T> {
    using limit = new TimeLimit(ms, 'UND_ERR_CONNECT_TIMEOUT', 'connection')
    const signal = AbortSignal.any([limit.signal, this.#destroyed.signal])
    const sockets: Socket[] = []
    let failed = false
    const keep = (socket: Socket) => {
      // A look-up can end after the attempt.
      if (failed) socket.destroy()
      sockets.push(socket)
      this.#sockets.add(socket)
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
    }
    try {
      return await act({ keep, signal })
    } catch (error) {
      failed = true
      destroyAll(sockets)
      throw error
    }
  }
}

/** The newest first: Node crashes if the socket under a TLS socket is destroyed in a callback of the TLS socket. */
function destroyAll(sockets: Iterable<Socket>): void {
  for (const socket of [...sockets].reverse()) socket.destroy()
}

function serverOf(origin: { hostname: string; port: string; protocol: string }): Server {
  const tls = origin.protocol === 'https:'
  return { hostname: origin.hostname.replace(/^\[|\]$/g, ''), port: Number(origin.port || (tls ? 443 : 80)), tls }
}

async function tunnelThrough(proxy: ProxyServer, { hostname, port }: Server, attempt: Attempt): Promise<Socket> {
  const { variable } = proxy
  const host = isIP(hostname) === 6 ? `[${hostname}]` : hostname
  const socket = await orFaultOf({ variable, step: 'connection' }, connectToProxy(serverOf(proxy.url), attempt))
  const tunnel = unlessAborted(openTunnel(proxy, socket, `${host}:${port}`), attempt.signal)
  return await orFaultOf({ variable, step: 'tunnel' }, tunnel)
}

async function connectToProxy(proxy: Server, attempt: Attempt): Promise<Socket> {
  const socket = await connectTcp(proxy, undefined, attempt)
  return proxy.tls ? await handshake(socket, proxy, attempt, { ALPNProtocols: HTTP1 }) : socket
}

/** What fails on the way is the fault of a proxy. */
async function orFaultOf<T>(fault: ProxyFault, connection: Promise<T>): Promise<T> {
  try {
    return await connection
  } catch (error) {
    throw new ConnectFailure(error, undefined, fault)
  }
}
