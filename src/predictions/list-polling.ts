import type { Answer } from './answer.ts'
import { LIST_FROM, LIST_UNTIL, PAGE_SIZE, type PredictionList } from './list.ts'

/** A prediction that is waited for, as the list sees it. */
export interface Listed {
  readonly id: string
  /** Takes what a list says. */
  deliver(answer: Answer): void
  /** A list is under way: a sleeping wait need not wake before it has ended, because the list probably has its prediction. */
  listBegins(): void
  /** It has ended: a wait whose prediction it did not have goes on as without it. */
  listEnds(): void
  /** Asks for a poll of this single prediction, soon. */
  pollSingly(): void
}

/** Fewer open predictions than this are few, once the list has reported an end in time. */
const FEW = 2 * LIST_FROM

/** One list at a time for all open predictions of a step; the first that is due requests it, and all use its result. */
export class ListPolling {
  readonly #list: PredictionList
  readonly #open: ReadonlySet<Listed>
  readonly #signal: AbortSignal
  #underWay: Promise<void> | undefined
  /** A list has had ours. */
  #isRead = false
  /** Who was polled singly last: the turn goes on after it. */
  #turn = 0

  /**
   * @param open the predictions that have not ended, in a fixed order; it changes
   * @param signal ends a list that is under way
   */
  constructor(list: PredictionList, open: ReadonlySet<Listed>, signal: AbortSignal) {
    this.#list = list
    this.#open = open
    this.#signal = signal
  }

  /** Whether lists take the place of polls now. */
  get isOn(): boolean {
    return this.#list.usable && this.#open.size >= (this.#isRead ? LIST_UNTIL : LIST_FROM)
  }

  /** Whether a list was requested that has not ended. */
  get isUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  /** Requests that one round of polls of all open predictions takes. */
  get requestsOfRound(): number {
    return this.isOn
      ? Math.min(this.#open.size, Math.ceil(this.#open.size / PAGE_SIZE) + this.#singlesBeside)
      : this.#open.size
  }

  /**
   * Polls of single predictions beside each list: they show whether the list lags behind, and they include the logs.
   * One is enough for few predictions: each has its turn soon.
   */
  get #singlesBeside(): number {
    return this.#open.size < (this.#list.isCurrent ? FEW : LIST_FROM) ? 1 : 2
  }

  /** Notes what a poll of a single prediction said. */
  polled(id: string, answer: Answer): void {
    this.#list.polled(id, answer)
  }

  /**
   * Waits for the list that is under way, or for a new one. What it says has been delivered then.
   * @throws the reason of the signal
   */
  async refresh(): Promise<void> {
    this.#underWay ??= this.#fetch().finally(() => {
      this.#underWay = undefined
    })
    await this.#underWay
  }

  async #fetch(): Promise<void> {
    const byId = new Map([...this.#open].map((each) => [each.id, each]))
    this.#pollSome()
    for (const each of this.#open) each.listBegins()
    try {
      const answers = await this.#list.fetch(new Set(byId.keys()), this.#signal)
      this.#isRead ||= answers.size > 0
      for (const [id, answer] of answers) byId.get(id)?.deliver(answer)
    } finally {
      for (const each of this.#open) each.listEnds()
    }
  }

  #pollSome(): void {
    const all = [...this.#open]
    const count = this.#singlesBeside
    for (let i = 0; i < count; i++) all[(this.#turn + i) % all.length]?.pollSingly()
    this.#turn = (this.#turn + count) % Math.max(1, all.length)
  }
}
