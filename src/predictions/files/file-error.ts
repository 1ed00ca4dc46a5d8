/** A failure that no other attempt would mend. The message is the rest of a sentence: «the file was not saved: …». */
export class PermanentError extends Error {
  override readonly name: string = 'PermanentError'
}

/** A link without an extension leads to a web page, so it may never have been meant as a file. */
export class WebPageError extends PermanentError {
  override readonly name = 'WebPageError'
}

/** Where a file cannot be written, and why. The message is the rest of a sentence, as that of {@link PermanentError}. */
export class DiskError extends PermanentError {
  override readonly name = 'DiskError'
}

const FAULTS: Readonly<Record<string, (place: string) => string>> = {
  EACCES: (place) => `${place} cannot be written to`,
  EBUSY: (place) => `another program has a file of that name open in ${place}`,
  EDQUOT: (place) => `the disk quota for ${place} is used up`,
  EEXIST: (place) => `${place} is not a folder`,
  EFBIG: (place) => `the runner does not allow a file of this size in ${place}`,
  ELOOP: (place) => `the path ${place} has a loop of symbolic links`,
  EMFILE: () => 'too many files are open',
  ENAMETOOLONG: (place) => `the name is too long for ${place}`,
  ENFILE: () => 'too many files are open',
  ENOENT: (place) => `the folder ${place} cannot be created`,
  ENOSPC: (place) => `the disk is full: ${place}`,
  ENOTDIR: (place) => `${place} is not a folder`,
  EPERM: (place) => `${place} cannot be written to`,
  EROFS: (place) => `${place} is on a file system that is read-only`,
}

/**
 * What an error of the file system means, with its code; undefined for other errors.
 * @param place the folder that was written to
 */
export function describeDiskError(error: unknown, place: string): string | undefined {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  const words = code === undefined ? undefined : FAULTS[code]
  return words && `${words(place)} (${code})`
}
