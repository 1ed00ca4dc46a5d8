/**
 * An error that a retry cannot fix, because a setting is wrong: on this side, on the server, or at the proxy.
 * `not-tls`: the port does not speak TLS; `handshake`: the two sides find no way to speak TLS with each other.
 */
export type SettingError =
  | 'not-tls'
  | 'old-tls'
  | 'handshake'
  | 'client-certificate'
  | 'expired'
  | 'not-yet-valid'
  | 'wrong-host'
  | 'unknown-issuer'
  | 'bad-certificate'
  | 'proxy-password'

/** What a setting error is called, and what to do about it. */
const SETTING_ERRORS: Readonly<Record<SettingError, { words: string; advice: string }>> = {
  'not-tls': {
    words: 'the server does not speak TLS on this port',
    advice: 'Check the scheme and the port of the address: plain HTTP needs http://.',
  },
  'old-tls': {
    words: 'the server does not speak TLS 1.2 or a later version',
    advice: 'Older versions are insecure, so the server must be updated.',
  },
  handshake: {
    words: 'the server refuses the TLS handshake',
    advice:
      'It does not serve this host, requires a client certificate, which this action cannot provide, or supports no cipher of TLS 1.2 or later.',
  },
  'client-certificate': {
    words: 'the server requires a client certificate',
    advice: 'This action cannot provide one: use an address that requires only the key.',
  },
  expired: {
    words: 'the certificate has expired',
    advice: 'Renew it on the server or, if it is still valid, correct the clock of the runner.',
  },
  'not-yet-valid': {
    words: 'the certificate is not yet valid',
    advice: 'Correct the clock of the runner, or wait until the certificate is valid.',
  },
  'wrong-host': {
    words: 'the certificate is for another host',
    advice: 'Use a host name that the certificate lists.',
  },
  'unknown-issuer': {
    words: 'the certificate is not trusted',
    advice:
      'If a proxy or a private gateway signs its own certificates, set NODE_EXTRA_CA_CERTS to the path of the CA certificate (PEM), in the environment of the step, the job or the runner.',
  },
  'bad-certificate': {
    words: 'the certificate is not accepted',
    advice: 'It must be replaced on the server.',
  },
  'proxy-password': {
    words: 'the proxy requires a user name and a password',
    advice: '',
  },
}

/** Codes of OpenSSL (X509_V_ERR_… without the prefix, TLS alerts, ERR_SSL_…) and of Node. */
const SETTING_CODES: Readonly<Record<string, SettingError>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'not-tls',
  ERR_SSL_HTTP_REQUEST: 'not-tls',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'old-tls',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'old-tls',
  ERR_SSL_VERSION_TOO_LOW: 'old-tls',
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: 'handshake',
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': 'handshake',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'handshake',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'handshake',
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: 'handshake',
  ERR_SSL_DH_KEY_TOO_SMALL: 'handshake',
  ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED: 'handshake',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'client-certificate',
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': 'client-certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'client-certificate',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong-host',
  HOSTNAME_MISMATCH: 'wrong-host',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown-issuer',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-issuer',
  CERT_UNTRUSTED: 'unknown-issuer',
  CERT_CHAIN_TOO_LONG: 'bad-certificate',
  CERT_REJECTED: 'bad-certificate',
  CERT_REVOKED: 'bad-certificate',
  CERT_SIGNATURE_FAILURE: 'bad-certificate',
  INVALID_CA: 'bad-certificate',
  INVALID_PURPOSE: 'bad-certificate',
  PATH_LENGTH_EXCEEDED: 'bad-certificate',
  ERR_SSL_EE_KEY_TOO_SMALL: 'bad-certificate',
  ERR_SSL_CA_KEY_TOO_SMALL: 'bad-certificate',
  ERR_SSL_CA_MD_TOO_WEAK: 'bad-certificate',
}

/** Errors that the certificate explains. */
const OF_CERTIFICATES: ReadonlySet<SettingError | undefined> = new Set<SettingError>([
  'expired',
  'not-yet-valid',
  'wrong-host',
  'unknown-issuer',
  'bad-certificate',
])

const CODES_IN_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the server refuses connections',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'the host does not exist',
  EAI_AGAIN: 'the DNS lookup of the host failed',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network is down',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection could not be established in time',
  UND_ERR_HEADERS_TIMEOUT: 'the server did not respond in time',
  UND_ERR_BODY_TIMEOUT: 'the response stopped partway through',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the response are too long',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the response was cut off',
  HPE_INVALID_CONSTANT: 'the response is not HTTP',
}

