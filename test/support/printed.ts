import { EOL } from 'node:os'

/** What an act prints to standard output meanwhile; the test runner, which writes there too, is not disturbed. */
export async function printed(act: () => unknown): Promise<string> {
  const write = process.stdout.write
  let text = ''
  process.stdout.write = (chunk: string | Uint8Array) => {
    text += String(chunk)
    return true
  }
  try {
    await act()
  } finally {
    process.stdout.write = write
  }
  return text.replaceAll(EOL, '\n')
}
