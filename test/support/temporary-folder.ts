import { rmSync } from 'node:fs'
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

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})

/** Makes an empty folder that is gone when the process ends, which is when all tests of a file have ended. */
export async function testFolder(name: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), `${name}-`))
  folders.push(folder)
  return folder
}
