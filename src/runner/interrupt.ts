import * as core from '@actions/core'

/** SIGINT comes first when a job is cancelled, SIGTERM 7.5 s later; on Windows they are Ctrl-C and Ctrl-Break. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGBREAK'] as const
/** Milliseconds in which what is known must be handed on; then the process ends, whatever still hangs. */
const GRACE = 1500

/** A signal that is aborted when the runner asks the process to end. */
export function listenForInterrupts(): { signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const stop = (name: string) => {
    if (controller.signal.aborted) return
    core.info(`${name}: the step was cancelled or ran out of its time. Handing on what is known.`)
    controller.abort(new Error(`The step was cancelled or ran out of its time (${name}).`))
    // What has been printed goes out first: macOS does not wait for the reader of a pipe.
    setTimeout(() => process.stdout.write('', () => process.exit(1)), GRACE).unref()
  }
  for (const name of SIGNALS) process.on(name, stop)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, stop)
    },
  }
}
