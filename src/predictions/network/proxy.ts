import { Buffer } from 'node:buffer'
import { exemptions } from './no-proxy.ts'

/**
 * The proxy settings of an environment, as the runner sets them: `http_proxy`, `https_proxy`, `no_proxy` in either case.
 * `@actions/*` read the same ones by themselves.
 */
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
