import { EOL } from 'node:os'

/** What an act prints to standard output meanwhile. The test runner writes there too, bytes, which are let through. */
export async function printed(act: () => unknown): Promise<string> {
  const write = process.stdout.write
  let text = ''
  process.stdout.write = (chunk: string | Uint8Array, ...rest: never[]) => {
    if (typeof chunk !== 'string') return write.call(process.stdout, chunk, ...rest)
    text += chunk
    return true
  }
  try {
    await act()
  } finally {
    process.stdout.write = write
  }
  return text.replaceAll(EOL, '\n')
}
