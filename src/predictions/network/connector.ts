import { lookup as systemLookup } from 'node:dns'
import { connect as connectSocket, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describeCertificate } from './certificate.ts'
import { ConnectFailure, isCertificateError, type ProxyFault } from './network-errors.ts'
import { openTunnel, type ProxyServer } from './proxy.ts'

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
/** Milliseconds after which the next address of a host is tried beside the first (RFC 8305). */
const NEXT_ADDRESS_MS = 250

interface Server {
  hostname: string
  port: number
  tls: boolean
}

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

type Keep = (socket: Socket) => void

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

async function connectTcp(
  { hostname, port }: Server,
  lookup: LookupFunction = systemLookup,
  keep: Keep,
): Promise<Socket> {
  const addresses = isIP(hostname) === 0 ? await addressesOf(hostname, lookup) : [hostname]
  return firstConnected(addresses, (address) => {
    const socket = connectSocket({ host: address, port, noDelay: true, keepAlive: true })
    keep(socket)
    return socket
  })
}

/** The addresses of a name, IPv4 and IPv6 in turn, so that a network that lacks one of them costs one try. */
function addressesOf(hostname: string, lookup: LookupFunction): Promise<string[]> {
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, found) => {
      if (error) return reject(error)
      const addresses = [found].flat().map((each) => (typeof each === 'string' ? each : each.address))
      const first = isIP(addresses[0] ?? '')
      const [same, other] = [addresses.filter((a) => isIP(a) === first), addresses.filter((a) => isIP(a) !== first)]
      resolve(same.flatMap((address, i) => [address, ...other.slice(i, i + 1)]).concat(other.slice(same.length)))
    })
  })
}

/** Tries addresses one after the other, the next beside the last one if that takes long; the first connection counts. */
function firstConnected(addresses: readonly string[], connect: (address: string) => Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const sockets = new Set<Socket>()
    const errors: Error[] = []
    const queue = addresses.values()
    let timer: NodeJS.Timeout | undefined
    const next = () => {
      clearTimeout(timer)
      const { value: address, done } = queue.next()
      if (done) {
        if (sockets.size === 0) reject(mostInformative(errors))
        return
      }
      const socket = connect(address)
      sockets.add(socket)
      timer = setTimeout(next, NEXT_ADDRESS_MS).unref()
      const failed = (error: Error) => {
        if (!sockets.delete(socket)) return
        errors.push(error)
        next()
      }
      socket.once('error', failed).once('close', () => failed(new Error('the connection was closed')))
      socket.once('connect', () => {
        clearTimeout(timer)
        sockets.delete(socket)
        const losers = [...sockets]
        // What they report now is no failure.
        sockets.clear()
        for (const loser of losers) loser.destroy()
        resolve(socket)
      })
    }
    next()
  })
}

/** That an address has no route says less than what another one of the same host answered. */
function mostInformative(errors: readonly Error[]): Error {
  const noRoute = /^(?:ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL)$/
  return (
    errors.find((error) => !noRoute.test((error as NodeJS.ErrnoException).code ?? '')) ??
    errors[0] ??
    Object.assign(new Error('the host name has no address'), { code: 'ENOTFOUND' })
  )
}

function handshake(
  socket: Socket,
  { hostname }: Server,
  keep: Keep,
  options: { ca?: string; session?: Buffer; rejectUnauthorized?: boolean; ALPNProtocols?: string[] },
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({
      ALPNProtocols: ['http/1.1', 'h2'],
      ...options,
      socket,
      host: hostname,
      // An address is no name of a server (RFC 6066), but what the certificate must be for.
      ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    })
    keep(secure)
    secure
      .once('secureConnect', () => resolve(secure))
      .once('error', reject)
      .once('close', () => reject(Object.assign(new Error('closed in the TLS handshake'), { code: 'ECONNRESET' })))
  })
}
