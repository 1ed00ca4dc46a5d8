import { LimitError } from './errors.ts'
import type { Outcome } from './outcome.ts'
import { hasNoOutput, isExpired, type Prediction, RETENTION, readStatus } from './prediction.ts'
import { errorMeaning, errorText, lastLogLine } from './prediction-error.ts'
import { sentence, sentences } from './text.ts'

/** What an outcome means for the step. The texts hold untrusted text as it came, line ends and all. */
export type Verdict =
  | { readonly ok: true; readonly warning?: string }
  | { readonly ok: false; readonly title: string; readonly message: string }

/** An outcome and what it means. */
export interface Judged {
  outcome: Outcome
  verdict: Verdict
  /** That of its input, if the step started it. */
  name?: string
  /** Predictions that were started for the same input before. */
  earlier?: readonly Outcome[]
  /** Why it was not retried although that was possible, or why it is unknown whether it was started. */
  refusal?: string | undefined
}

/** Why a prediction counts as failed: in the API's own words if it has ended and the API has some, else in ours. */
export function reasonOf({ outcome, verdict, refusal }: Judged): string {
  const said = outcome.end === 'ended' ? errorText(outcome.answer?.prediction.error) : ''
  const reason = said === '' && !verdict.ok ? verdict.message : said
  return refusal === undefined ? reason : sentences(sentence(reason), refusal)
}

const NEW_ONE = 'A prediction that has ended does not change: start a new one.'
const NEW_AND_LONGER = 'A prediction that has ended does not change: start a new one, with a longer timeout.'

/** What to do about a prediction that may still run: how it is waited for again. */
export interface Advice {
  /** After the wait was given up. */
  again(id: string): string
  /** After the timeout. */
  longer(id: string): string
}

const SAME_ID = 'It may still succeed: wait for it again with the same prediction-id'
/** GitHub runs whole jobs again, and one that also starts predictions would pay for new ones. */
const NOTHING_STARTED = 'in a job that does not start predictions.'

const WAIT_AGAIN: Advice = {
  again: () => `${SAME_ID}, ${NOTHING_STARTED}`,
  longer: () => `${SAME_ID} and a longer timeout, ${NOTHING_STARTED}`,
}

const collect = (id: string) =>
  `It may still succeed. Running this step again would start another one; to collect this one, use OWNER/await-prediction with prediction-id: ${id}.`

/** The step started the prediction: running it again would start another. */
export const COLLECT_BY_ID: Advice = { again: collect, longer: collect }

const POST_CANCELS = 'The post step cancels it, because cancel-on includes "cancelled".'

/**
 * Judges one outcome. Green is only a prediction that succeeded; the rest says which, what the API said, what that
 * means if it is known, and what to do.
 * @param timeout the deadline as the user gave it, for the message
 * @param advice what to do about a prediction that may still run
 * @param isCanceledLater whether the post step cancels what an interrupt leaves running
 */
export function verdictOf(
  outcome: Outcome,
  timeout: string,
  advice: Advice = WAIT_AGAIN,
  isCanceledLater = false,
): Verdict {
  const prediction = outcome.answer?.prediction
  const which = `Prediction ${outcome.id}${prediction?.model ? ` of ${prediction.model}` : ''}`
  switch (outcome.end) {
    case 'ended':
      return endedVerdict(outcome.status, which, prediction)
    case 'refused':
      return refusedVerdict(outcome, which, advice)
    case 'timeout':
      return timeoutVerdict(outcome, which, timeout, advice)
    case 'interrupted':
      return {
        ok: false,
        title: 'Interrupted',
        message: sentences(
          `The wait was interrupted while ${lowerFirst(which)} was ${prediction?.status ?? 'not yet seen'}.`,
          saidSoFar(prediction),
          prediction && (isCanceledLater ? POST_CANCELS : whatNow(outcome, advice.again(outcome.id), advice)),
        ),
      }
    case 'crashed':
      return {
        ok: false,
        title: 'Internal error',
        message: sentences(
          `The wait for ${lowerFirst(which)} ended because of a bug in this action: ${sentence(messageOf(outcome.bug))}`,
          'Please report it with the log of the step.',
          whatNow(outcome, advice.again(outcome.id), advice),
        ),
      }
  }
}

const lowerFirst = (text: string) => `${text.charAt(0).toLowerCase()}${text.slice(1)}`
const messageOf = (bug: unknown) => (bug instanceof Error ? bug.message || bug.name : String(bug))

function refusedVerdict(outcome: Outcome, which: string, advice: Advice): Verdict {
  const prediction = outcome.answer?.prediction
  const seen = prediction ? `, last seen ${prediction.status},` : ''
  return {
    ok: false,
    title: prediction ? 'The API refuses further requests' : 'The API returned no prediction',
    message: sentences(
      `${which}${seen} could not be fetched: ${sentence(outcome.error?.message ?? 'the API refused')}`,
      wentOn(outcome),
      saidSoFar(prediction),
      prediction && whatNow(outcome, advice.again(outcome.id), advice),
    ),
  }
}

