import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
  /** The path of a file in the folder. */
  file(...names: string[]): string
}

/** Makes an empty folder that is gone at the end of the block: `await using folder = await temporaryFolder()`. */
export async function temporaryFolder(name = 'await-prediction'): Promise<TemporaryFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), `${name}-`))
  return {
    path: folder,
    file: (...names) => path.join(folder, ...names),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
