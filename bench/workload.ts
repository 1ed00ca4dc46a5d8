/** A seeded mix of predictions as they are seen in the field: how long they queue and run, and what their logs show when. */
import { seeded } from '../test/support/faults.ts'

export interface Simulated {
  kind: Kind
  /** Seconds from the creation to the start and to the end. */
  starts: number
  ends: number
  /** What the log has gained by which second, as the API shows it: flushed now and then, with a lag. */
  log: readonly { at: number; length: number }[]
  text: string
  /** Seconds of a round trip, typically. */
  roundTrip: number
}

/** Random draws of the shapes that durations have. */
export class Dice {
  readonly unit: () => number
  constructor(seed: number) {
    this.unit = seeded(seed)
    // The first draws of a linear congruence follow the seed too closely.
    for (let i = 0; i < 5; i++) this.unit()
  }
  between = (low: number, high: number) => low + (high - low) * this.unit()
  normal = () => Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit())
  /** Around a median, skewed to the long side. */
  skewed = (median: number, sigma: number, low = 0, high = Number.POSITIVE_INFINITY) =>
    Math.min(high, Math.max(low, median * Math.exp(sigma * this.normal())))
  chance = (probability: number) => this.unit() < probability
  pick = <T>(list: readonly T[]): T => list[Math.floor(this.unit() * list.length)] as T
}

const clock = (seconds: number) =>
  `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`

/** What happens in one prediction, in the order of time. */
class Story {
  readonly dice: Dice
  now: number
  readonly lines: { at: number; text: string }[] = []
  constructor(dice: Dice, start: number) {
    this.dice = dice
    this.now = start
  }
  pass(seconds: number): this {
    this.now += seconds
    return this
  }
  say(text: string): this {
    this.lines.push({ at: this.now, text: `${text}\n` })
    return this
  }
  /** A bar of tqdm that tells its rest by the speed of its last steps; `upTo` ends it early. */
  bar(steps: number, seconds: number, { slowStart = false, upTo = steps } = {}): this {
    const weights = Array.from(
      { length: upTo },
      (_, i) => Math.exp(0.08 * this.dice.normal()) * (slowStart && i === 0 ? 4 : 1),
    )
    const sum = weights.reduce((a, b) => a + b, 0)
    let speed = 0
    let elapsed = 0
    let shownAt = Number.NEGATIVE_INFINITY
    for (const [i, weight] of weights.entries()) {
      const step = (weight / sum) * seconds
      this.now += step
      elapsed += step
      speed = speed === 0 ? 1 / step : 0.7 * speed + 0.3 / step
      if (this.now - shownAt < 0.1 && i + 1 < upTo) continue
      shownAt = this.now
      const n = i + 1
      const rate = speed >= 1 ? `${speed.toFixed(2)}it/s` : `${(1 / speed).toFixed(2)}s/it`
      this.say(
        `${String(Math.floor((100 * n) / steps)).padStart(3)}%|${'█'.repeat(Math.floor((10 * n) / steps)).padEnd(10)}| ${n}/${steps} [${clock(elapsed)}<${clock((steps - n) / speed)}, ${rate}]`,
      )
    }
    return this
  }
}

const warmQueue = (dice: Dice) => (dice.chance(0.7) ? dice.between(0.01, 0.05) : dice.skewed(0.8, 0.8, 0.05, 6))
const diffusion = (story: Story) =>
  story
    .say('Using seed')
    .pass(story.dice.between(0.1, 0.8))
    .bar(story.dice.pick([20, 28, 40, 50]), story.dice.skewed(5, 0.45, 1, 15), { slowStart: story.dice.chance(0.15) })
    .pass(story.dice.skewed(0.8, 0.5, 0.25, 4))
const medium = (story: Story) =>
  story
    .say('loading')
    .pass(story.dice.skewed(2, 0.6, 0.3, 10))
    .bar(story.dice.pick([25, 40, 50]), story.dice.skewed(45, 0.4, 20, 100), { slowStart: story.dice.chance(0.2) })
    .say('saving')
    .pass(story.dice.skewed(5, 0.6, 1, 25))
