/**
 * Plays random scripts of faults against the wait in virtual time until the minutes are over, and stops at the first
 * outcome that is not the one that the script demands. `npm run soak -- --minutes 10 [--seed N]`
 */
import { parseArgs } from 'node:util'
import { readStatus } from '../src/predictions/prediction.ts'
import { randomScript, seeded } from '../test/support/faults.ts'
import { playWait } from '../test/support/virtual-time.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } } })
const until = performance.now() + Number(values.minutes) * 60_000
let seed = Number(values.seed ?? Date.now() % 1e9)
console.log(`seed ${seed}`)

let played = 0
let requestsMade = 0
let hours = 0
for (; performance.now() < until; seed++, played++) {
  const random = seeded(seed)
  const script = randomScript(random)
  const { outcome, requests, took } = await playWait((request) => script.react(request), {
    timeout: script.timeout,
    random,
  })
  const { ended, timeout } = script.right
  const right =
    outcome.end === 'ended'
      ? ended !== undefined && outcome.status === readStatus(ended).status
      : outcome.end === 'timeout' && timeout
  if (!right || took > script.timeout + 1e-6 || requests.length > 15 + took / 0.45) {
    console.error(
      `seed ${seed}: ${outcome.end} ${outcome.status} after ${took} s and ${requests.length} requests; expected ${JSON.stringify({ ...script.right, timeout: script.timeout })}`,
    )
    process.exit(1)
  }
  requestsMade += requests.length
  hours += took / 3600
}
console.log(
  `${played} scripts, ${requestsMade} requests, ${hours.toFixed(0)} hours of virtual time: every outcome was as expected`,
)
