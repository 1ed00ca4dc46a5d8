import * as core from '@actions/core'

/**
 * Leaves behind which predictions the post step has to look after: those that were waited for when main was cut off.
 * What is written here counts even when the process is killed on the next line, so it is written at the start, and
 * emptied once main has come to its own end.
 */
export function saveOpenPredictions(ids: readonly string[]): void {
  core.saveState('open', JSON.stringify(ids))
}

/** What {@link saveOpenPredictions} left behind, read in the post step. */
export function openPredictions(): string[] {
  const open: unknown = JSON.parse(core.getState('open') || '[]')
  return Array.isArray(open) ? open.filter((id) => typeof id === 'string') : []
}
