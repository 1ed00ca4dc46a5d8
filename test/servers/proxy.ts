/** A forward proxy on 127.0.0.1 that records what passes: CONNECT tunnels, and plain http in absolute form. */
import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import { type AddressInfo, connect } from 'node:net'

export interface Proxy extends AsyncDisposable {
  readonly url: string
  /** `CONNECT host:port` and `GET http://host/path`, in order. */
  readonly passed: string[]
}

/** @param hosts where names really lead: `gateway.test:80` → `127.0.0.1:43210` */
export async function startProxy(hosts: Readonly<Record<string, string>> = {}): Promise<Proxy> {
  const passed: string[] = []
  const real = (authority: string) => {
    const [host = '', port = ''] = (hosts[authority] ?? authority).split(':')
    return { host, port: Number(port) }
  }
  const server = createServer((request, response) => {
    passed.push(`${request.method} ${request.url}`)
    const url = new URL(request.url ?? '')
    const target = forward(
      {
        ...real(`${url.hostname}:${url.port || 80}`),
        path: url.pathname + url.search,
        method: request.method,
        headers: request.headers,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    target.on('error', () => response.writeHead(502).end())
    request.pipe(target)
  })
  server.on('connect', (request, socket, head) => {
    passed.push(`CONNECT ${request.url}`)
    const { host, port } = real(request.url ?? '')
    const upstream = connect(port, host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
