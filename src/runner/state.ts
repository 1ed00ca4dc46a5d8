import * as core from '@actions/core'

/**
 * Leaves behind which predictions are not known to be over, for the post step. What is written here counts even when
 * the process is killed on the next line, so it is written at the start and again when it changes.
 */
export function saveOpenPredictions(ids: readonly string[]): void {
  core.saveState('open', JSON.stringify(ids))
}
