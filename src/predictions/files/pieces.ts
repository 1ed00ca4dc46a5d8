import type { Buffer } from 'node:buffer'

/** Bytes gathered before they are written. */
const WRITE_SIZE = 2 ** 18

/** Gathers pieces until there are enough to write at once. */
export class Pieces {
  readonly #append: (pieces: readonly Buffer[], bytes: number) => Promise<void>
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(append: (pieces: readonly Buffer[], bytes: number) => Promise<void>) {
    this.#append = append
  }

  async add(piece: Buffer): Promise<void> {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes >= WRITE_SIZE) await this.flush()
  }

  async flush(): Promise<void> {
    const [pieces, bytes] = [this.#pieces, this.#bytes]
    this.#pieces = []
    this.#bytes = 0
    if (bytes > 0) await this.#append(pieces, bytes)
  }
}
