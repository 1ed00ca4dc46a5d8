import { flush, info } from './print.ts'

/** SIGINT comes first when a job is canceled, SIGTERM 7.5 s later; on Windows they are Ctrl-C and Ctrl-Break. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGBREAK'] as const
/** Time to take the answer to a creation and to report what is known; then the process ends, whatever still hangs. */
const EXIT_GRACE_MS = 2500

/** A signal that is aborted when the runner asks the process to end. */
export function listenForInterrupts(): { signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const stop = (name: string) => {
    if (controller.signal.aborted) return
    info(`${name}: the step was canceled or timed out. Reporting what is known so far.`)
    controller.abort(new Error(`The step was canceled or timed out (${name}).`))
    setTimeout(() => flush(() => process.exit(1)), EXIT_GRACE_MS).unref()
  }
  for (const name of SIGNALS) process.on(name, stop)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, stop)
    },
  }
}
