import { constants } from 'node:fs'
import * as fileSystem from 'node:fs/promises'
import path from 'node:path'
import type { Content } from './artifact-content.ts'

/** The first moment that a zip can name; the client's zips have it in UTC. */
const EPOCH = new Date(Date.UTC(1980, 0, 1))
const REGULAR_MODE = 0o644

type FileSystem = Pick<typeof fileSystem, 'chmod' | 'copyFile' | 'link' | 'mkdir' | 'rm' | 'symlink' | 'utimes'>

/**
 * Copies what is to be uploaded into a new folder, because a zip has one root, an artifact that is no zip has the name of
 * its file, and the client ends the process over a file that it cannot read. Where the file system can, a copy shares its
 * blocks.
 * @param name of the artifact
 * @param disk that of Node; a test can give one that is full
 * @returns the paths of the copies
 */
export async function stage(
  { files, isZip }: Content,
  root: string,
  name: string,
  disk: FileSystem = fileSystem,
): Promise<string[]> {
  await disk.mkdir(root)
  const staged: string[] = []
  for (const file of files) {
    const target = path.join(root, isZip ? file.name : name)
    await copyWithFixedTime(file.path, target, disk)
    staged.push(target)
  }
  return staged
}

/** On a full disk a link must do, to another disk a symbolic one: it has the time of the file. */
async function copyWithFixedTime(file: string, target: string, disk: FileSystem): Promise<void> {
  try {
    await disk.copyFile(file, target, constants.COPYFILE_FICLONE)
    await disk.chmod(target, REGULAR_MODE)
    await disk.utimes(target, EPOCH, EPOCH)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    await disk.rm(target, { force: true })
    try {
      await disk.link(file, target).catch(() => disk.symlink(file, target))
    } catch {
      // That no link can be made either explains nothing.
      throw error
    }
  }
}
