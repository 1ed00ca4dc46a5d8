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
  const base64 = data
    .replace(/\s|%0a|%0d|%20/gi, '')
    .replace(/%2b/gi, '+')
    .replace(/%2f/gi, '/')
    .replace(/%3d/gi, '=')
  if (base64 === '' || /[^\w+/=-]/.test(base64)) throw new PermanentError('its data: URI holds no base64')
  return { bytes: Buffer.from(base64, 'base64'), type: type === 'image/jpg' ? 'image/jpeg' : type }
}

/** The bytes of a percent-encoded text; a percent sign that encodes nothing stands for itself (URL Standard, percent-decode). */
function percentDecoded(text: string): Buffer {
  const parts = text.split(/((?:%[0-9a-f]{2})+)/i)
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 1 ? Buffer.from(part.replaceAll('%', ''), 'hex') : Buffer.from(part))),
  )
}
