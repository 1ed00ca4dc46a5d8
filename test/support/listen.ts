import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Certificate } from './certificate.ts'

export interface ListenOptions {
  /** Any free port unless given. */
  port?: number
  /** Serves https with this certificate. */
  tls?: Certificate | undefined
  /** Offers HTTP/2 beside HTTP/1.1, which needs `tls`. */
  http2?: boolean | undefined
}

export interface Listening extends AsyncDisposable {
  readonly server: Server
  readonly port: number
  /** `http://127.0.0.1:43210`, or https. */
  readonly origin: string
  close(): Promise<void>
}

/** A server on 127.0.0.1 that listens, and is closed with all its connections at the end of the block. */
export async function listen(handler: RequestListener, options: ListenOptions = {}): Promise<Listening> {
  const { port = 0, tls, http2 = false } = options
  if (http2 && !tls) throw new Error('HTTP/2 needs a certificate: clients choose it while they make a TLS connection')
  const server = create(handler, tls, http2)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const bound = (server.address() as AddressInfo).port
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return {
    server,
    port: bound,
    origin: `${tls ? 'https' : 'http'}://127.0.0.1:${bound}`,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function create(handler: RequestListener, tls: Certificate | undefined, http2: boolean): Server {
  if (!tls) return createServer(handler)
  if (!http2) return createTlsServer(tls, handler)
  // Its requests and responses have the shape of those of HTTP/1.1.
  return createSecureServer({ ...tls, allowHTTP1: true }, handler as never) as unknown as Server
}

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}
