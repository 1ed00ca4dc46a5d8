import { type Answer, readBody } from './answer.ts'
import type { Api } from './apis/api.ts'
import { type ApiRequest, NotAPredictionError } from './errors.ts'
import { isRecord } from './text.ts'

/** The largest page that is read, in bytes: a hundred predictions are some hundred kilobytes. */
export const PAGE_LIMIT = 2 * 2 ** 20
/** One page, as far as it is read: the answers about wanted predictions, and where the next page is. */
export interface ListPage {
  answers: readonly Answer[]
  /** Of the next page; undefined on the last one. */
  cursor: string | undefined
}

/**
 * Reads a page of the list of predictions. Of predictions that are not wanted only the ID is looked at: on a shared
 * account the list shows what others made.
 * @throws as {@link readBody}, and NotAPredictionError if it is no list
 */
export async function readListPage(
  request: ApiRequest,
  text: string,
  wanted: ReadonlySet<string>,
  api: Api,
): Promise<ListPage> {
  const { body } = await readBody(request, text, api)
  if (!Array.isArray(body.results)) throw new NotAPredictionError(request, 'JSON that is not a list of predictions')
  const answers = body.results.flatMap((item: unknown): Answer[] => {
    if (!isRecord(item) || typeof item.id !== 'string' || !wanted.has(item.id)) return []
    const reading = api.read(item, { id: item.id, apiUrl: '' })
    return reading.kind === 'prediction' ? [{ prediction: reading.prediction, body: item }] : []
  })
  return { answers, cursor: cursorOf(body.next) }
}

/** Only the cursor of the next page: behind a gateway its address names another host. */
function cursorOf(next: unknown): string | undefined {
  const url = typeof next === 'string' ? URL.parse(next, 'https://api.invalid') : null
  return url?.searchParams.get('cursor') || undefined
}
