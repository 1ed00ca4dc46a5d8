import type { Answer } from './answer.ts'
import { ApiError, NotAPredictionError, TooLargeError } from './errors.ts'
import type { ListPage } from './list-page.ts'
import { isTerminal, statusOf } from './prediction.ts'

/** From this many open predictions on, one page of the list costs less than polling each. */
export const LIST_FROM = 8
/** Once in use, the list is used down to this many predictions: its page and the poll beside it are two requests. */
export const LIST_UNTIL = 3
/** Predictions on one page (Replicate's specification of `GET /predictions`). */
export const PAGE_SIZE = 100
/** Pages beyond those that our predictions would fill, because others run on the same account. */
const EXTRA_PAGES = 3
/** Lists in a row without any of our predictions, after which the list is no longer used. */
const LISTS_WITHOUT_OURS = 3
/** Answers that are not lists, and lists that lag behind a single poll, after which the list is no longer used. */
const NOT_A_LIST = 2
const BEHIND = 2
/** Ends of one prediction that polls contradicted, after which the list is no longer used: a poll can lag behind once or twice. */
const DENIED = 3
/** Possibly transient failures in a row, after which the list is no longer used. */
const FAILURES = 3

/** Fetches one page, the first if there is no cursor. @throws ApiError, or the reason of the signal */
export type FetchPage = (cursor: string | undefined, wanted: ReadonlySet<string>) => Promise<ListPage>

const ENDED = 2
/** How far a prediction is, to distinguish a list that lags behind from a current one. */
const rank = ({ prediction }: Answer): number => {
  const status = statusOf(prediction)
  if (isTerminal(status)) return ENDED
  return status === 'processing' ? 1 : 0
}

/**
 * Reads the list of predictions in place of polling each, while it can be trusted: it has ours, it is as recent as
 * polls of single predictions, and it answers. Once given up, it is not tried again.
 */
export class PredictionList {
  readonly #fetchPage: FetchPage
  #usable = true
  #withoutOurs = 0
  #notAList = 0
  #behind = 0
  #failures = 0
  /** What polls of single predictions said since the last list began. */
  #polled = new Map<string, number>()
  /** Predictions that have ended according to the last list, until a poll confirms it. */
  #claimedEnds = new Set<string>()
  #hasConfirmedEnd = false
  /** Predictions that a poll has shown to have ended and the last list has not. */
  #hiddenEnds = new Set<string>()
  /** How often polls denied such an end, by prediction. */
  readonly #denied = new Map<string, number>()
  /** Pages that had ours so far; those that have ended stay on theirs. */
  #depth = 1
  /** Predictions that are not on any page within reach. */
  readonly #unlisted = new Map<string, number>()

  constructor(fetchPage: FetchPage) {
    this.#fetchPage = fetchPage
  }

  /** False once the list was given up. */
  get usable(): boolean {
    return this.#usable
  }

  /** Whether it reported an end before a poll did, which a poll then confirmed, and never lagged behind a poll. */
  get isCurrent(): boolean {
    return this.#hasConfirmedEnd && this.#behind === 0
  }

  /** Gives up the list for good. */
  leave(): void {
    this.#usable = false
  }

  /** Notes what a poll of a single prediction said: the last list must not have claimed an end, the next not be behind. */
  polled(id: string, answer: Answer): void {
    this.#polled.set(id, rank(answer))
    if (!this.#claimedEnds.delete(id)) return
    if (rank(answer) === ENDED) {
      this.#hasConfirmedEnd = true
      return
    }
    const denied = (this.#denied.get(id) ?? 0) + 1
    this.#denied.set(id, denied)
    if (denied >= DENIED) this.#usable = false
  }

  /**
   * Fetches as many pages as the open predictions need.
   * @returns the answers about them, and about some that have ended; empty if the list failed or was given up
   * @throws the reason of the signal
   */
  async fetch(open: ReadonlySet<string>, signal: AbortSignal): Promise<ReadonlyMap<string, Answer>> {
    const polledBefore = this.#polled
    this.#polled = new Map()
    const answers = new Map<string, Answer>()
    try {
      // Also those that polls have shown to have ended: without them, a list that shows no end is never behind.
      await this.#fetchPages(open, new Set([...open, ...polledBefore.keys(), ...this.#hiddenEnds]), answers)
      this.#failures = 0
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ApiError)) throw error
      this.#judgeFailure(error)
      return this.#usable ? answers : new Map()
    }
    this.#judge(open, answers, polledBefore)
    return this.#usable ? answers : new Map()
  }

  async #fetchPages(
    open: ReadonlySet<string>,
    wanted: ReadonlySet<string>,
    answers: Map<string, Answer>,
  ): Promise<void> {
    const missing = new Set([...open].filter((id) => (this.#unlisted.get(id) ?? 0) < LISTS_WITHOUT_OURS))
    const pages = Math.max(this.#depth, Math.ceil(missing.size / PAGE_SIZE)) + EXTRA_PAGES
    let cursor: string | undefined
    for (let page = 0; page < pages && missing.size > 0; page++) {
      const { answers: found, cursor: next } = await this.#fetchPage(cursor, wanted)
      if (found.length > 0) this.#depth = Math.max(this.#depth, page + 1)
      for (const answer of found) {
        answers.set(answer.prediction.id, answer)
        missing.delete(answer.prediction.id)
      }
      if (next === undefined || next === cursor) break
      cursor = next
    }
    for (const id of missing) this.#unlisted.set(id, (this.#unlisted.get(id) ?? 0) + 1)
  }

  #judge(open: ReadonlySet<string>, answers: ReadonlyMap<string, Answer>, polled: ReadonlyMap<string, number>): void {
    this.#claimedEnds = new Set([...answers].filter(([, answer]) => rank(answer) === ENDED).map(([id]) => id))
    this.#withoutOurs = answers.size === 0 && open.size > 0 ? this.#withoutOurs + 1 : 0
    const isBehind = (id: string, known: number) => {
      const answer = answers.get(id)
      return answer !== undefined && rank(answer) < known
    }
    const ahead = [...polled].filter(([id, known]) => isBehind(id, known)).map(([id]) => id)
    // A list that is a moment late saves more than it costs: an end counts if the next list does not show it either.
    const hidden = [...this.#hiddenEnds].filter((id) => isBehind(id, ENDED))
    this.#behind += ahead.filter((id) => open.has(id)).length + hidden.length
    this.#hiddenEnds = new Set(ahead.filter((id) => !open.has(id)))
    if (this.#withoutOurs >= LISTS_WITHOUT_OURS || this.#behind >= BEHIND) this.#usable = false
  }

  #judgeFailure(error: ApiError): void {
    if (error instanceof TooLargeError) this.#usable = false
    const isNoList = error instanceof NotAPredictionError || error.retryability !== 'transient'
    if (isNoList && ++this.#notAList >= NOT_A_LIST) this.#usable = false
    if (++this.#failures >= FAILURES) this.#usable = false
  }
}
