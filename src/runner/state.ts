import { getState, saveState } from '@actions/core'
import type { RunnerContext } from './context.ts'
import { messageOf } from './failure.ts'
import { debug } from './print.ts'

/*
 * What main leaves behind for the post step. It counts even when the process is killed on the next line, so it is
 * written before what it is about, and emptied once that is over.
 */

/** The predictions that the post step has to look after: those that were waited for, or started, when main was cut off. */
export function saveOpenPredictions(ids: readonly string[], runner: RunnerContext): void {
  // The runner passes it on in the environment, as it did the input: with less between the IDs it fits there too.
  save('open', ids.join(), runner)
}

/** The input whose prediction is being started; `""` if none is: an ID that is not known yet cannot be canceled. */
export function saveCreation(name: string, runner: RunnerContext): void {
  save('creating', name, runner)
}

function save(name: string, value: string, { stateFile }: RunnerContext): void {
  try {
    // Without the file, core would print a command that runners no longer carry out.
    if (stateFile === undefined) throw new Error('GITHUB_STATE is not set')
    saveState(name, value)
  } catch (error) {
    // Only the cleanup after a canceled job depends on it.
    debug(`no state for the post step: ${messageOf(error)}`)
  }
}

/** What {@link saveOpenPredictions} left behind, read in the post step. */
export function openPredictions(): string[] {
  return getState('open').split(',').filter(Boolean)
}

/** What {@link saveCreation} left behind, read in the post step. */
export const openCreation = (): string => getState('creating')
