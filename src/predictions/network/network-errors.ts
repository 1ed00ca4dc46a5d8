/** The first code in a chain of causes, such as `ECONNRESET`. */
export function errorCode(error: unknown): string | undefined {
  let current = error
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    const { code } = current as NodeJS.ErrnoException
    if (typeof code === 'string') return code
    // Node's attempts on several addresses of one host come as one error that holds all of theirs.
    current = current instanceof AggregateError ? current.errors[0] : current.cause
  }
  return undefined
}

/** A certificate is not trusted, has expired or is for another host: no other try will mend that. */
export function isCertificateFault(error: unknown): boolean {
  const code = errorCode(error) ?? ''
  return /CERT|ISSUER|LEAF_SIGNATURE|ALTNAME|SELF_SIGNED|CRL/.test(code) && !code.startsWith('UND_')
}

const CODES_IN_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the server refuses connections',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host could not be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection could not be made in time',
  UND_ERR_HEADERS_TIMEOUT: 'the server did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped half-way',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was cut off',
}

/** A fault of the network or of the file system in words, with its code. */
export const describeFault = (error: unknown): string => describe(error, errorCode(error))

function describe(cause: unknown, code: string | undefined): string {
  const words = code === undefined ? undefined : CODES_IN_WORDS[code]
  if (words !== undefined) return `${words} (${code})`
  const message = cause instanceof Error ? cause.message || cause.name : String(cause)
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}

/** Errors with which a request cannot have reached the server, so that repeating even a POST is safe. */
const NEVER_SENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

/** True if the request cannot have reached the server. */
export function wasNeverSent(error: unknown): boolean {
  const code = errorCode(error)
  return code !== undefined && NEVER_SENT.has(code)
}
