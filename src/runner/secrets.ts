import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Answer } from '../predictions/answer.ts'
import { createRedactor, type Redactor } from '../predictions/redact.ts'
import type { Judged } from '../predictions/verdict.ts'

const nothingHidden: Redactor = {
  text: (text) => text,
  identifier: (text) => text,
  tokens: (tokens) => tokens,
  value: (value) => value,
  prepare: async () => nothingHidden,
}

/** The process has one key, as the runner has one list of masks: whatever leaves the process goes through {@link redacted}. */
let redactor = nothingHidden

/** Keeps a key out of everything that leaves the process. */
export function hideKey(key: string): void {
  redactor = createRedactor(key)
}

/** Removes the key that is hidden, if one is. */
export const redacted: Redactor = {
  text: (text) => redactor.text(text),
  identifier: (text) => redactor.identifier(text),
  tokens: (tokens) => redactor.tokens(tokens),
  value: (value) => redactor.value(value),
  prepare: (value) => redactor.prepare(value),
}

/** A judged outcome as outputs, summary, result file and artifacts may have it; in short turns of the event loop. */
export async function redactJudged({ outcome, verdict }: Judged, redactor: Redactor = redacted): Promise<Judged> {
  const { text, identifier, value } = await redactor.prepare(outcome.answer?.body)
  return {
    outcome: {
      ...outcome,
      status: identifier(outcome.status),
      answer: outcome.answer && (await redactAnswer(outcome.answer, value)),
    },
    verdict: verdict.ok ? clarified(verdict, text) : { ...verdict, message: text(verdict.message) },
  }
}

async function redactAnswer({ prediction, body, view, ...rest }: Answer, value: Redactor['value']): Promise<Answer> {
  await nextTurn()
  const cleanBody = value(body)
  await nextTurn()
  return { ...rest, prediction: value(prediction), body: cleanBody, ...(view && { view: value(view) }) }
}

const clarified = (verdict: Extract<Judged['verdict'], { ok: true }>, text: (text: string) => string) =>
  verdict.warning === undefined ? verdict : { ...verdict, warning: text(verdict.warning) }
