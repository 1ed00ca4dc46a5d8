import type { Clock } from '../clock.ts'
import { Host } from './host.ts'

/** Transfers of a step at once. */
const AT_ONCE = 12

/**
 * Shares out the transfers of a step among the hosts of its files. What one file learns of its host counts for all files
 * there: thousands of links to a dead host cost no more attempts than one.
 */
export class Hosts {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #random: () => number
  readonly #hosts = new Map<string, Host>()
  #active = 0
  /** When any host gave something last. */
  gaveAt: number | undefined

  /** @param signal ends every waiting */
  constructor({ clock, signal, random = Math.random }: { clock: Clock; signal: AbortSignal; random?: () => number }) {
    this.#clock = clock
    this.#signal = signal
    this.#random = random
    signal.addEventListener('abort', () => this.#abort())
  }

  /** The host of an origin, such as `https://cdn.example.com`. */
  of(origin: string): Host {
    let host = this.#hosts.get(origin)
    if (!host) {
      host = new Host({
        clock: this.#clock,
        signal: this.#signal,
        random: this.#random,
        freed: () => this.#pump(),
        hasRoom: () => this.#active < AT_ONCE,
        count: (change) => {
          this.#active += change
        },
        gave: (now) => {
          this.gaveAt = now
        },
      })
      this.#hosts.set(origin, host)
    }
    return host
  }

  #pump(): void {
    for (const host of this.#hosts.values()) host.pump()
  }

  #abort(): void {
    for (const host of this.#hosts.values()) host.abort(this.#signal.reason)
  }
}
