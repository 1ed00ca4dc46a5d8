/** How far the way through a proxy was when it ended: to the proxy itself, or at it, before it opened a tunnel. */
export interface ProxyFault {
  /** The environment variable that names the proxy. */
  variable: string
  step: 'connection' | 'tunnel'
}

/** No connection was made, to the server or through the proxy: nothing was sent. The cause says why. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure'
  /** What is known about a certificate that was not accepted, as a sentence. */
  readonly certificate: string | undefined
  /** Undefined if the server could not be reached, not the proxy. */
  readonly proxy: ProxyFault | undefined

  constructor(cause: unknown, certificate?: string, proxy?: ProxyFault) {
    super('no connection was established', { cause: withoutOpenSslLines(cause) })
    this.certificate = certificate
    this.proxy = proxy
  }
}

/** The proxy of an environment variable answered, but did not pass the request on. The message never holds its address. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal'
  readonly status: number

  /**
   * @param proxy `variable`: the environment variable that names it; `hasUserName`: whether it holds a user name
   * @param schemes the kinds of authentication that a 407 offers, such as `Basic`; empty if it names none
   */
  constructor(proxy: { variable: string; hasUserName: boolean }, status: number, schemes: readonly string[] = []) {
    super(status === 407 ? passwordWanted(proxy, schemes) : `the proxy of ${proxy.variable} returned ${status}`)
    this.status = status
  }
}

function passwordWanted(
  { variable, hasUserName }: { variable: string; hasUserName: boolean },
  schemes: readonly string[],
) {
  if (schemes.length > 0 && !schemes.some((scheme) => scheme.toLowerCase() === 'basic')) {
    return `the proxy of ${variable} requires ${schemes.join(' or ')} authentication (407), but this action supports only a user name and a password (Basic)`
  }
  return hasUserName
    ? `the proxy of ${variable} rejects the user name and password in it (407): correct them in the environment variable ${variable}, with special characters percent-encoded`
    : `the proxy requires a user name and a password (407), but the environment variable ${variable} has none: add them, as in http://USER:PASSWORD@proxy.example.com:3128`
}

/** An error of OpenSSL has its own file names and numbers as its message: of those only the reason is kept. */
export function withoutOpenSslLines(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.includes(':error:')) return error
  const { reason, code } = error as { reason?: unknown; code?: unknown }
  return Object.assign(new Error(typeof reason === 'string' ? reason : 'TLS failed'), { code })
}
