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

/** As {@link redactJudged}, in short turns of the event loop. */
export async function redactInTurns(judged: Judged): Promise<Judged> {
  return redactJudged(judged, await redacted.prepare(judged.outcome.answer?.body))
}

/** A judged outcome as outputs, summary, result file and artifacts may have it. */
export function redactJudged({ outcome, verdict }: Judged, { text, identifier, value }: Redactor = redacted): Judged {
  const { answer, status } = outcome
  const clean = answer && { ...answer, prediction: value(answer.prediction), body: value(answer.body) }
  return {
    outcome: { ...outcome, status: identifier(status), answer: clean },
    verdict: verdict.ok ? clarified(verdict, text) : { ...verdict, message: text(verdict.message) },
  }
}

const clarified = (verdict: Extract<Judged['verdict'], { ok: true }>, text: (text: string) => string) =>
  verdict.warning === undefined ? verdict : { ...verdict, warning: text(verdict.warning) }
