import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import * as fileSystem from 'node:fs/promises'
import { lstat, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../clock.ts'
import { withSuffix } from './extensions.ts'

/** How a file gets its name. */
export interface PlaceOptions {
  /** Whether a file of the same name and other content is replaced. */
  overwrite: boolean
  clock: Clock
  /** A file that was there before the step has the name `taken`, and was not overwritten. */
  renamed(name: string, taken: string): void
}

/** The names of one folder: nothing that is there is overwritten unnoticed, and nothing saved is lost over a name. */
export class Names {
  readonly #directory: string
  /** One placing after the other, so that two files cannot take the same free name. */
  #last: Promise<unknown> = Promise.resolve()
  /** Names of this step, and reserved ones, as file systems compare them that know no case: no file takes that of another one. */
  readonly #taken: Set<string>

  /** @param reserved names that belong to files of others */
  constructor(directory: string, reserved: readonly string[] = []) {
    this.#directory = directory
    this.#taken = new Set(reserved.map(folded))
  }

  /** Gives a whole file its name. @returns the name it got */
  place(temporary: string, name: string, sha256: string, options: PlaceOptions): Promise<string> {
    const placed = this.#last.then(() => this.#place(temporary, name, sha256, options))
    this.#last = placed.catch(() => {})
    return placed
  }

  async #place(
    temporary: string,
    wanted: string,
    sha256: string,
    { overwrite, renamed, clock }: PlaceOptions,
  ): Promise<string> {
    let taken: string | undefined
    for (let n = 1; ; n++) {
      const name = n === 1 ? wanted : withSuffix(wanted, `-${n}`)
      if (this.#taken.has(folded(name))) continue
      if (await this.#placeAs(temporary, path.join(this.#directory, name), sha256, { overwrite, clock })) {
        this.#taken.add(folded(name))
        if (taken !== undefined) renamed(name, taken)
        return name
      }
      taken ??= name
    }
  }

  /** @returns false if the name is taken */
  async #placeAs(
    temporary: string,
    target: string,
    sha256: string,
    { overwrite, clock }: Pick<PlaceOptions, 'overwrite' | 'clock'>,
  ): Promise<boolean> {
    const there = await lstat(target).catch(() => undefined)
    if (!there && (await moveNew(temporary, target, clock))) return true
    if (there?.isFile() && (await sha256Of(target).catch(() => undefined)) === sha256) {
      await rm(temporary)
      return true
    }
    if (!overwrite || there?.isDirectory()) return false
    try {
      // Renaming replaces a symbolic link itself, never what it points to.
      await whenFree(() => rename(temporary, target), clock)
      return true
    } catch (error) {
      // What cannot be replaced keeps its name; the new file gets another one.
      if (there && HELD.has((error as NodeJS.ErrnoException).code)) return false
      throw error
    }
  }
}

const folded = (name: string) => name.normalize('NFC').toLowerCase()

/**
 * Moves a file to a name that must be free.
 * @param moves those of the file system; they differ between systems, so a test can give others
 * @returns false if the name is taken
 */
export async function moveNew(
  from: string,
  to: string,
  clock: Clock,
  moves: Pick<typeof fileSystem, 'link' | 'rename' | 'rm'> = fileSystem,
): Promise<boolean> {
  try {
    await moves.link(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    // Some file systems have no links; on those, no other process is expected to create the file between check and
    // move.
    await whenFree(() => moves.rename(from, to), clock)
    return true
  }
  // The file is in its place, whatever becomes of its first name.
  await whenFree(() => moves.rm(from), clock).catch(() => {})
  return true
}

const HELD: ReadonlySet<string | undefined> = new Set(['EACCES', 'EBUSY', 'EPERM'])

/** Windows does not move a file for the seconds in which a scanner for viruses reads it. */
async function whenFree(move: () => Promise<void>, clock: Clock): Promise<void> {
  for (let pause = 0.05; ; pause *= 2) {
    try {
      return await move()
    } catch (error) {
      if (!HELD.has((error as NodeJS.ErrnoException).code) || pause > 2) throw error
      await clock.sleep(pause)
    }
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
