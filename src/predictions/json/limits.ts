/** JSON that is nested deeper than {@link DEEPEST} levels. The message is the rest of a sentence. */
export class JsonTooDeepError extends Error {
  override readonly name = 'JsonTooDeepError'

  constructor() {
    super(`JSON that is nested deeper than ${DEEPEST} levels`)
  }
}

/** JSON of more parts of a kind than are read. The message is the rest of a sentence. */
export class JsonTooManyPartsError extends Error {
  override readonly name = 'JsonTooManyPartsError'

  /** @param parts the kind, in the plural */
  constructor(most: number, parts: string) {
    super(`JSON of more than ${most.toLocaleString('en')} ${parts}`)
  }
}

/**
 * The most lists, objects, and numbers that must be edited: each takes some dozens of bytes of memory, and only two or
 * three in a body, so that 64 MiB of them would be more than a gigabyte.
 */
export const MOST_PARTS = 1_000_000

/** The most items and properties: each takes eight bytes or more, and only two in a body. A mask of 4K has 8.3 million pixels. */
export const MOST_VALUES = 10_000_000

/** The most strings that are values. V8 keeps a table of the short ones, in which nine million take more than three seconds. */
export const MOST_STRINGS = 1_000_000

/**
 * The most names of properties, where objects with the same names in the same order count once. V8 makes a hidden class
 * for each such order: a million names take more than a second if no two objects are alike, and nothing if all are.
 */
export const MOST_NAMES = 200_000

/** The deepest nesting that is read or written. The deepest seen is 3; serializers overflow their stack at some thousands. */
export const DEEPEST = 200
