import { setTimeout as realSleep, setImmediate as turn } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { Api } from '../../src/predictions/apis/api.ts'
import { predictions } from '../../src/predictions/apis/index.ts'
import { createClient } from '../../src/predictions/client.ts'
import type { Clock } from '../../src/predictions/clock.ts'
import type { EndSignals } from '../../src/predictions/end-signal.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { createRateLimiter, type RateLimiter } from '../../src/predictions/rate-limiter.ts'
import { adaptiveSchedule, pacedSchedule, type Schedule } from '../../src/predictions/schedule.ts'
import { waitForPredictions } from '../../src/predictions/wait.ts'
import type { WaitObserver, WaitOptions } from '../../src/predictions/wait-options.ts'
import { seeded } from './faults.ts'

/** A clock on which hours pass in milliseconds: time goes on only when everybody sleeps. */
export class VirtualClock implements Clock {
  #now = 1000
  #sleepers: { at: number; wake: () => void }[] = []

  now(): number {
    return this.#now
  }

  sleep(seconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { at: this.#now + Math.max(0, seconds), wake: () => settle(resolve) }
      const settle = (how: () => void) => {
        signal?.removeEventListener('abort', abort)
        how()
      }
      const abort = () => {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#sleepers.push(sleeper)
    })
  }

  /** Lets time pass until the promise settles. Throws where it never can, because nobody sleeps. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const mark = () => {
      settled = true
    }
    promise.then(mark, mark)
    for (let idle = 0; !settled; ) {
      await turn()
      if (settled) break
      const next = this.#sleepers.reduce((a, b) => (b.at < a.at ? b : a), {
        at: Number.POSITIVE_INFINITY,
        wake: () => {},
      })
      if (next.at === Number.POSITIVE_INFINITY) {
        // Something may be under way that is not in virtual time, such as a look at a certificate.
        if (++idle > 2000) throw new Error('everybody waits and nobody sleeps')
        await realSleep(1)
        continue
      }
      idle = 0
      this.#sleepers.splice(this.#sleepers.indexOf(next), 1)
      this.#now = Math.max(this.#now, next.at)
      next.wake()
    }
    return promise
  }
}

/** What a scripted server does with one request: an answer, a failure of the connection, or silence. */
export type Reaction =
  | { status: number; body: string; headers?: Record<string, string>; latency?: number }
  | { code: string; latency?: number }
  | 'hang'

export interface ScriptedRequest {
  /** Seconds on the virtual clock since the script was made. */
  at: number
  method: string
  path: string
}

/** Without what adding fractions leaves behind. */
const rounded = (seconds: number) => Number(seconds.toFixed(6))

/**
 * A dispatcher whose server is a function of time: what undici would bring from a real one, without the network, so
 * that it can be asked in virtual time.
 */
export function scriptedDispatcher(
  clock: Clock,
  react: (request: ScriptedRequest, index: number) => Reaction,
): { dispatcher: Dispatcher; requests: ScriptedRequest[] } {
  const start = clock.now()
  const requests: ScriptedRequest[] = []
  const request = async (options: { path: string; method: string; signal: AbortSignal }) => {
    const made = { at: rounded(clock.now() - start), method: options.method, path: options.path }
    requests.push(made)
    const reaction = react(made, requests.length - 1)
    if (reaction === 'hang') {
      await new Promise((_, reject) =>
        options.signal.addEventListener('abort', () => reject(options.signal.reason), { once: true }),
      )
    } else {
      await clock.sleep(reaction.latency ?? 0.05, options.signal)
      if ('code' in reaction) throw Object.assign(new Error(reaction.code), { code: reaction.code })
      const { status, headers = {}, body } = reaction
      return { statusCode: status, headers, body: [Buffer.from(body)] }
    }
  }
  return { dispatcher: { request } as unknown as Dispatcher, requests }
}

export interface PlayOptions {
  /** What is waited for; predictions unless given. */
  api?: Api
  ids?: readonly string[]
  /** Seconds. */
  timeout?: number
  schedule?: () => Schedule
  parallelJobs?: number
  limiter?: RateLimiter
  signal?: AbortSignal
  random?: () => number
  /** Seconds until a request that hangs is given up. */
  requestTimeout?: number
  observer?: WaitObserver
  readsList?: boolean
  wantsLogs?: boolean
  endSignals?: EndSignals
  /** Milliseconds since the epoch. */
  date?: () => number
}

/** The key that every wait in virtual time uses. */
export const KEY = 'sk-test-0123456789abcdef'

/** What main waits with, against a server of {@link scriptedDispatcher}. */
export function waitOptions(clock: Clock, dispatcher: Dispatcher, options: PlayOptions = {}): WaitOptions {
  const { timeout = 1800, random = seeded(1), parallelJobs = 1, requestTimeout = 90, api = predictions } = options
  return {
    client: createClient({ api, apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock, requestTimeout }),
    clock,
    timeout,
    schedule: options.schedule ?? (() => pacedSchedule(adaptiveSchedule(random), api.shortestInterval)),
    limiter: options.limiter ?? createRateLimiter({ clock }),
    parallelJobs,
    observer: options.observer ?? { answered() {}, failed() {}, settled() {} },
    ...(options.date ? { date: options.date } : {}),
    endSignals: options.endSignals,
    readsList: options.readsList ?? true,
    wantsLogs: options.wantsLogs ?? false,
    signal: options.signal ?? new AbortController().signal,
    random,
  }
}

/** Starts a wait, as main does it. */
export const startWait = (clock: Clock, dispatcher: Dispatcher, options: PlayOptions = {}): Promise<Outcome[]> =>
  waitForPredictions(options.ids ?? ['abc'], waitOptions(clock, dispatcher, options))

/** Plays a wait against a server that reacts to each request by its time and number. `took` is in seconds. */
export async function playWait(
  react: (request: ScriptedRequest, index: number) => Reaction,
  options: PlayOptions = {},
): Promise<{ outcomes: Outcome[]; outcome: Outcome; requests: ScriptedRequest[]; took: number }> {
  const clock = new VirtualClock()
  const { dispatcher, requests } = scriptedDispatcher(clock, react)
  const start = clock.now()
  const outcomes = await clock.run(startWait(clock, dispatcher, options))
  const [outcome] = outcomes
  if (!outcome) throw new Error('no outcome')
  return { outcomes, outcome, requests, took: rounded(clock.now() - start) }
}
