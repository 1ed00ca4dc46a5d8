import type { CreateRequest, RecentPredictions } from './client.ts'
import { timestamp } from './prediction.ts'
import { isRecord } from './text.ts'

/** Seconds by which the clocks of the runner and the API may differ. */
const CLOCK_SKEW = 60

/** What gateways and Replicate show as the version of official models. */
const HIDDEN_VERSION = 'hidden'

/**
 * The prediction that a creation may have started whose answer was lost: of the same target, with the same input, and
 * the only one. It may still be that of another job, so it is named, never adopted.
 * @param since milliseconds since the epoch before which the creation was not sent
 * @param known IDs that were answered to other creations
 * @returns its ID; undefined if there is none, or more than one
 */
export function candidateOf(
  recent: RecentPredictions,
  { target, input }: Pick<CreateRequest, 'target' | 'input'>,
  since: number,
  known: ReadonlySet<string> = new Set(),
): string | undefined {
  if (!recent.isComplete) return undefined
  const matches = recent.items.filter(
    (item): item is { id: string } =>
      isRecord(item) &&
      typeof item.id === 'string' &&
      !known.has(item.id) &&
      isOf(item, target) &&
      isCreatedAfter(item, since) &&
      hasInput(item, input),
  )
  return matches.length === 1 ? matches[0]?.id : undefined
}

function isOf(item: Record<string, unknown>, target: CreateRequest['target']): boolean {
  if ('model' in target) return item.model === target.model
  if ('version' in target) return item.version === target.version || item.version === HIDDEN_VERSION
  return item.deployment === target.deployment
}

function isCreatedAfter({ created_at: created }: Record<string, unknown>, since: number): boolean {
  const at = typeof created === 'string' ? timestamp(created) : undefined
  return at !== undefined && at >= since - CLOCK_SKEW * 1000
}

/** Every key that was sent; the API may add defaults. */
function hasInput(item: Record<string, unknown>, input: Readonly<Record<string, unknown>>): boolean {
  const { input: shown } = item
  return isRecord(shown) && Object.entries(input).every(([key, value]) => isSame(shown[key], value))
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
