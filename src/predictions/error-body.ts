import { clip, isRecord } from './text.ts'

/** Characters of a message that are kept: it goes into an annotation. */
const LONGEST_MESSAGE = 1000
const shorten = (text: string) => clip(text, LONGEST_MESSAGE)

/**
 * The message inside an error body, tried in the order in which the gateways seen so far put it.
 * Text of a page is shortened to its title; everything is bounded, because it goes into an annotation.
 */
export function errorBodyMessage(body: unknown, text: string): string {
  const found = firstText(body)
  if (found !== undefined) return shorten(found)
  const plain = text.trim()
  if (/^<(?:!doctype|html|\?xml|head|body)/i.test(plain)) {
    const title = /<title[^>]{0,200}>([^<]{1,200})/i.exec(plain.slice(0, 20_000))?.[1]?.trim()
    return title ? `a web page titled "${title}"` : 'a web page'
  }
  return body === undefined || typeof body === 'string' ? shorten(plain) : shorten(JSON.stringify(body))
}

function firstText(body: unknown): string | undefined {
  if (!isRecord(body)) return undefined
  const error = isRecord(body.error) ? body.error : {}
  const candidates = [
    body.detail,
    body.error,
    error.message,
    error.detail,
    body.message,
    body.msg,
    body.description,
    body.title,
    body.error_msg,
    body.status_message,
  ]
  for (const candidate of candidates) {
    if (typeof candidate === 'string' && candidate.trim() !== '') return candidate.trim()
    if (Array.isArray(candidate) && candidate.length > 0) return candidate.slice(0, 20).map(listedFault).join('; ')
  }
  return undefined
}

/** One entry of FastAPI's `detail` list: `{loc: ["body", "input", "steps"], msg: "…"}`. */
function listedFault(entry: unknown): string {
  if (!isRecord(entry) || typeof entry.msg !== 'string') return JSON.stringify(entry)
  return Array.isArray(entry.loc) ? `${entry.loc.slice(0, 10).join('.')}: ${entry.msg}` : entry.msg
}

export function invalidFields(body: unknown): { field: string; description: string }[] {
  if (!isRecord(body) || !Array.isArray(body.invalid_fields)) return []
  return body.invalid_fields.slice(0, 50).flatMap((entry: unknown) => {
    if (!isRecord(entry) || typeof entry.field !== 'string') return []
    return [
      { field: entry.field, description: typeof entry.description === 'string' ? entry.description : 'is not valid' },
    ]
  })
}

export function errorBodyCode(body: unknown): string | undefined {
  if (!isRecord(body)) return undefined
  const code = (isRecord(body.error) ? body.error.code : undefined) ?? body.code ?? body.status_code
  return (typeof code === 'string' && code !== '') || typeof code === 'number' ? String(code).slice(0, 100) : undefined
}

/** A body as JSON; undefined if it is none. */
export function parseErrorBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
