import { DiskError } from '../predictions/files/file-error.ts'
import { Folder } from '../predictions/files/folder.ts'
import { PartFile } from '../predictions/files/part-file.ts'
import type { RunnerContext } from './context.ts'
import { InputError } from './inputs.ts'

/**
 * Makes the folder for the files, and a file in it, before anything is waited for: an error that is found only when a
 * paid prediction has ended costs its files.
 * @throws InputError
 */
export async function makeOutputFolder(directory: string | undefined, { workspace }: RunnerContext): Promise<void> {
  if (directory === undefined) return
  try {
    await using probe = new PartFile(new Folder(directory, workspace))
    await probe.use(async () => {})
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    throw new InputError([`output-dir: ${error.message}.`])
  }
}