const video = (story: Story) =>
  story
    .say('Running workflow')
    .pass(story.dice.skewed(10, 0.5, 2, 40))
    .bar(story.dice.pick([20, 30, 50]), story.dice.skewed(480, 0.35, 240, 1100), { slowStart: story.dice.chance(0.2) })
    .say('decoding')
    .pass(story.dice.skewed(20, 0.6, 4, 90))

interface KindOf {
  queue(dice: Dice): number
  run(story: Story): void
}

/** Kinds of predictions: how they queue and what they do then. */
const KINDS = {
  'image, under a second': {
    queue: (dice) => dice.skewed(0.25, 1, 0.01, 3),
    run: (story) =>
      story
        .say('Using seed')
        .pass(story.dice.between(0.05, 0.15))
        .bar(4, story.dice.skewed(0.3, 0.2))
        .pass(story.dice.skewed(0.2, 0.4, 0.08, 1)),
  },
  'image with a bar': { queue: warmQueue, run: diffusion },
  'image with text': {
    queue: warmQueue,
    run: (story) =>
      story
        .say('Generating...')
        .pass(story.dice.skewed(8, 0.55, 2, 40))
        .say('Generated image')
        .pass(story.dice.between(0.1, 0.4)),
  },
  'half a minute with a bar': { queue: warmQueue, run: medium },
  'half a minute, silent': { queue: warmQueue, run: (story) => story.pass(story.dice.skewed(45, 0.5, 20, 150)) },
  'video with a bar': { queue: (dice) => dice.skewed(0.5, 1, 0.01, 10), run: video },
  'video with text': {
    queue: warmQueue,
    run(story) {
      const end = story.now + story.dice.skewed(150, 0.5, 40, 900)
      while (story.now + 30 < end) story.pass(30).say('Still generating...')
      story
        .pass(Math.max(0, end - story.now))
        .say('Retrieving video...')
        .pass(story.dice.skewed(3, 0.4, 0.8, 10))
    },
  },
  'cold start': {
    queue: (dice) => dice.skewed(90, 0.7, 30, 300),
    run: (story) => diffusion(story.dice.chance(0.6) ? story.bar(7, story.dice.skewed(1.5, 0.5)).pass(0.5) : story),
  },
  'ComfyUI graph': {
    queue: (dice) => (dice.chance(0.3) ? dice.skewed(60, 0.7, 20, 200) : warmQueue(dice)),
    run(story) {
      story.say('got prompt').pass(story.dice.skewed(4, 0.5))
      for (let node = story.dice.pick([2, 3, 4]); node > 0; node--) {
        story.say('Executing node').bar(20, story.dice.skewed(8, 0.5)).pass(story.dice.between(0.2, 1.5))
      }
      story
        .say('VAE Decode')
        .pass(story.dice.skewed(6, 0.8, 1, 40))
        .say('Prompt executed')
        .pass(story.dice.between(0.2, 2.5))
    },
  },
  'a bar that misleads': {
    queue: warmQueue,
    run(story) {
      if (story.dice.chance(0.5)) story.pass(0.5).bar(20, story.dice.skewed(2, 0.4)).pass(story.dice.skewed(11, 0.4))
      else story.bar(3, story.dice.skewed(9, 0.4), { upTo: 2 }).pass(story.dice.skewed(26, 0.4))
    },
  },
  failure: {
    queue: warmQueue,
    run(story) {
      if (story.dice.chance(0.4)) return void story.say('Traceback').pass(story.dice.between(0.05, 1))
      const start = story.now
      story.dice.pick([diffusion, medium, video])(story)
      const end = start + (story.now - start) * story.dice.unit()
      story.lines.splice(0, story.lines.length, ...story.lines.filter(({ at }) => at <= end))
      story.now = end
    },
  },
  'a few seconds, silent': { queue: warmQueue, run: (story) => story.pass(story.dice.skewed(4, 0.7, 0.5, 25)) },
  percentages: {
    queue: warmQueue,
    run(story) {
      const seconds = story.dice.skewed(40, 0.6, 8, 200)
      for (let percent = 5; percent <= 100; percent += 5) story.pass(seconds / 20).say(`Progress: ${percent}%`)
      story.pass(story.dice.skewed(2, 0.6, 0.3, 10))
    },
  },
  'nested bars': {
    queue: warmQueue,
    run(story) {
      for (let bars = Math.round(story.dice.skewed(100, 0.4, 30, 300)); bars > 0; bars--) {
        story.bar(10, story.dice.skewed(1, 0.15)).pass(0.15)
      }
      story.pass(story.dice.skewed(3, 0.5))
    },
  },
  training: { queue: warmQueue, run: (story) => story.pass(story.dice.skewed(900, 0.5, 300, 1750)) },
} satisfies Record<string, KindOf>
export type Kind = keyof typeof KINDS

