/** Matches under way that have come to one position in the text; of two at the same place only the longer one counts. */
export class Threads {
  count = 0
  readonly places: Int32Array
  readonly from: Int32Array
  readonly lengths: Int32Array
  readonly #slots: Int32Array

  constructor(size: number) {
    this.places = new Int32Array(size)
    this.from = new Int32Array(size)
    this.lengths = new Int32Array(size)
    this.#slots = new Int32Array(size)
  }

  add(place: number, from: number, length: number): void {
    let slot = this.#slots[place] ?? 0
    if (slot < this.count && this.places[slot] === place) {
      if ((this.lengths[slot] ?? 0) >= length) return
    } else {
      slot = this.count++
      this.#slots[place] = slot
      this.places[slot] = place
    }
    this.from[slot] = from
    this.lengths[slot] = length
  }

  addAll(others: Threads): void {
    for (let i = 0; i < others.count; i++) this.add(others.places[i] ?? 0, others.from[i] ?? 0, others.lengths[i] ?? 0)
  }
}
