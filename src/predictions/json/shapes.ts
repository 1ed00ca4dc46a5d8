import { randomInt } from 'node:crypto'
import { DEEPEST, JsonTooManyPartsError, MOST_NAMES } from './limits.ts'

/** Counts the names of properties of objects, of those with the same names in the same order once. */
export class Shapes {
  /** By depth, of the object that is open there: its names so far, and how many they are. */
  readonly #hashes = new Int32Array(DEEPEST + 1)
  readonly #counts = new Int32Array(DEEPEST + 1)
  readonly #known = new Set<number>()
  #names = 0

  open(depth: number): void {
    this.#hashes[depth] = 0
    this.#counts[depth] = 0
  }

  name(depth: number, hash: number): void {
    this.#hashes[depth] = Math.imul((this.#hashes[depth] ?? 0) ^ hash, HASH_FACTOR)
    this.#counts[depth] = (this.#counts[depth] ?? 0) + 1
    if (++this.#names > MOST_NAMES) throw new JsonTooManyPartsError(MOST_NAMES, 'property names')
  }

  close(depth: number): void {
    const count = this.#counts[depth] ?? 0
    const hash = this.#hashes[depth] ?? 0
    if (this.#known.has(hash)) this.#names -= count
    else if (count > 0) this.#known.add(hash)
  }
}

/** Of 32 bits, odd, and unknown to those who write answers, so that they cannot give two shapes the same hash. */
const HASH_FACTOR = randomInt(2 ** 31) * 2 + 1

export function hashOf(text: string, start: number, end: number): number {
  let hash = end - start
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), HASH_FACTOR)
  return hash ^ (hash >>> 15)
}