function timeoutVerdict(outcome: Outcome, which: string, timeout: string, advice: Advice): Verdict {
  const prediction = outcome.answer?.prediction
  const seen = prediction ? `was still ${prediction.status}` : 'had not been found'
  const canceled = outcome.cancellation?.end === 'canceled'
  return {
    ok: false,
    title: canceled ? 'Timed out and canceled' : 'Timed out',
    message: sentences(
      `${which} ${seen} when the timeout of ${timeout} was reached${canceled ? ', and was canceled' : ''}.`,
      outcome.error
        ? `The last request failed: ${sentence(outcome.error.message)}`
        : !prediction && 'No request for it had been answered by then.',
      saidSoFar(prediction),
      canceled ? NEW_AND_LONGER : prediction && whatNow(outcome, advice.longer(outcome.id), advice),
    ),
  }
}

/** What to do about a prediction that had not ended when the wait did, by what became of it since. */
function whatNow({ id, cancellation }: Outcome, runAgain: string, advice: Advice): string {
  if (cancellation?.end === 'canceled') return NEW_ONE
  if (cancellation?.end !== 'over') return runAgain
  const ended = `It had already ended (${cancellation.status}) before it could be canceled.`
  return advice === WAIT_AGAIN
    ? `${ended} Wait for it again with the same prediction-id, ${NOTHING_STARTED}`
    : `${ended} To collect it, use OWNER/await-prediction with prediction-id: ${id}.`
}

/** What the API says in a prediction that has not ended. */
function saidSoFar(prediction: Prediction | undefined): string {
  const said = errorText(prediction?.error)
  return said === '' ? '' : `The API's error so far: ${sentence(said)}`
}

function endedVerdict(status: string, which: string, prediction: Prediction | undefined): Verdict {
  const said = errorText(prediction?.error)
  const means = errorMeaning(said)
  switch (status) {
    case 'succeeded':
      return succeededVerdict(which, prediction)
    case 'canceled': {
      const why = said === '' ? ', by someone else or by its own deadline.' : `: ${sentence(said)}`
      return {
        ok: false,
        title: 'Prediction canceled',
        message: sentences(`${which} was canceled${why}`, means, NEW_ONE),
      }
    }
    case 'aborted': {
      const why = said === '' ? '; it is not charged.' : `: ${sentence(said)}`
      return {
        ok: false,
        title: 'Prediction aborted',
        message: sentences(`${which} was aborted before it started${why}`, means, NEW_ONE),
      }
    }
    default: {
      const why = said === '' ? withoutReason(prediction) : `: ${sentence(said)}`
      return {
        ok: false,
        title: 'Prediction failed',
        message: sentences(`${which} failed${why}`, means, guessed(prediction), NEW_ONE),
      }
    }
  }
}

function succeededVerdict(which: string, prediction: Prediction | undefined): Verdict {
  const said = errorText(prediction?.error)
  const besides = said !== '' && `The API also reports an error: ${sentence(said)}`
  if (prediction && isExpired(prediction)) {
    const warning = `${which} succeeded, but its output has expired: the API deletes inputs, outputs, files and logs ${RETENTION}. Wait for a prediction before that. To get this output, start a new one.`
    return { ok: true, warning: sentences(warning, besides) }
  }
  if (prediction && hasNoOutput(prediction)) {
    return { ok: true, warning: sentences(`${which} succeeded, but the API returned no output.`, besides) }
  }
  return besides ? { ok: true, warning: sentences(`${which} succeeded.`, besides) } : { ok: true }
}

/** Model servers leave the error empty after some exceptions, and print them to the log. */
function withoutReason(prediction: Prediction | undefined): string {
  const line = lastLogLine(prediction?.logs)
  const silent = ', and the API gives no reason.'
  return line === '' ? silent : `${silent} The last line of its log: ${sentence(line)}`
}

function guessed(prediction: Prediction | undefined): string {
  if (!prediction || readStatus(prediction.status).spelling !== 'unknown') return ''
  return `Its status "${prediction.status}" is unknown. The prediction counts as failed, because it has stopped changing.`
}

/** How long bad answers came before they were believed. */
function wentOn({ error, answer, waited }: Outcome): string {
  if (error instanceof LimitError) return 'The API returned such a response three times.'
  if (answer) return 'Earlier responses were good, but for at least the last minute, every response was like this one.'
  return error?.retryability === 'transient'
    ? `The wait ended after ${Math.round(waited)} s without a good response.`
    : ''
}
