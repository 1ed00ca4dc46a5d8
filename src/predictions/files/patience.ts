import { RETENTION_SECONDS } from '../prediction.ts'

/** Seconds after the step saw the end for which every file is retried, whatever the timeout. */
export const LEAST_PATIENCE = 20
/** Seconds for which a host may give nothing, whatever the timeout. */
const MOST_PATIENCE = 300
/** Seconds after the step saw the end in which a 403 or 404 can mean that a file is not there yet. */
const NOT_THERE_YET = 30
/** A prediction that ended more seconds ago than this has its files in place. */
const SETTLED = 60
/** Seconds after the step saw the end at which also a transfer that moves is broken off. */
export const LONGEST_SAVING = 3600
/** Seconds by which two clocks may differ. */
const SKEW = 300
/** A transfer makes progress at this many bytes a second, measured over the seconds of a stall. */
export const SLOWEST = 1000
/** Seconds over which the speed of a transfer is measured. */
export const STALL = 30

/** What is known about the end of a prediction. Times are those of the clock, in seconds. */
export interface Ending {
  /** When the step saw it. */
  seenAt: number
  /** Seconds that had passed since the end when the step noticed it; undefined if unknown. */
  age: number | undefined
  /** When the timeout of the step comes; Infinity without one. */
  deadline: number
  /** Whether the API deletes files after {@link RETENTION_SECONDS}; true by default. */
  expires?: boolean
}

/**
 * When a file is given up that does not come: at the timeout, but not within {@link LEAST_PATIENCE} after the end, nor
 * within the same time after its host gave something, and after {@link MOST_PATIENCE} of nothing at the latest.
 * @param nothingSince when the first of the attempts began that brought nothing; undefined before it
 * @param gaveAt when the host gave something last; undefined if it never did
 */
export function givenUpAt(
  { seenAt, deadline }: Ending,
  nothingSince: number | undefined,
  gaveAt: number | undefined,
): number {
  const longest = Math.max(seenAt, nothingSince ?? seenAt) + MOST_PATIENCE
  const wanted = Math.max(deadline, (gaveAt ?? Number.NEGATIVE_INFINITY) + LEAST_PATIENCE)
  return Math.max(seenAt + LEAST_PATIENCE, Math.min(longest, wanted))
}

/** Until when a 403 or 404 can mean that the file is not there yet. */
export const believedFrom = ({ seenAt, age = 0 }: Ending): number => (age > SETTLED ? seenAt : seenAt + NOT_THERE_YET)

/** Whether the API can have deleted the files by now. */
export const mayHaveExpired = ({ seenAt, age, expires = true }: Ending, now: number): boolean =>
  expires && (age === undefined || age + (now - seenAt) >= RETENTION_SECONDS - SKEW)
