import { lookup as systemLookup } from 'node:dns'
import { connect as connectSocket, isIP, type LookupFunction, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { unlessAborted } from '../promises.ts'

/** Milliseconds after which the next address of a host is tried beside the first (RFC 8305). */
const NEXT_ADDRESS_MS = 250

/** Where a connection leads. */
export interface Server {
  hostname: string
  port: number
  tls: boolean
}

/** One attempt at a connection, over one or more sockets. */
export interface Attempt {
  /** Notes a socket as soon as it is made, so that it is closed if the attempt fails. */
  keep(socket: Socket): void
  /** Ends the attempt. */
  signal: AbortSignal
}

/** Connects to one of the addresses of a server. @throws the reason of the signal, or what the network says */
export function connectTcp(
  { hostname, port }: Server,
  lookup: LookupFunction = systemLookup,
  { keep, signal }: Attempt,
): Promise<Socket> {
  const connect = (address: string) => {
    const socket = connectSocket({ host: address, port, noDelay: true, keepAlive: true })
    keep(socket)
    return socket
  }
  const connected = addressesOf(hostname, lookup).then((addresses) => firstConnected(addresses, connect))
  return unlessAborted(connected, signal)
}

async function addressesOf(hostname: string, lookup: LookupFunction): Promise<string[]> {
  if (isIP(hostname) !== 0) return [hostname]
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, found) => {
      if (error) return reject(error)
      resolve(inTurn([found].flat().map((each) => (typeof each === 'string' ? each : each.address))))
    })
  })
}

/** IPv4 and IPv6 in turn, so that a network that lacks one of them costs one try. */
function inTurn(addresses: readonly string[]): string[] {
  const first = isIP(addresses[0] ?? '')
  const [same, other] = [addresses.filter((a) => isIP(a) === first), addresses.filter((a) => isIP(a) !== first)]
  return same.flatMap((address, i) => [address, ...other.slice(i, i + 1)]).concat(other.slice(same.length))
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

/** Speaks TLS over a socket. @throws the reason of the signal, or why no secure connection was made */
export function handshake(
  socket: Socket,
  { hostname }: Server,
  { keep, signal }: Attempt,
  options: Pick<ConnectionOptions, 'ca' | 'session' | 'rejectUnauthorized' | 'ALPNProtocols'>,
): Promise<TLSSocket> {
  const secure = connectTls({
    ALPNProtocols: ['http/1.1', 'h2'],
    ...options,
    socket,
    host: hostname,
    // An address is no name of a server (RFC 6066), but what the certificate must be for.
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
  })
  keep(secure)
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const closed = () => reject(Object.assign(new Error('closed in the TLS handshake'), { code: 'ECONNRESET' }))
  secure
    .once('secureConnect', () => resolve(secure))
    .once('error', reject)
    .once('close', closed)
  return unlessAborted(promise, signal)
}
