import type { Clock } from './clock.ts'
import { progressOf } from './progress.ts'
export const SHARERS_FREE = 40
export interface Look {
  now: number
  started: boolean
  logs: string
  sharers: number
  streaming: boolean
  woken: boolean
}
export interface Schedule {
  first(sharers: number): number
  next(look: Look): number
  left(now: number): number | undefined
}
const clamp = (x: number, lo: number, hi: number) => Math.min(hi, Math.max(lo, x))
export function adaptiveSchedule(random: () => number = Math.random): Schedule {
  let started: number | undefined,
    last = 0,
    eta: number | undefined,
    seen = '',
    polls = 0
  const share = (n: number) => (n > 40 ? n / 40 : 0)
  return {
    first: (n) => share(n) * random(),
    next({ now, started: s, logs, sharers }) {
      polls++
      if (started === undefined && s) started = last
      last = now
      const blind = started === undefined ? clamp(0.1 * now, 0.45, 3) : Math.max(0.45, 0.05 * Math.sqrt(now - started))
      const mark = progressOf(logs)
      if (mark && mark.at !== seen) {
        seen = mark.at
        if (mark.fraction >= 1) eta = now
        else if (mark.left !== undefined) eta = now + mark.left
      }
      let wait =
        eta === undefined
          ? blind
          : eta > now
            ? clamp(0.65 * (eta - now), 0.25, Math.max(2, 0.4 * Math.sqrt(now - (started ?? 0))))
            : clamp(0.04 * (now - eta), 0.25, blind)
      if (polls > 10 + now / 0.75) wait = Math.max(wait, blind, 0.75)
      return Math.max(wait * (0.9 + 0.2 * random()), share(sharers) * (0.75 + 0.5 * random()))
    },
    left: (now) => (eta === undefined || eta <= now ? undefined : eta - now),
  }
}
export const fixedSchedule = (seconds: number): Schedule => ({
  first: () => 0,
  next: () => seconds,
  left: () => undefined,
})
export interface Budget {
  take(signal: AbortSignal): Promise<void>
}
export function createBudget({ clock, perSecond = 40 }: { clock: Clock; perSecond?: number }): Budget {
  let free = Number.NEGATIVE_INFINITY
  return {
    async take(signal) {
      const at = Math.max(clock.now(), free)
      free = at + 1 / perSecond
      if (at > clock.now()) await clock.sleep(at - clock.now(), signal)
    },
  }
}
