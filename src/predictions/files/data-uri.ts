import { Buffer } from 'node:buffer'
import { PermanentError } from './file-error.ts'

/** Decodes a `data:` URI (RFC 2397), base64 or percent-encoded. @throws PermanentError if it cannot be decoded */
export function decodeDataUri(uri: string): { bytes: Buffer; type: string } {
  const comma = uri.indexOf(',')
  const [type = '', ...parameters] = uri
    .slice('data:'.length, comma)
    .split(';')
    .map((part) => part.trim().toLowerCase())
  const data = uri.slice(comma + 1)
  if (!parameters.includes('base64')) return { bytes: percentDecoded(data), type: type || 'text/plain' }
  const base64 = NOT_BASE64.test(data) ? percentDecoded(data).toString('latin1').replace(/\s/g, '') : data
  if (base64 === '' || NOT_BASE64.test(base64)) throw new PermanentError('its data: URI is not valid base64')
  return { bytes: Buffer.from(base64, 'base64'), type: type === 'image/jpg' ? 'image/jpeg' : type }
}

const NOT_BASE64 = /[^\w+/=-]/
const PERCENT = 0x25

/**
 * The bytes of a percent-encoded text; a percent sign that encodes nothing stands for itself (URL Standard,
 * percent-decode). Works in the text's own bytes: a URI may be as large as a whole answer.
 */
function percentDecoded(text: string): Buffer {
  const bytes = Buffer.from(text)
  let to = bytes.indexOf(PERCENT)
  if (to < 0) return bytes
  for (let from = to; from < bytes.length; from++) {
    const [high, low] = bytes[from] === PERCENT ? [hexDigit(bytes[from + 1]), hexDigit(bytes[from + 2])] : [-1, -1]
    if (high >= 0 && low >= 0) {
      bytes[to++] = high * 16 + low
      from += 2
    } else bytes[to++] = bytes[from] ?? 0
  }
  return bytes.subarray(0, to)
}

/** The value of the ASCII code of a hexadecimal digit; -1 for anything else. */
function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1
}
