/** Runs actions one after the other, in the order in which they were requested. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Acts when all before have come to their end, whatever it was. */
  run<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act)
    // What one returned is not kept until the next.
    this.#last = done.then(
      () => {},
      () => {},
    )
    return done
  }
}
