import { PermanentError } from './file-error.ts'

/** How large the files of a step may be. */
export class SizeLimits {
  readonly #file: number
  readonly #total: number
  #used = 0

  /** @param file bytes of one file @param total bytes of all files together */
  constructor(file: number, total: number) {
    this.#file = file
    this.#total = total
  }

  /** Begins to count one more file. */
  open(): Allowance {
    let own = 0
    const count = (size: number, exact: boolean): void => {
      if (size <= own) return
      const found = exact ? `${size} bytes` : `more than ${Math.min(size, this.#file)} bytes`
      if (size > this.#file) {
        throw new PermanentError(`it is larger than max-file-size allows (${found}, the limit is ${this.#file} bytes)`)
      }
      if (this.#used - own + size > this.#total) {
        throw new PermanentError(
          `with it, the files of this step are larger than max-total-size allows (${found}, and ${this.#used - own} of ${this.#total} bytes are used)`,
        )
      }
      this.#used += size - own
      own = size
    }
    return {
      expect: (size) => count(size, true),
      use: (size) => count(size, false),
      release: () => {
        this.#used -= own
        own = 0
      },
    }
  }
}

/** What one file takes of the limits. */
export interface Allowance {
  /** Counts the size that a file is said to have, so that no other one takes its place. @throws PermanentError if it is too much */
  expect(size: number): void
  /** Counts the bytes that the file has by now. @throws PermanentError if they are too many */
  use(size: number): void
  /** Counts the file no longer. */
  release(): void
}
