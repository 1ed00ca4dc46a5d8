import { isUtf8 } from 'node:buffer'

/** Bytes of a page in which it may name its own encoding (HTML standard). */
const HEAD = 1024
const CHARSET = /charset\s*=\s*["']?([\w-]{2,20})/i

/**
 * The text of a body. JSON is UTF-8, whatever its headers say; what is not, such as the page of an old server, is in
 * the encoding that its byte order mark, its headers or its head name.
 */
export function decoded(bytes: Buffer, contentType = ''): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  const head = bytes.subarray(0, HEAD).toString('latin1')
  const named = /^\s*[[{]/.test(head) ? undefined : (CHARSET.exec(contentType) ?? CHARSET.exec(head))?.[1]
  try {
    return new TextDecoder(markedEncoding(bytes) ?? named).decode(bytes)
  } catch {
    // Nobody knows an encoding of that name.
    return bytes.toString('utf8')
  }
}

function markedEncoding(bytes: Buffer): string | undefined {
  const mark = bytes.subarray(0, 2).toString('hex')
  if (mark === 'fffe') return 'utf-16le'
  return mark === 'feff' ? 'utf-16be' : undefined
}
