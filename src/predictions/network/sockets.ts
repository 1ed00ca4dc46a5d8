import { lookup as systemLookup } from 'node:dns'
import { connect as connectSocket, isIP, type LookupFunction, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { unlessAborted } from '../promises.ts'
import { firstConnected, interleaved } from './happy-eyeballs.ts'

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
      resolve(interleaved([found].flat().map((each) => (typeof each === 'string' ? each : each.address))))
    })
  })
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
