import { isExpired, type Prediction } from './prediction.ts'
import { errorMeaning, errorText } from './prediction-error.ts'
import type { Outcome } from './wait.ts'

/** What an outcome means for the step. The texts hold foreign text as it came, line ends and all. */
export type Verdict =
  | { readonly ok: true; readonly warning?: string }
  | { readonly ok: false; readonly title: string; readonly message: string }

/** An outcome and what it means. */
export interface Judged {
  outcome: Outcome
  verdict: Verdict
}

/** Why a prediction is not green: in the API's own words where it has some, else in ours. */
export function reasonOf({ outcome, verdict }: Judged): string {
  const said = outcome.end === 'ended' ? errorText(outcome.answer?.prediction.error) : ''
  return said !== '' ? said : verdict.ok ? '' : verdict.message
}

const NEW_ONE = 'An ended prediction never changes: start a new one.'

/**
 * Judges one outcome. Green is only a prediction that succeeded; the rest says which, what the API said, what that
 * means where it is known, and what to do.
 * @param timeout the deadline as the user gave it, for the message
 */
export function verdictOf(outcome: Outcome, timeout: string): Verdict {
  const prediction = outcome.answer?.prediction
  const which = `Prediction ${outcome.id}${prediction?.model ? ` of ${prediction.model}` : ''}`
  switch (outcome.end) {
    case 'ended':
      return endedVerdict(outcome.status, which, prediction)
    case 'refused':
      return {
        ok: false,
        title: prediction ? 'The API refuses to go on' : 'The API gives no prediction',
        message: `${which}${prediction ? `, last seen ${outcome.status},` : ''} could not be asked about: ${outcome.error?.message ?? 'the API refused.'}${patience(outcome)}`,
      }
    case 'timeout': {
      const seen = prediction ? `was still ${prediction.status}` : 'had not been seen'
      const last = outcome.error ? ` The last request failed: ${outcome.error.message}` : ''
      return {
        ok: false,
        title: 'Time is up',
        message: `${which} ${seen} when the timeout of ${timeout} came.${last} It may still succeed: run the step again with the same prediction-id, or with a longer timeout.`,
      }
    }
    case 'interrupted':
      return {
        ok: false,
        title: 'Interrupted',
        message: `The wait was interrupted while ${which[0]?.toLowerCase()}${which.slice(1)} was ${prediction?.status ?? 'not yet seen'}.`,
      }
  }
}

function endedVerdict(status: string, which: string, prediction: Prediction | undefined): Verdict {
  const said = errorText(prediction?.error)
  const meaning = errorMeaning(said)
  const words = `${said ? `: ${said}` : ', and the API does not say why'}${/[.!?。！？]$/.test(said) ? '' : '.'}${meaning ? ` This code means that ${meaning}.` : ''}`
  switch (status) {
    case 'succeeded':
      return prediction && isExpired(prediction)
        ? {
            ok: true,
            warning: `${which} succeeded, but its output is gone: the API deletes inputs, outputs, files and logs one hour after the end. Wait for a prediction within that hour; to get this output, start a new one.`,
          }
        : { ok: true }
    case 'canceled':
      return {
        ok: false,
        title: 'Prediction canceled',
        message: `${which} was canceled${said ? words : ', by somebody or by its own deadline.'} ${NEW_ONE}`,
      }
    case 'aborted':
      return {
        ok: false,
        title: 'Prediction aborted',
        message: `${which} was aborted before it started${said ? words : '; it is not charged.'} ${NEW_ONE}`,
      }
    default:
      return { ok: false, title: 'Prediction failed', message: `${which} failed${words} ${NEW_ONE}` }
  }
}

const patience = (outcome: Outcome) =>
  outcome.error?.retryability === 'transient'
    ? ` So it went for ${Math.round(outcome.waited)} s, then the wait gave up.`
    : ''
