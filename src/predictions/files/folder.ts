import { mkdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { DiskError, describeDiskFault } from './file-error.ts'

/** The folder that files are saved into; it is made when the first one is saved. */
export class Folder {
  readonly path: string
  readonly #workspace: string | undefined
  #made: Promise<void> | undefined

  /**
   * @param folder absolute
   * @param workspace absolute; a folder inside it by its name must be inside it in fact
   */
  constructor(folder: string, workspace: string | undefined) {
    this.path = folder
    this.#workspace = workspace
  }

  /** @throws DiskError */
  make(): Promise<void> {
    this.#made ??= makeFolder(this.path, this.#workspace)
    return this.#made
  }
}

const isWithin = (folder: string, parent: string) => {
  const relative = path.relative(parent, folder)
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)
}

/**
 * Makes a folder and those above it, one by one: Node's own recursion says ENOENT of a file system that is read-only,
 * and never ends under /proc.
 */
async function makeFolder(folder: string, workspace: string | undefined): Promise<void> {
  try {
    const missing: string[] = []
    let there = folder
    while (!(await isFolder(there))) {
      missing.unshift(there)
      if (path.dirname(there) === there) break
      there = path.dirname(there)
    }
    if (workspace !== undefined && isWithin(folder, workspace)) await refuseLinkOut(there, folder, workspace)
    for (const each of missing) await makeOne(each)
  } catch (error) {
    if (error instanceof DiskError) throw error
    throw new DiskError(describeDiskFault(error, folder) ?? String(error), { cause: error })
  }
}

/** @returns false if there is nothing of that name */
async function isFolder(folder: string): Promise<boolean> {
  try {
    if ((await stat(folder)).isDirectory()) return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  throw new DiskError(`${folder} is not a folder`)
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    // Another step can have made it in the meantime; a link that leads nowhere is no folder.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await isFolder(folder))) throw error
  }
}

/** A repository can hold links: what is saved under a name of the workspace stays in the workspace. */
async function refuseLinkOut(there: string, folder: string, workspace: string): Promise<void> {
  if (!isWithin(there, workspace)) return
  const real = await realpath(there)
  if (isWithin(real, await realpath(workspace))) return
  throw new DiskError(
    `${folder} leads out of the workspace through a symbolic link, to ${real}. Give the folder itself as output-dir if you mean it`,
  )
}
