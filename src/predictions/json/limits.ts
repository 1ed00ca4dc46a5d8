/** The most of each kind that is read of a text. */
export interface JsonLimits {
  /** Levels of nesting. The deepest seen is 3; serializers overflow their stack at some thousands. */
  readonly depth: number
  /**
   * Lists, objects, and numbers that must be edited: each takes some dozens of bytes of memory, and only two or three in
   * a body, so that 64 MiB of them would be more than a gigabyte.
   */
  readonly parts: number
  /** Items and properties: each takes eight bytes or more, and only two in a body. A mask of 4K has 8.3 million pixels. */
  readonly values: number
  /** Strings that are values. V8 keeps a table of the short ones, in which nine million take more than three seconds. */
  readonly strings: number
  /**
   * Names of properties, where objects with the same names in the same order count once. V8 makes a hidden class for each
   * such order: a million names take more than a second if no two objects are alike, and nothing if all are.
   */
  readonly names: number
}

/** The limits for the response of an API, and for every other text that others write. */
export const JSON_LIMITS: JsonLimits = {
  depth: 200,
  parts: 1_000_000,
  values: 10_000_000,
  strings: 1_000_000,
  names: 200_000,
}

/** JSON that is nested too deeply. The message is the rest of a sentence. */
export class JsonTooDeepError extends Error {
  override readonly name = 'JsonTooDeepError'
  readonly levels: number

  /** @param levels that are read */
  constructor(levels: number) {
    super(`JSON that is nested deeper than ${levels} levels`)
    this.levels = levels
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
