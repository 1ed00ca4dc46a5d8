import type { Entry } from './entry.ts'

/** Names that are listed if many inputs share a reason. */
const NAMED = 5

/**
 * Why inputs have no prediction, each reason once with the names of its inputs: when nothing new is started any more,
 * hundreds of them share one.
 */
export function refusalsOf(entries: readonly Entry[]): string[] {
  const refused = entries.flatMap((entry) => ('outcome' in entry || entry.error === undefined ? [] : [entry]))
  const byReason = Map.groupBy(refused, ({ error = '' }) => error)
  if (entries.length === 1) return [...byReason.keys()]
  return [...byReason].map(([reason, inputs]) => `${listed(inputs.map(({ name }) => name))}: ${reason}`)
}

function listed(names: readonly string[]): string {
  // One more would take no more room than the words that stand for it.
  if (names.length <= NAMED + 1) return names.join(', ')
  return `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} others`
}
