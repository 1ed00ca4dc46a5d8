import { randomInt } from 'node:crypto'
import { JsonTooManyPartsError } from './limits.ts'

/** Counts names of properties. Those of objects with the same names in the same order count once. */
export class Shapes {
  readonly #most: number
  /** By depth, of the object that is open there: its names so far, and how many they are. */
  readonly #hashes: Int32Array
  readonly #counts: Int32Array
  readonly #known = new Set<number>()
  #names = 0

  /** @param depth the deepest nesting @param most the most names */
  constructor(depth: number, most: number) {
    this.#most = most
    this.#hashes = new Int32Array(depth + 1)
    this.#counts = new Int32Array(depth + 1)
  }

  open(depth: number): void {
    this.#hashes[depth] = 0
    this.#counts[depth] = 0
  }

  /** Adds the name that begins and ends at positions in a text to the object that is open. */
  name(depth: number, text: string, start: number, end: number): void {
    let hash = 0
    for (let at = start; at < end; at++) hash = mixed(hash, text.charCodeAt(at))
    this.#hashes[depth] = mixed(this.#hashes[depth] ?? 0, hash)
    this.#counts[depth] = (this.#counts[depth] ?? 0) + 1
    if (++this.#names > this.#most) throw new JsonTooManyPartsError(this.#most, 'property names')
  }

  close(depth: number): void {
    const hash = this.#hashes[depth] ?? 0
    if (this.#known.has(hash)) this.#names -= this.#counts[depth] ?? 0
    else this.#known.add(hash)
  }
}

/** Odd, and unknown to those who write answers, so that they cannot give two shapes the same hash. */
const FACTOR = randomInt(2 ** 31) | 1

/** A hash of 32 bits with a value added, each bit of which changes bits above and below it. */
function mixed(hash: number, value: number): number {
  const product = Math.imul(hash ^ value, FACTOR)
  return product ^ (product >>> 15)
}
