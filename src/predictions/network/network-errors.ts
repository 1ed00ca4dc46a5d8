import { ConnectFailure, type ProxyFault, ProxyRefusal, withoutOpenSslLines } from './connect-errors.ts'
import { OF_CERTIFICATES, SETTING_CODES, SETTING_ERRORS, type SettingError } from './setting-errors.ts'

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
