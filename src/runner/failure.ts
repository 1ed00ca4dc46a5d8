import * as core from '@actions/core'
import { oneLine, severalLines } from './untrusted.ts'

/** One thing that turns the step red: an annotation of its own. */
export interface Failure {
  title: string
  message: string
}

/** Ends the step red with an annotation for each failure. Thrown when everything that is known has been handed on. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
  readonly failures: readonly Failure[]

  constructor(failures: readonly Failure[]) {
    super(failures.map((failure) => failure.message).join('\n'))
    this.failures = failures
  }
}

/** Prints a warning annotation; foreign text in it cannot act. */
export const warn = (message: string): void => core.warning(severalLines(message))

/** Warnings of one kind that are printed in full: GitHub shows ten of a step, and others come from elsewhere. */
const WARNINGS = 5

/** Prints warnings of one kind; where there are many, the last counts the rest. */
export function warnAll(messages: readonly string[]): void {
  const shown = messages.length > WARNINGS ? messages.slice(0, WARNINGS - 1) : messages
  for (const message of shown) warn(message)
  if (shown.length < messages.length)
    warn(`${messages.length - shown.length} more of this kind, such as: ${messages[shown.length]}`)
}

/** GitHub shows ten error annotations of a step and drops the rest. */
const ANNOTATIONS = 10

/**
 * Runs a step and turns whatever it throws into a red step: the one place that does. The causes of an unexpected
 * error go to the log, not into the annotation.
 */
export async function failOnThrow(step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (thrown) {
    const failures =
      thrown instanceof StepFailed ? thrown.failures : [{ title: 'await-prediction', message: messageOf(thrown) }]
    const shown = failures.length > ANNOTATIONS ? failures.slice(0, ANNOTATIONS - 1) : failures
    for (const { title, message } of shown) core.error(severalLines(message), { title: oneLine(title, 200) })
    if (shown.length < failures.length) {
      const rest = failures.slice(shown.length)
      core.error(
        severalLines(
          `${rest.length} more, all in the output result_file and in the log:\n${rest.map((f) => oneLine(f.message, 160)).join('\n')}`,
        ),
        { title: 'And others' },
      )
    }
    if (!(thrown instanceof StepFailed)) for (const cause of causesOf(thrown)) core.info(`caused by: ${oneLine(cause)}`)
    process.exitCode = core.ExitCode.Failure
  }
}

/** What a thrown value says, whatever it is. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
  return text.trim() === '' ? 'Something was thrown that says nothing.' : text
}

function causesOf(thrown: unknown): string[] {
  const causes: string[] = []
  let current = thrown instanceof Error ? thrown.cause : undefined
  while (current !== undefined && current !== null && causes.length < 5) {
    causes.push(messageOf(current))
    current = current instanceof Error ? current.cause : undefined
  }
  return causes
}