/** Shares of the kinds in each mix. */
export const MIXES: Readonly<Record<string, Partial<Record<Kind, number>>>> = {
  realistic: {
    'image, under a second': 14,
    'image with a bar': 20,
    'image with text': 14,
    'half a minute with a bar': 8,
    'half a minute, silent': 4,
    'video with a bar': 3,
    'video with text': 7,
    'cold start': 8,
    'ComfyUI graph': 5,
    'a bar that misleads': 3,
    failure: 5,
    'a few seconds, silent': 5,
    percentages: 2,
    'nested bars': 1,
    training: 1,
  },
  images: { 'image, under a second': 30, 'image with a bar': 40, 'image with text': 30 },
  videos: { 'video with a bar': 35, 'video with text': 35, 'half a minute with a bar': 20, 'cold start': 10 },
  silent: {
    'image with text': 30,
    'half a minute, silent': 20,
    'video with text': 25,
    'a few seconds, silent': 20,
    training: 5,
  },
  'cold starts': { 'cold start': 60, 'ComfyUI graph': 20, 'image with a bar': 20 },
  'hostile bars': { 'a bar that misleads': 30, 'nested bars': 30, failure: 20, 'ComfyUI graph': 20 },
}

function simulate(kind: Kind, dice: Dice): Simulated {
  const { queue, run }: KindOf = KINDS[kind]
  const starts = queue(dice)
  const story = new Story(dice, starts)
  run(story)
  // A log is flushed when it grows and the last flush is some time ago; a tenth of the predictions show none.
  const pause = dice.between(0.5, 2)
  const hidden = dice.chance(0.1)
  const log: { at: number; length: number }[] = []
  let text = ''
  let flushed = Number.NEGATIVE_INFINITY
  for (const line of story.lines) {
    text += line.text
    if (hidden || line.at - flushed < pause) continue
    flushed = line.at
    log.push({ at: line.at + dice.between(0.05, 0.4), length: text.length })
  }
  return { kind, starts, ends: story.now, log, text, roundTrip: dice.between(0.05, 0.3) }
}

/** A mix of `count` predictions; the same for the same seed. */
export function sample(mix: string, count: number, seed: number): Simulated[] {
  const shares = Object.entries(MIXES[mix] ?? {}) as [Kind, number][]
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  const dice = new Dice(seed)
  return Array.from({ length: count }, (_, i) => {
    let at = dice.unit() * total
    const [kind] = shares.find(([, share]) => {
      at -= share
      return at < 0
    }) ?? ['training']
    return simulate(kind, new Dice(seed * 1_000_003 + i * 7919))
  })
}

/** The log as the API shows it at a second. */
export function logAt({ log, text }: Simulated, at: number): string {
  let low = 0
  let high = log.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((log[middle]?.at ?? 0) <= at) low = middle + 1
    else high = middle
  }
  return text.slice(0, log[low - 1]?.length ?? 0)
}
