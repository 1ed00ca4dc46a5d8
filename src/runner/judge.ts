import type { Answer, StoredAnswer } from '../predictions/answer.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { abridged } from '../predictions/stored-answer.ts'
import { type Advice, type Judged, verdictOf } from '../predictions/verdict.ts'
import { messageOf } from './failure.ts'
import type { StepInputs } from './inputs.ts'
import { warn } from './print.ts'
import { redactJudged } from './secrets.ts'

/** Judges outcomes, one after the other; they have no key in them any more. */
export async function judge(
  outcomes: readonly Outcome[],
  { timeout, api, cancelOn }: StepInputs,
  advice?: Advice,
): Promise<Judged[]> {
  const isCanceledLater = api.cancel !== undefined && cancelOn.has('cancelled')
  const judged: Judged[] = []
  for (const outcome of outcomes) {
    const judgeWhole = (whole: Outcome) =>
      redactJudged({ outcome: whole, verdict: verdictOf(whole, timeout.text, advice, isCanceledLater) })
    const { answer } = outcome
    judged.push(await (answer?.stored ? judgeStored(outcome, answer, answer.stored, judgeWhole) : judgeWhole(outcome)))
  }
  return judged
}

/** Judges an outcome by its whole answer, which is stored again without the key. */
async function judgeStored(
  outcome: Outcome,
  answer: Answer,
  stored: StoredAnswer,
  judgeWhole: (whole: Outcome) => Promise<Judged>,
): Promise<Judged> {
  try {
    return await stored.use(async (whole) => {
      const judged = await judgeWhole({ ...outcome, answer: whole })
      const clean = judged.outcome.answer ?? whole
      try {
        const kept = abridged({ ...clean, stored: await stored.withBody(clean.body) })
        return { ...judged, outcome: { ...judged.outcome, answer: kept } }
      } catch {
        // On a full disk it stays in memory, so that nothing is lost.
        return judged
      }
    })
  } catch (error) {
    warn(`The response for ${outcome.id} could not be read again, so only part of it is known: ${messageOf(error)}`)
    const { stored: _lost, ...part } = answer
    return await judgeWhole({ ...outcome, answer: part })
  }
}
