/**
 * The list of an account's predictions as Replicate gives it (openapi.json of api.replicate.com, `predictions.list`):
 * newest first, 100 a page, `next` with a cursor, `created_after` inclusive, `created_before` exclusive, and items
 * without logs: replicate/replicate-python#108 shows real items on which `logs` and `version` were missing.
 */

export interface ListManner {
  /**
   * `served` unless told otherwise. Gateways do not have it: `missing` is a 404, `page` their web page with status 200,
   * `other` JSON that is no list.
   */
  answer?: 'served' | 'missing' | 'page' | 'other'
  /** Seconds by which it is behind the single predictions. */
  lag?: number
  /** Predictions that it never shows, such as those of another account. */
  hides?: (id: string) => boolean
  /** What `next` begins with: behind a gateway it would name `https://api.replicate.com/v1`. */
  nextBase?: string
}

export const PER_PAGE = 100

export interface ListPage {
  next: string | null
  previous: null
  results: Record<string, unknown>[]
}

/**
 * A page of the list. The cursor is that of Django REST's CursorPagination, which Replicate's cursors decode to:
 * base64 of `p=<created_at>`, with `o=<offset>` for items of the same moment.
 */
export function listPage(items: readonly Record<string, unknown>[], query: URLSearchParams, base: string): ListPage {
  const created = (item: Record<string, unknown>) => String(item.created_at)
  const after = query.get('created_after')
  const before = query.get('created_before')
  const wanted = items
    .filter((item) => after === null || Date.parse(created(item)) >= Date.parse(after))
    .filter((item) => before === null || Date.parse(created(item)) < Date.parse(before))
    .map((item, made) => ({ item, made }))
    .sort((a, b) => created(b.item).localeCompare(created(a.item)) || b.made - a.made)
    .map(({ item }) => item)
  const cursor = new URLSearchParams(Buffer.from(query.get('cursor') ?? '', 'base64').toString())
  const position = cursor.get('p')
  const start = position === null ? 0 : wanted.findIndex((item) => created(item) <= position)
  const from = start < 0 ? wanted.length : start + Number(cursor.get('o') ?? 0)
  const page = wanted.slice(from, from + PER_PAGE)
  return {
    next:
      from + PER_PAGE < wanted.length
        ? `${base}/predictions?${nextQuery(wanted.slice(0, from + PER_PAGE).map(created), query)}`
        : null,
    previous: null,
    results: page.map(({ logs: _, ...item }) => item),
  }
}

/** @param stamps of all items up to the end of this page */
function nextQuery(stamps: readonly string[], query: URLSearchParams): URLSearchParams {
  const position = stamps.at(-1) ?? ''
  const same = stamps.filter((each) => each === position).length
  const cursor = new URLSearchParams({ o: String(same), p: position })
  const next = new URLSearchParams({ cursor: Buffer.from(cursor.toString()).toString('base64') })
  for (const name of ['created_after', 'created_before']) {
    const value = query.get(name)
    if (value !== null) next.set(name, value)
  }
  return next
}
