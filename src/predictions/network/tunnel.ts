import { request } from 'node:http'
import type { Socket } from 'node:net'
import { MAX_HEADER_SIZE } from '../http.ts'
import { ProxyRefusal } from './connect-errors.ts'
import type { ProxyServer } from './proxy.ts'

/**
 * Opens a tunnel with CONNECT.
 * @param socket connected to the proxy; it becomes the tunnel, or is closed
 * @param authority host and port of the server, `example.com:443`
 * @throws ProxyRefusal, or the error of the connection to the proxy
 */
export function openTunnel(proxy: ProxyServer, socket: Socket, authority: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    request({
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        'proxy-connection': 'keep-alive',
        connection: 'keep-alive',
        ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }),
      },
      createConnection: () => socket,
      maxHeaderSize: MAX_HEADER_SIZE,
    })
      .on('error', reject)
      .on('connect', (answer, tunnel, head) => {
        const { statusCode: status = 0 } = answer
        // Every 2xx opens the tunnel (RFC 9110, section 9.3.6).
        if (Math.floor(status / 100) === 2) {
          tunnel.unshift(head)
          resolve(socket)
        } else {
          tunnel.destroy()
          reject(new ProxyRefusal(proxy, status, offeredSchemes(answer.headers['proxy-authenticate'])))
        }
      })
      .end()
  })
}

/** The kinds of authentication in `proxy-authenticate` headers: `["Negotiate", "NTLM"]`. */
export const offeredSchemes = (headers: string | readonly string[] | undefined): string[] =>
  [headers ?? []].flat().flatMap((header) => /^[a-z]{1,20}\b/i.exec(header.trim())?.[0] ?? [])