/** What to do about errors that may resolve themselves, if the likeliest cause is an input. */
const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Check the host and the port: no server listens there, or a firewall blocks it.',
  ENOTFOUND: 'Check the spelling of the host and the DNS settings of the runner.',
}

/** Error codes that mean that the request cannot have reached the server. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
])

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

/** The first code in a chain of causes, such as `ECONNRESET`. */
export function errorCode(error: unknown): string | undefined {
  for (const each of chainOf(error)) {
    const { code } = each as NodeJS.ErrnoException
    if (typeof code === 'string') return code
  }
  return undefined
}

/** An error and its causes, the outermost first. */
function* chainOf(error: unknown): Generator<Error> {
  let current = error
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    yield current
    // Node's attempts on several addresses of one host come as one error that holds all of theirs.
    current = current instanceof AggregateError ? current.errors[0] : current.cause
  }
}

/** The first error of a class in a chain of causes. */
export function causeOf<T extends Error>(error: unknown, type: abstract new (...args: never) => T): T | undefined {
  for (const each of chainOf(error)) if (each instanceof type) return each
  return undefined
}

/** The setting that is wrong; undefined if the error may resolve itself. */
export function settingErrorOf(error: unknown): SettingError | undefined {
  if (causeOf(error, ProxyRefusal)?.status === 407) return 'proxy-password'
  return SETTING_CODES[errorCode(error) ?? '']
}

/** A certificate is not trusted, has expired or is for another host. */
export const isCertificateError = (error: unknown): boolean => OF_CERTIFICATES.has(settingErrorOf(error))

/** An error of the network or of the file system in words, with its code: one line, without a full stop. */
export function describeNetworkError(error: unknown): string {
  const refusal = causeOf(error, ProxyRefusal)
  if (refusal) return refusal.message
  const code = errorCode(error)
  const setting = settingErrorOf(error)
  const words = setting === undefined ? CODES_IN_WORDS[code ?? ''] : SETTING_ERRORS[setting].words
  return (
    atProxy(causeOf(error, ConnectFailure)?.proxy) +
    withCode(words, messageOf(error), setting === 'unknown-issuer', code)
  )
}

function atProxy(proxy: ProxyFault | undefined): string {
  if (proxy === undefined) return ''
  return `the proxy of ${proxy.variable} ${proxy.step === 'tunnel' ? 'did not open a tunnel' : 'cannot be used'}: `
}

function withCode(words: string | undefined, message: string, precise: boolean, code: string | undefined): string {
  if (words !== undefined) return `${words} (${precise ? `${message}, ` : ''}${code})`
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}

/** What to do about an error. About a certificate: what it says, then the advice. */
export function adviceForNetworkError(error: unknown): string {
  const setting = settingErrorOf(error)
  if (setting === undefined) return ADVICE[errorCode(error) ?? ''] ?? ''
  return [causeOf(error, ConnectFailure)?.certificate, SETTING_ERRORS[setting].advice].filter(Boolean).join(' ')
}

/** The innermost message. */
function messageOf(error: unknown): string {
  let inner = error
  while (inner instanceof ConnectFailure) inner = inner.cause
  inner = withoutOpenSslLines(inner)
  if (!(inner instanceof Error)) return String(inner)
  // Node's advice after the semicolon is about its own command line.
  return (inner.message.split('\n')[0] || inner.name).replace(/; if the root CA is installed locally,.*$/, '')
}

/** True if the request cannot have reached the server, so that repeating even a POST is safe. */
export function wasNeverSent(error: unknown): boolean {
  if (causeOf(error, ConnectFailure) || causeOf(error, ProxyRefusal)) return true
  const code = errorCode(error)
  return code !== undefined && NEVER_SENT.has(code)
}

const BUGS = [TypeError, ReferenceError, RangeError, SyntaxError, URIError, EvalError]

/** True for a thrown value that the network does not explain: an error of a program, ours or a library's. */
export function isBug(error: unknown): boolean {
  if (!(error instanceof Error)) return true
  return BUGS.some((type) => error instanceof type) || errorCode(error) === 'UND_ERR_INVALID_ARG'
}
