/** A failure that no other attempt would mend. The message is the rest of a sentence: «the file was not saved: …». */
export class PermanentError extends Error {
  override readonly name: string = 'PermanentError'
}

/** @param size in bytes; undefined if only so much is known that it is above the limit */
export const tooLarge = (size: number | undefined, limit: number): PermanentError =>
  new PermanentError(
    `it is larger than max-file-size allows (${size === undefined ? 'more than ' : `${size} bytes, allowed are `}${limit} bytes)`,
  )
