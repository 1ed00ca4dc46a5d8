import { Buffer } from 'node:buffer'

/** Bytes at the start of a file that show whether it is text. */
const SAMPLE = 4096
/** Control characters that no text holds: all but tab, line feed, vertical tab, form feed, carriage return and escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BINARY = /[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]/
const MARKUP = /^\s*(?:<[!?a-z]|[{[])/i
/** Pictures and playlists that are text: netpbm, Radiance, XPM, XBM, M3U, PLS. */
const TEXT_MEDIA_STARTS = [
  String.raw`P[1-7f]\s`,
  String.raw`#\?R(?:ADIANCE|GBE)`,
  String.raw`/\* XPM`,
  String.raw`#define \w+_width`,
  '#EXTM3U',
  String.raw`\[playlist\]`,
]
const TEXT_MEDIA = new RegExp(`^(?:${TEXT_MEDIA_STARTS.join('|')})`, 'i')

/** Whether a file begins with text, in UTF-8, UTF-16 with a mark, or markup in any encoding that extends ASCII. */
export function isText(head: Buffer): boolean {
  const sample = head.subarray(0, SAMPLE)
  if (sample.length === 0) return true
  if (sample[0] === 0xff && sample[1] === 0xfe) return isUtf16(sample.subarray(2))
  if (sample[0] === 0xfe && sample[1] === 0xff) {
    const rest = sample.subarray(2, 2 + 2 * Math.floor((sample.length - 2) / 2))
    return isUtf16(Buffer.from(rest).swap16())
  }
  const ascii = sample.toString('latin1')
  if (BINARY.test(ascii)) return false
  return MARKUP.test(ascii) || isUtf8(sample)
}

function isUtf8(sample: Buffer): boolean {
  try {
    // A sample can end within a character.
    new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true })
    return true
  } catch {
    return false
  }
}

/** Samples of sound begin with the same mark, but are not mostly ASCII. */
function isUtf16(sample: Buffer): boolean {
  const text = sample.toString('utf16le')
  const printable = text.match(/[\t\r\n\x20-\x7e]/g)?.length ?? 0
  return !BINARY.test(text) && printable * 2 > text.length
}

/** Whether text is a picture or a playlist by its first characters. */
export const isTextMedia = (head: Buffer): boolean => TEXT_MEDIA.test(head.subarray(0, 64).toString('latin1'))

const COMMENT = String.raw`<!--(?:(?!-->)[\s\S]){0,2000}-->`
/** What may stand before the root element of an SVG picture: a prolog, comments, its document type. */
const PROLOG = String.raw`\uFEFF|\s|<\?[^>]*\?>|${COMMENT}|<!DOCTYPE\s+svg[^>]*>`
const SVG = new RegExp(String.raw`^(?:${PROLOG})*<svg[\s>]`, 'i')

/** Whether text is an SVG picture. */
export const isSvg = (head: Buffer): boolean => SVG.test(head.subarray(0, SAMPLE).toString('utf8'))

/** The start of a web page, after comments. */
const PAGE = new RegExp(String.raw`^(?:\uFEFF|\s|${COMMENT})*<(?:!doctype\s+html|html|head|body|title)\b`, 'i')

/** What text is that servers send in place of a file: a web page, or an object in JSON; undefined for other text. */
export function substituteIn(head: Buffer): 'page' | 'object' | undefined {
  const text = head.subarray(0, SAMPLE).toString('utf8')
  if (PAGE.test(text)) return 'page'
  return /^\uFEFF?\s*\{/.test(text) ? 'object' : undefined
}
