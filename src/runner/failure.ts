import { clip } from '../predictions/text.ts'
import { type Forge, type RunnerContext, readContext } from './context.ts'
import { catchProcessWarnings, debug, error, errorLines, ignoreOutputErrors, info } from './print.ts'

/** One reason why the step fails, shown as an annotation. */
export interface Failure {
  title: string
  message: string
}

/** Makes the step fail with an annotation for each failure. Thrown when everything that is known has been passed on. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
  readonly failures: readonly Failure[]

  constructor(failures: readonly Failure[]) {
    super(failures.map((failure) => failure.message).join('\n'))
    this.failures = failures
  }
}

/** GitHub shows ten error annotations of a step and drops the rest. */
const ANNOTATIONS = 10
/** Characters of each message that shares one annotation with others. */
const LONGEST_REST = 160

/**
 * Runs a step and turns whatever it throws into a failed step: the one place that does. The causes of an unexpected
 * error go to the log, not into the annotation. What is thrown where nobody can catch it, such as the failure of a
 * stream, makes the step fail too, but does not end it: what else it does is not lost.
 * @param onUnexpected gets the message of each error that is no {@link StepFailed}
 */
export async function failOnThrow(
  step: () => Promise<void>,
  onUnexpected: (message: string) => void = () => {},
  { forge }: RunnerContext = readContext(),
): Promise<void> {
  const fail = (thrown: unknown) => {
    report(thrown, forge)
    if (!(thrown instanceof StepFailed)) onUnexpected(messageOf(thrown))
    process.exitCode = 1
  }
  guardProcess(fail)
  try {
    await step()
  } catch (thrown) {
    fail(thrown)
  }
}

/** Keeps Node from printing warnings and uncaught errors as they are, and uncaught errors from ending the process. */
export function guardProcess(onUncaught: (thrown: unknown) => void): void {
  catchProcessWarnings()
  ignoreOutputErrors()
  process.on('uncaughtException', onUncaught)
}

function report(thrown: unknown, forge: Forge): void {
  const isExpected = thrown instanceof StepFailed
  const failures = isExpected ? thrown.failures : [{ title: 'await-prediction', message: messageOf(thrown) }]
  const shown = failures.length > ANNOTATIONS ? failures.slice(0, ANNOTATIONS - 1) : failures
  for (const { title, message } of shown) error(message, title)
  const rest = failures.slice(shown.length)
  if (rest.length > 0) {
    const lines = rest.map(({ message }) => clip(message, LONGEST_REST).replaceAll(/\s+/g, ' '))
    error([`${rest.length} more, in full in the log:`, ...lines].join('\n'), 'More errors')
  }
  for (const { title, message } of forge.annotations ? rest : failures) errorLines(message, title)
  if (isExpected) return
  for (const cause of causesOf(thrown)) info(`caused by: ${cause}`)
  if (thrown instanceof Error) for (const line of (thrown.stack ?? '').split('\n')) debug(line)
}

/** What a thrown value says, whatever it is. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
  return text.trim() === '' ? 'An error without a message was thrown.' : text
}

/** Causes that are logged of an error; a chain can be circular. */
const MOST_CAUSES = 5

function causesOf(thrown: unknown): string[] {
  const causes: string[] = []
  let current = thrown instanceof Error ? thrown.cause : undefined
  while (current !== undefined && current !== null && causes.length < MOST_CAUSES) {
    causes.push(messageOf(current))
    current = current instanceof Error ? current.cause : undefined
  }
  return causes
}
