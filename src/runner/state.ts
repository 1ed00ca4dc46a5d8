import { getState, saveState } from '@actions/core'
import type { RunnerContext } from './context.ts'
import { messageOf } from './failure.ts'
import { debug } from './print.ts'

/**
 * Leaves behind which predictions the post step has to look after: those that were waited for when main was cut off.
 * What is written here counts even when the process is killed on the next line, so it is written at the start, and
 * emptied once main has come to its own end.
 */
export function saveOpenPredictions(ids: readonly string[], { stateFile }: RunnerContext): void {
  try {
    // Without the file, core would print a command that runners no longer carry out.
    if (stateFile === undefined) throw new Error('GITHUB_STATE is not set')
    // The runner hands it over in the environment, as it did the input: with less between the IDs it fits there too.
    saveState('open', ids.join())
  } catch (error) {
    // Nothing but the clean-up after a cancelled job depends on it.
    debug(`no state for the post step: ${messageOf(error)}`)
  }
}

/** What {@link saveOpenPredictions} left behind, read in the post step. */
export function openPredictions(): string[] {
  return getState('open').split(',').filter(Boolean)
}
