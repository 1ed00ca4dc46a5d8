import type { Clock } from '../clock.ts'
import { InterruptedTransfer } from './file-answer.ts'
import { SLOWEST } from './patience.ts'

/** Times that the speed is measured within the time over which it counts. */
const SAMPLES = 6

/** Measures what comes of one request. */
export class Meter {
  readonly #clock: Clock
  readonly #stall: number
  #bytes = 0
  /** Whether nothing at all came for too long. */
  isSilent = false

  /** @param stall seconds over which the speed counts */
  constructor(clock: Clock, stall: number) {
    this.#clock = clock
    this.#stall = stall
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }

  /**
   * Watches until too little came for too long.
   * @param moves called whenever enough came since the last measurement
   * @returns what to say of it @throws the reason of the signal
   */
  async watch(moves: () => void, signal: AbortSignal): Promise<InterruptedTransfer> {
    const samples = [{ at: this.#clock.now(), bytes: 0 }]
    for (;;) {
      await this.#clock.sleep(this.#stall / SAMPLES, signal)
      const sample = { at: this.#clock.now(), bytes: this.#bytes }
      if (isEnough(samples.at(-1) ?? sample, sample)) moves()
      samples.push(sample)
      while (sample.at - (samples[1]?.at ?? sample.at) >= this.#stall * 0.99) samples.shift()
      const oldest = samples[0] ?? sample
      if (sample.at - oldest.at < this.#stall * 0.99 || isEnough(oldest, sample)) continue
      this.isSilent = sample.bytes === oldest.bytes
      return new InterruptedTransfer(`${this.isSilent ? 'no data' : 'less than 1 kB/s'} received for ${this.#stall} s`)
    }
  }
}

interface Sample {
  at: number
  bytes: number
}

const isEnough = (from: Sample, to: Sample): boolean =>
  to.bytes > from.bytes && to.bytes - from.bytes >= SLOWEST * (to.at - from.at)
