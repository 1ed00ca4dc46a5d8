/** Run times that are remembered. */
const MOST = 50

/** When predictions of one model usually end, in seconds since their start. */
export interface UsualEnd {
  from: number
  to: number
  middle: number
  /** Of the logarithms: run times of one model are spread evenly on a logarithmic scale. */
  spread: number
}

/** How long predictions of one model ran that have succeeded, in seconds. */
export class RunTimes {
  readonly #seconds: readonly number[]
  #usual: UsualEnd | undefined

  constructor(seconds: readonly number[]) {
    this.#seconds = seconds.slice(-MOST)
  }

  get count(): number {
    return this.#seconds.length
  }

  with(seconds: number): RunTimes {
    return new RunTimes([...this.#seconds, seconds])
  }

  /** Undefined for less than two. Worked out once, because every open prediction asks for it at every poll. */
  get usual(): UsualEnd | undefined {
    if (this.count < 2) return undefined
    this.#usual ??= usualEnd(this.#seconds)
    return this.#usual
  }
}

function usualEnd(seconds: readonly number[]): UsualEnd {
  const logs = seconds.map((each) => Math.log(Math.max(each, 0.1)))
  const middle = median(logs)
  const deviation = median(logs.map((log) => Math.abs(log - middle)))
  const spread = Math.max(0.02, (1.5 * deviation * (logs.length - 1) + 0.35) / logs.length)
  const at = (spreads: number) => Math.exp(middle + spreads * spread)
  return { from: at(-2), to: at(2), middle: at(0), spread }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}
