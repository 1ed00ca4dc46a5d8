import { Buffer } from 'node:buffer'
import { request } from 'node:http'
import { BlockList, isIP, type Socket } from 'node:net'
import { MAX_HEADER_SIZE } from '../http.ts'
import { ProxyRefusal } from './network-errors.ts'

/** The proxy settings of an environment, as the runner sets them: `http_proxy`, `https_proxy`, `no_proxy` in either case. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>

/** A proxy that the environment names. */
export interface ProxyServer {
  url: URL
  /** The environment variable that names it, as it is written there. */
  variable: string
  hasUserName: boolean
  /** The value of `proxy-authorization`; undefined without a user name. */
  authorization: string | undefined
}

/** The environment names a proxy that cannot be used. The setting may hold a password, so the message does not. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'

  constructor(variable: string) {
    super(
      `The environment variable ${variable} does not contain the address of a proxy, such as http://proxy.example.com:3128; only http and https proxies are supported.`,
    )
  }
}

/** Loopback is never reached through a proxy, which would be another machine's loopback. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1']

/**
 * Decides for a URL which proxy it goes through; undefined for none. As with curl and the runner, `http_proxy` is for
 * http only and `https_proxy` for https only; empty settings count as none, and one without a scheme is http.
 * @throws ProxyError
 */
export function proxiesOf(env: ProxyEnvironment): (url: URL) => ProxyServer | undefined {
  const http = readProxy(env, 'http_proxy')
  const https = readProxy(env, 'https_proxy')
  // Most steps have no proxy: reading addresses for nothing costs them milliseconds.
  if (!http && !https) return () => undefined
  const exempt = exemptions([env.no_proxy || env.NO_PROXY || '', ...LOOPBACK].join(','))
  return (url) => {
    const proxy = url.protocol === 'https:' ? https : http
    return proxy === undefined || exempt(url) ? undefined : proxy
  }
}

function readProxy(env: ProxyEnvironment, name: string): ProxyServer | undefined {
  const variable = env[name] ? name : name.toUpperCase()
  const setting = env[variable] ?? ''
  if (setting === '') return undefined
  const url = URL.parse(/^[a-z][a-z\d+.-]*:\/\//i.test(setting) ? setting : `http://${setting}`)
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw new ProxyError(variable)
  const hasUserName = url.username !== ''
  const credentials = [url.username, url.password].map(percentDecoded).join(':')
  const authorization = hasUserName ? `Basic ${Buffer.from(credentials).toString('base64')}` : undefined
  return { url, variable, hasUserName, authorization }
}

/** A password with a bare percent sign is used unchanged. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** One entry of `no_proxy`. A port of 0 stands for all. */
interface Exemption {
  port: number
  covers(host: string): boolean
}

/**
 * Reads `no_proxy`: hosts with their sub-domains (`example.com`, `.example.com`), sub-domains only (`*.example.com`),
 * `*`, addresses and networks of IPv4 and IPv6 (`10.0.0.0/8`, `fd00::/8`), each with a port or without.
 * Networks cover the addresses that URLs hold; names are not looked up for them.
 */
function exemptions(noProxy: string): (url: URL) => boolean {
  const entries = noProxy
    .split(/[,\s]/)
    .filter(Boolean)
    .map((entry) => readExemption(entry.toLowerCase()))
  return (url) => {
    const host = url.hostname
      .toLowerCase()
      .replace(/^\[|\]$/g, '')
      .replace(/\.$/, '')
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    return entries.some((entry) => (entry.port === 0 || entry.port === port) && entry.covers(host))
  }
}

function readExemption(entry: string): Exemption {
  // `[::1]:443` and `host:443`; a bare IPv6 address has more than one colon.
  const withPort = /^(?:\[(?<address>.+)\]|(?<name>[^:]+))(?::(?<port>\d+))?$/.exec(entry)?.groups
  const name = withPort?.address ?? withPort?.name ?? entry
  const port = Number(withPort?.port ?? 0)
  const network = networkOf(name)
  if (network) {
    return { port, covers: (host) => isIP(host) !== 0 && network.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4') }
  }
  if (name === '*') return { port, covers: () => true }
  const domain = name.replace(/^\*?\./, '').replace(/\.$/, '')
  const apex = !name.startsWith('*')
  return { port, covers: (host) => (apex && host === domain) || host.endsWith(`.${domain}`) }
}

/** The network that `10.0.0.0/8` or a single address stands for; undefined for anything else. */
function networkOf(text: string): BlockList | undefined {
  const [, address = '', prefix] = /^([\d.a-f:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  const bits = prefix === undefined ? undefined : Number(prefix)
  if (family === 0 || (bits !== undefined && bits > (family === 6 ? 128 : 32))) return undefined
  const list = new BlockList()
  const type = family === 6 ? 'ipv6' : 'ipv4'
  if (bits === undefined) list.addAddress(address, type)
  else list.addSubnet(address, bits, type)
  return list
}

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
        if (status >= 200 && status < 300) {
          if (head.length > 0) tunnel.unshift(head)
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
