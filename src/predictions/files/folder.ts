import { mkdir, realpath, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { DiskError, describeDiskError } from './file-error.ts'

/** The folder that files are saved into; it is made when the first one is saved. */
export class Folder {
  readonly path: string
  readonly #workspace: string | undefined
  #made: Promise<void> | undefined
  /** Bytes that files under way will still need, as far as that is known. */
  readonly #expected = new Map<object, number>()

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

  /**
   * Keeps room for the bytes of a file, so that files that fit together do not fail over one that does not.
   * @throws DiskError if the disk has no room for it
   */
  async reserve(file: object, bytes: number): Promise<void> {
    await this.make()
    this.#expected.set(file, bytes)
    const free = await freeBytes(this.path)
    const others = [...this.#expected].reduce((sum, [other, needed]) => sum + (other === file ? 0 : needed), 0)
    if (free === undefined || bytes <= free - others) return
    this.release(file)
    throw new DiskError(`the disk is full: ${this.path} has no room for ${bytes} more bytes (ENOSPC)`)
  }

  /** Bytes of a file were written. */
  wrote(file: object, bytes: number): void {
    const left = this.#expected.get(file)
    if (left !== undefined) this.#expected.set(file, Math.max(0, left - bytes))
  }

  release(file: object): void {
    this.#expected.delete(file)
  }
}

/** Undefined if the file system does not report it; some report 0. */
async function freeBytes(folder: string): Promise<number | undefined> {
  const { bavail = 0, bsize = 0, blocks = 0 } = await statfs(folder).catch(() => ({}) as Record<string, undefined>)
  return blocks === 0 ? undefined : bavail * bsize
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
    throw new DiskError(describeDiskError(error, folder) ?? String(error), { cause: error })
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

/** A repository can contain links: files saved under a path of the workspace must not leave it. */
async function refuseLinkOut(there: string, folder: string, workspace: string): Promise<void> {
  if (!isWithin(there, workspace)) return
  const real = await realpath(there)
  if (isWithin(real, await realpath(workspace))) return
  throw new DiskError(
    `${folder} leads out of the workspace through a symbolic link to ${real}. If this is intended, set output-dir to that folder`,
  )
}
