import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici'
import { checkUrl, type HostPolicy, HostRefusal, isPublicAddress, publicLookup } from './addresses.ts'

/** Connections to one origin at once: as many as requests are made in a second. */
export const CONNECTIONS = 40
const LOOPBACK = ['localhost', '127.0.0.1', '::1']

/** The proxy settings of an environment, as the runner sets them: `http_proxy`, `https_proxy`, `no_proxy` in either case. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>

/** The environment names a proxy that cannot be used. The setting may hold a password, so the message does not. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'

  constructor(variable: string) {
    super(
      `The environment variable ${variable} does not hold the address of a proxy, such as http://proxy.example.com:3128; only http and https proxies can be used.`,
    )
  }
}

/**
 * One pool of connections, through the proxy of the environment where it names one. Loopback is never asked through a
 * proxy, which would be another machine's loopback.
 * @param settings `connections`: to one origin at once; `connect`: how sockets are made without a proxy
 * @throws ProxyError
 */
export function createDispatcher(
  env: ProxyEnvironment,
  settings: Pick<Agent.Options, 'connect' | 'connections'> = {},
): Dispatcher {
  const { httpProxy, httpsProxy, noProxy } = proxiesOf(env)
  const options = { connections: CONNECTIONS, ...settings }
  if (httpProxy === undefined && httpsProxy === undefined) return new Agent(options)
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: httpProxy ?? '',
    httpsProxy: httpsProxy ?? '',
    noProxy,
  })
}

/**
 * What the environment says about proxies; empty settings count as none, and one without a scheme is http, as with curl.
 * @throws ProxyError
 */
export function proxiesOf(env: ProxyEnvironment): {
  httpProxy: string | undefined
  httpsProxy: string | undefined
  noProxy: string
} {
  const read = (name: string) => {
    const setting = env[name] || env[name.toUpperCase()] || ''
    if (setting === '') return undefined
    const url = URL.parse(/^[a-z][a-z\d+.-]*:\/\//i.test(setting) ? setting : `http://${setting}`)
    if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href
    throw new ProxyError(name)
  }
  return {
    httpProxy: read('http_proxy'),
    httpsProxy: read('https_proxy'),
    noProxy: [env.no_proxy || env.NO_PROXY || '', ...LOOPBACK].filter(Boolean).join(','),
  }
}

/** The ways to hosts that somebody else chose: those of files and of streams. No key belongs there. */
export interface UntrustedNetwork {
  /** The way to a URL. @throws HostRefusal where the policy forbids it */
  to(url: URL): Promise<Dispatcher>
  close(): Promise<void>
}

/** @param connections to one origin at once; more requests wait for one of them */
export function openUntrustedNetwork(
  policy: HostPolicy,
  env: ProxyEnvironment,
  connections = CONNECTIONS,
): UntrustedNetwork {
  const { httpProxy, httpsProxy } = proxiesOf(env)
  const proxied = httpProxy !== undefined || httpsProxy !== undefined
  const open = createDispatcher(env, { connections })
  // A proxy stands on a private address itself and resolves names on its own.
  const guarded = proxied ? open : createDispatcher({}, { connect: { lookup: publicLookup }, connections })
  return {
    async to(url) {
      if (checkUrl(url, policy).trusted) return open
      if (proxied && isIP(url.hostname) === 0) await checkName(url.hostname)
      return guarded
    },
    async close() {
      await Promise.all([open.destroy(), guarded.destroy()])
    },
  }
}

/** Behind a proxy the name is resolved by the proxy; what resolves here to a private address is refused all the same. */
async function checkName(hostname: string): Promise<void> {
  const addresses = await lookup(hostname, { all: true }).catch(() => [])
  const blocked = addresses.find(({ address }) => !isPublicAddress(address))
  if (blocked)
    throw new HostRefusal(`its host ${hostname} resolves to ${blocked.address}, no address of the public internet`)
}
