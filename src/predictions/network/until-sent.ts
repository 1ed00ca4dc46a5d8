import type { Dispatcher } from 'undici'

/** A signal that ends one request as another one does, but no more once the request is sent. */
export class UntilSent implements Disposable {
  readonly #controller = new AbortController()
  readonly #sent = new AbortController()

  constructor(signal: AbortSignal) {
    const end = () => this.#controller.abort(signal.reason)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { signal: this.#sent.signal })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Notes when undici begins to write the request: after the queue and the handshake. */
  readonly watch: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
    const start = handler.onRequestStart?.bind(handler)
    const onRequestStart: typeof start = (...args) => {
      this.#sent.abort()
      start?.(...args)
    }
    return dispatch(options, Object.assign(handler, { onRequestStart }))
  };

  [Symbol.dispose](): void {
    this.#sent.abort()
  }
}
