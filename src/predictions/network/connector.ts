import { isIP, type LookupFunction, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describeCertificate } from './certificate.ts'
import { ConnectFailure, type ProxyFault } from './connect-errors.ts'
import { isCertificateError } from './network-errors.ts'
import type { ProxyServer } from './proxy.ts'
import { connectTcp, handshake, type Keep, type Server } from './sockets.ts'
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
/**
 * Makes the sockets of one pool, directly or through a proxy, and knows all of them, so that also those in a handshake
 * can be closed at once.
 */
export class Connector {
  readonly #proxy: ProxyServer | undefined
  readonly #settings: ConnectSettings
  /** The environment variable of the proxy that the sockets end at, if they end at one. */
  readonly #endsAt: string | undefined
  readonly #sockets = new Set<Socket>()
  /** Of the last TLS connection, to shorten the next handshake. */
  #session: Buffer | undefined

  /**
   * @param proxy through which a tunnel leads to the servers; undefined to connect directly, also to a proxy itself
   * @param endsAt the environment variable of that proxy, to name it in errors
   */
  constructor(proxy: ProxyServer | undefined, settings: ConnectSettings, endsAt?: string) {
    this.#proxy = proxy
    this.#settings = settings
    this.#endsAt = endsAt
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

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #reach(server: Server): Promise<Socket> {
    const way: Way = { proxy: this.#endsAt === undefined ? undefined : { variable: this.#endsAt, step: 'connection' } }
    try {
      return await this.#within(CONNECT_TIMEOUT_MS, (keep) => this.#open(server, keep, way))
    } catch (error) {
      // What stands in the way to a proxy with a tunnel is no certificate of the server.
      const shows = isCertificateError(error) && (way.proxy === undefined || this.#proxy === undefined)
      throw new ConnectFailure(error, shows ? await this.#certificateOf(server) : undefined, way.proxy)
    }
  }

  async #open(server: Server, keep: Keep, way: Way, options: { rejectUnauthorized?: boolean } = {}): Promise<Socket> {
    const socket = this.#proxy
      ? await tunnelThrough(this.#proxy, server, keep, way)
      : await connectTcp(server, this.#settings.lookup, keep)
    if (!server.tls) return socket
    const { lookup: _, ...settings } = this.#settings
    const session = this.#session === undefined ? {} : { session: this.#session }
    const secure = await handshake(socket, server, keep, { ...settings, ...session, ...options })
    if (options.rejectUnauthorized !== false) secure.on('session', (ticket) => (this.#session = ticket))
    return secure
  }

  /** Only looks at the certificate: nothing is sent. */
  async #certificateOf(server: Server): Promise<string | undefined> {
    try {
      return await this.#within(LOOK_TIMEOUT_MS, async (keep) => {
        const socket = await this.#open(server, keep, {}, { rejectUnauthorized: false })
        const words = describeCertificate((socket as TLSSocket).getPeerCertificate())
        socket.destroy()
        return words
      })
    } catch {
      return undefined
    }
  }

  /** Closes every socket of an attempt that fails or takes too long. */
  async #within<T>(ms: number, attempt: (keep: Keep) => Promise<T>): Promise<T> {
    const mine: Socket[] = []
    let isOver = false
    const keep = (socket: Socket) => {
      // A look-up can end after the attempt.
      if (isOver) socket.destroy()
      mine.push(socket)
      this.#sockets.add(socket)
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooLate()), ms).unref()
    })
    try {
      return await Promise.race([attempt(keep), late])
    } catch (error) {
      isOver = true
      for (const socket of mine) socket.destroy()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

/** The only protocol that is spoken with proxies. */
export const HTTP1 = ['http/1.1']

/** How far an attempt has come: at a proxy, or past it. */
interface Way {
  proxy?: ProxyFault | undefined
}

const tooLate = () => Object.assign(new Error('no connection in time'), { code: 'UND_ERR_CONNECT_TIMEOUT' })

function serverOf(origin: { hostname: string; port: string; protocol: string }): Server {
  const tls = origin.protocol === 'https:'
  return { hostname: origin.hostname.replace(/^\[|\]$/g, ''), port: Number(origin.port || (tls ? 443 : 80)), tls }
}

async function tunnelThrough(proxy: ProxyServer, server: Server, keep: Keep, way: Way): Promise<Socket> {
  const { variable } = proxy
  const { hostname, port } = server
  const own = serverOf(proxy.url)
  way.proxy = { variable, step: 'connection' }
  let socket = await connectTcp(own, undefined, keep)
  if (own.tls) socket = await handshake(socket, own, keep, { ALPNProtocols: HTTP1 })
  way.proxy = { variable, step: 'tunnel' }
  const tunnel = await openTunnel(proxy, socket, `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`)
  way.proxy = undefined
  return tunnel
}
