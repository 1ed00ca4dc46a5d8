import { setOutput } from '@actions/core'
import type { RunnerContext } from './context.ts'
import { type Failure, messageOf } from './failure.ts'
import { joinReasons, LONGEST_VALUE, reasonLine } from './outputs.ts'
import { warn } from './print.ts'
import { redacted } from './secrets.ts'
import { LINE_END } from './untrusted.ts'

/** The outputs of a step, in the file that the runner reads them from. The last value of an output counts. */
export class StepOutputs<Name extends string> {
  readonly #names: ReadonlySet<string>
  readonly #file: string | undefined
  #error = ''
  readonly #unexpected: string[] = []

  /** Sets every output to an empty value at once: later steps find each of them, however this one ends. */
  constructor(names: readonly Name[], { outputFile }: RunnerContext) {
    this.#names = new Set(names)
    this.#file = outputFile
    try {
      this.#write(Object.fromEntries(names.map((name) => [name, ''])))
    } catch {
      // The outputs that are set at the end show whether the file can be written.
    }
  }

  /**
   * Sets outputs; values under other names are ignored. A value that is too long is omitted, with one warning that names
   * the file that has it.
   * @returns why they could not be set, if they could not: later steps would read empty values
   */
  set(values: Readonly<Partial<Record<Name, string>>>): Failure[] {
    if (this.#file === undefined) warn(NO_OUTPUT_FILE)
    try {
      this.#write(shortOf(values))
      if ('error' in values) {
        this.#error = String(values.error)
        if (this.#unexpected.length > 0) this.#writeError()
      }
      return []
    } catch (thrown) {
      return [{ title: 'Outputs not set', message: outputError(thrown) }]
    }
  }

  /** Adds an unexpected error, also after the others have been set, to the output `error` if there is one. */
  addError(message: string): void {
    this.#unexpected.push(...message.split(LINE_END).map(reasonLine))
    try {
      this.#writeError()
    } catch (thrown) {
      warn(outputError(thrown))
    }
  }

  #writeError(): void {
    this.#write({ error: joinReasons([...this.#error.split('\n').filter(Boolean), ...this.#unexpected]) })
  }

  #write(values: Readonly<Record<string, string>>): void {
    // Without the file, core would print the commands that runners no longer carry out.
    if (this.#file === undefined) return
    for (const [name, value] of Object.entries(values)) {
      if (this.#names.has(name)) setOutput(name, redacted.identifier(value))
    }
  }
}

const NO_OUTPUT_FILE =
  'The outputs could not be set: GITHUB_OUTPUT is not set. Only the runner of GitHub Actions, or a compatible one, supports them.'

const outputError = (thrown: unknown) =>
  `The outputs could not be written to GITHUB_OUTPUT: ${messageOf(thrown)}. Later steps would read empty values.`

/** The values that an output can take; a warning for the others. */
function shortOf(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const tooLong = given.filter(([, value]) => Buffer.byteLength(value) > LONGEST_VALUE).map(([name]) => name)
  if (tooLong.length > 0) {
    const file = values.result_file ? ` They are in the file of the output result_file: ${values.result_file}` : ''
    warn(`Outputs longer than 32 kB were omitted: ${tooLong.join(', ')}.${file}`)
  }
  return Object.fromEntries(given.filter(([name]) => !tooLong.includes(name)))
}
