import type { SaveObserver, SavingState } from '../predictions/files/save.ts'
import { clip } from '../predictions/text.ts'
import { counted, duration, fileSize } from './format.ts'
import { info } from './print.ts'

/** Files that are named in one line about saving. */
const NAMED = 3
/** Lines about the same trouble, and kinds of trouble that are printed. */
const SAME_TROUBLE = 3
const KINDS_OF_TROUBLE = 20

/**
 * Prints what happens to the files of a step.
 * @param renamed takes a warning for each file that got another name
 */
export function createSaveObserver(renamed: string[], overwrite: boolean): SaveObserver {
  const ending = overwrite ? 'It could not be replaced.' : 'Set overwrite: true to replace existing files.'
  const troubles = new Map<string, number>()
  return {
    saved: ({ path: file, size, type, width, height }) =>
      info(
        `saved ${file} · ${[type, width && height ? `${width}×${height}` : '', fileSize(size)].filter(Boolean).join(' · ')}`,
      ),
    retrying: (label, reason, pause) => {
      const times = (troubles.get(reason) ?? 0) + 1
      if (troubles.size >= KINDS_OF_TROUBLE && times === 1) return
      troubles.set(reason, times)
      if (times <= SAME_TROUBLE) info(`fetching ${label} again in ${duration(pause)}: ${reason}`)
    },
    renamed: (name, taken) =>
      renamed.push(`${taken} already exists with other content: the new file was saved as ${name}. ${ending}`),
  }
}

const LONGEST_TROUBLE = 100

/** Prints the progress of saving, unless nothing is left to be saved. */
export function printState(state: SavingState): void {
  if (state.left > 0) info(savingLine(state))
}

/** The line about the progress of saving. */
export function savingLine({ saved, left, current }: SavingState): string {
  const named = current.slice(0, NAMED).map(({ label, bytes, total, trouble }) => {
    const size = total === undefined ? fileSize(bytes) : `${fileSize(bytes)} of ${fileSize(total)}`
    return `${label}: ${trouble === undefined ? size : `${size}, ${clip(trouble, LONGEST_TROUBLE)}`}`
  })
  const others = left - named.length
  const more = others > 0 ? [`and ${others} more`] : []
  return `fetching ${counted(left, 'file')}, ${saved} saved · ${[...named, ...more].join(' · ')}`
}
