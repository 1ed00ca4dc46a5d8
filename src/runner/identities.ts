/** The predictions of a step, as far as names of files depend on them. */
export interface Identities {
  count: number
  /** The IDs that are known from the start. */
  ids: readonly string[]
  /** Names of files that other inputs have, and keep. */
  reserved: readonly string[]
  /** The place of a prediction in the step, from 1, and the name of its input. */
  of(id: string): { number: number; name?: string }
}

/** Predictions that are given by their IDs. */
export function identitiesOf(ids: readonly string[]): Identities {
  const numbers = new Map(ids.map((id, i) => [id, i + 1]))
  return { count: ids.length, ids, reserved: [], of: (id) => ({ number: numbers.get(id) ?? 0 }) }
}

/**
 * Predictions that are started one by one.
 * @param named all inputs of the step
 * @param names of inputs by the ID of their prediction; it grows
 * @param reserved names of files that belong to inputs that are not started
 */
export function identitiesByName(
  named: readonly { name: string }[],
  names: ReadonlyMap<string, string>,
  reserved: readonly string[],
): Identities {
  const numbers = new Map(named.map(({ name }, i) => [name, i + 1]))
  const of = (id: string) => {
    const name = names.get(id) ?? id
    return { name, number: numbers.get(name) ?? 0 }
  }
  return { count: named.length, ids: [], reserved, of }
}
