/** A time limit on the machine's clock, for what undici's own limits leave out: they apply only once a request is sent. */
export class TimeLimit implements Disposable {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined

  /**
   * @param ms 0 for no limit
   * @param code of the error that is the reason of the signal, as undici gives it for the same thing
   * @param wanted what did not come, for the message of that error
   */
  constructor(ms: number, code: string, wanted: string) {
    const late = () => Object.assign(new Error(`no ${wanted} within ${ms} ms`), { code })
    if (ms > 0) this.#timer = setTimeout(() => this.#controller.abort(late()), ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
