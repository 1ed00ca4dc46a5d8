const isUrl = (text: string) => /^https?:\/\/\S+$/.test(text) && URL.canParse(text)
/** With a media type, or parameters, or neither (RFC 2397); a text that begins with "data: a, b" is none. */
const isDataUri = (text: string) => /^data:(?:[\w.+-]+\/[\w.+-]+)?(?:;[\w.+-]+(?:=[^\s,;]*)?)*,/.test(text)
/** A URL or a `data:` URI, as a whole. */
export const isFile = (value: unknown): value is string =>
  typeof value === 'string' && (isUrl(value) || isDataUri(value))

/**
 * The files of an output in document order: URLs and `data:` URIs, at any depth, as values of lists and objects.
 * A string is a file only as a whole, untrimmed; in a list of strings either all are files or none is (a language
 * model's tokens may look like URLs). Walks without recursion: depth is the sender's to choose.
 */
export function outputFiles(output: unknown): string[] {
  const files: string[] = []
  const stack: unknown[] = [output]
  while (stack.length > 0) {
    const value = stack.pop()
    if (isFile(value)) files.push(value)
    else if (Array.isArray(value)) {
      const isText = value.some((item) => typeof item === 'string' && !isFile(item))
      for (let i = value.length - 1; i >= 0; i--) if (!isText || typeof value[i] !== 'string') stack.push(value[i])
    } else if (typeof value === 'object' && value !== null)
      for (const item of Object.values(value).reverse()) stack.push(item)
  }
  return files
}

/** The files of an output that have an address: {@link outputFiles} without `data:` URIs. */
export const outputUrls = (output: unknown): string[] => outputFiles(output).filter((file) => !isDataUri(file))

/** The text of an output that is text or a list of tokens; undefined for anything else, files included. */
export function outputText(output: unknown): string | undefined {
  if (typeof output === 'string') return isFile(output) ? undefined : output
  if (!Array.isArray(output) || output.length === 0) return undefined
  if (!output.every((item): item is string => typeof item === 'string')) return undefined
  return output.every((item) => isFile(item)) ? undefined : output.join('')
}
