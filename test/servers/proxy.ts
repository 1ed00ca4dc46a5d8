/** A forward proxy on 127.0.0.1 that records what passes: CONNECT tunnels, and plain http in absolute form. */
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Certificate } from '../support/certificate.ts'
import { listen } from '../support/listen.ts'

export interface Proxy extends AsyncDisposable {
  /** Without user and password. */
  readonly url: string
  /** `CONNECT host:port` and `GET http://host/path`, in order. */
  readonly passed: string[]
  /** As {@link passed}, of what was refused with 407. */
  readonly refused: string[]
}

export interface ProxyOptions {
  /** `user:password`, as they stand before they are percent-encoded for a URL. Without them everything is a 407. */
  credentials?: string
  /** Speaks TLS with its clients. */
  tls?: Certificate
}

/** What squid says to a request without credentials. */
const CHALLENGE = { 'proxy-authenticate': 'Basic realm="Squid proxy-caching web server"' }

/** @param hosts where names really lead: `gateway.test:80` → `127.0.0.1:43210` */
export async function startProxy(
  hosts: Readonly<Record<string, string>> = {},
  { credentials, tls }: ProxyOptions = {},
): Promise<Proxy> {
  const passed: string[] = []
  const refused: string[] = []
  const expected = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
  const real = (authority: string) => {
    const [host = '', port = ''] = (hosts[authority] ?? authority).split(':')
    return { host, port: Number(port) }
  }
  /** Records the request. @returns whether it may pass */
  const admit = (request: IncomingMessage): boolean => {
    const may = expected === undefined || request.headers['proxy-authorization'] === expected
    const list = may ? passed : refused
    list.push(`${request.method} ${request.url}`)
    return may
  }
  const relay = (request: IncomingMessage, response: ServerResponse) => {
    if (!admit(request)) return void response.writeHead(407, CHALLENGE).end()
    const url = new URL(request.url ?? '')
    const { 'proxy-authorization': _, ...headers } = request.headers
    const path = url.pathname + url.search
    const options = { ...real(`${url.hostname}:${url.port || 80}`), path, method: request.method, headers }
    const target = forward(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    target.on('error', () => response.writeHead(502).end())
    request.pipe(target)
  }
  const listening = await listen(relay, { tls })
  listening.server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {})
    if (admit(request)) return tunnel(real(request.url ?? ''), socket, head)
    socket.end(
      `HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: ${CHALLENGE['proxy-authenticate']}\r\ncontent-length: 0\r\n\r\n`,
    )
  })
  return { url: listening.origin, passed, refused, [Symbol.asyncDispose]: listening.close }
}

function tunnel({ host, port }: { host: string; port: number }, socket: Duplex, head: Buffer): void {
  const upstream = connect(port, host, () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    upstream.write(head)
    upstream.pipe(socket)
    socket.pipe(upstream)
  })
  upstream.on('error', () => socket.destroy())
  socket.on('error', () => upstream.destroy())
  socket.on('close', () => upstream.destroy())
}
