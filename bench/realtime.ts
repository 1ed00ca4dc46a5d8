/** The same in real time: ours and the official client side by side against one simulated API. */
import Replicate, { type Prediction } from 'replicate'
import { Agent } from 'undici'
import { createClient } from '../src/predictions/client.ts'
import { systemClock as clock } from '../src/predictions/clock.ts'
import { createEndSignals } from '../src/predictions/end-signal.ts'
import { openUntrustedNetwork } from '../src/predictions/network/untrusted-network.ts'
import { createRateLimiter } from '../src/predictions/rate-limiter.ts'
import { adaptiveSchedule } from '../src/predictions/schedule.ts'
import { waitForPredictions } from '../src/predictions/wait.ts'
import { type Simulator, startSimulator } from '../test/servers/simulator.ts'
import { figures, mean, OFFICIAL, OURS, PUSHED, RING } from './noticing.ts'
import type { Section } from './report.ts'
import { Dice, logAt, type Simulated, sample } from './workload.ts'

interface Result {
  requests: number
  /** Seconds from the end of a prediction to our knowing it; those that were lost are not among them. */
  delays: number[]
  lost: number
}

type Wait = (simulator: Simulator, id: string) => Promise<boolean>

/** Plays predictions on a simulator of its own, all at once, and waits for each. */
async function run(
  predictions: readonly Simulated[],
  wait: (simulator: Simulator) => Wait,
  requestsPerMinute?: number,
): Promise<Result> {
  await using simulator = await startSimulator(requestsPerMinute === undefined ? {} : { requestsPerMinute })
  const one = wait(simulator)
  const dice = new Dice(predictions.length)
  const start = performance.now()
  const results = await Promise.all(
    predictions.map(async (prediction) => {
      const log = prediction.log.map(({ at }, i) => ({
        at,
        logs: logAt(prediction, at).slice(prediction.log[i - 1]?.length ?? 0),
      }))
      const moments = [
        ...log,
        { at: prediction.starts, status: 'processing' },
        { at: prediction.ends, status: 'succeeded', output: 'x' },
      ].toSorted((a, b) => a.at - b.at)
      const { roundTrip } = prediction
      const streamLag = roundTrip / 2 + dice.between(...RING)
      const id = simulator.add({ moments: [{ at: 0, status: 'starting' }, ...moments], roundTrip, streamLag })
      const green = await one(simulator, id).catch(() => false)
      return green ? (performance.now() - start) / 1000 - prediction.ends : undefined
    }),
  )
  const delays = results.filter((delay) => delay !== undefined)
  return { requests: simulator.requests.length, delays, lost: predictions.length - delays.length }
}

const ours =
  (push: boolean, parallelJobs = 1) =>
  (simulator: Simulator): Wait => {
    const dispatcher = new Agent({ connections: 256 })
    const endSignals = push
      ? createEndSignals(
          openUntrustedNetwork({ apiUrl: simulator.apiUrl, allowedHosts: [] }, {}, { connections: 256 }),
          clock,
          256,
        )
      : undefined
    const client = createClient({ apiUrl: simulator.apiUrl, apiKey: simulator.key, dispatcher, clock })
    const signal = new AbortController().signal
    return async (_, id) => {
      const observer = { answered() {}, failed() {}, settled() {} }
      const [outcome] = await waitForPredictions([id], {
        client,
        clock,
        timeout: 600,
        schedule: () => adaptiveSchedule(),
        limiter: createRateLimiter({ clock }),
        endSignals,
        parallelJobs,
        observer,
        signal,
      })
      return outcome?.status === 'succeeded'
    }
  }

const official = (simulator: Simulator): Wait => {
  const replicate = new Replicate({ auth: simulator.key, baseUrl: simulator.apiUrl })
  // Of a prediction it reads only the ID, and requests it at once.
  return async (_, id) => (await replicate.wait({ id } as Prediction, { interval: 500 })).status === 'succeeded'
}

/** Short predictions, so that a run of them takes half a minute. */
const short = (count: number, seed: number) =>
  sample('images', count * 2, seed)
    .filter(({ ends }) => ends > 2 && ends < 25)
    .slice(0, count)

/** The ratios of real time beside those of the simulation of the very same predictions. */
export async function realtime(): Promise<Section> {
  const predictions = short(150, 11)
  const clients = [
    { policy: OFFICIAL, client: official },
    { policy: OURS, client: ours(false) },
    { policy: PUSHED, client: ours(true) },
  ]
  const measured: { name: string; real: Pair; simulated: Pair }[] = []
  for (const { policy, client } of clients) {
    const { requests, delays } = await run(predictions, client)
    const simulated = figures(predictions, policy)
    measured.push({
      name: policy.name,
      real: [requests / predictions.length, mean(delays)],
      simulated: [simulated.requests, simulated.mean],
    })
  }
  const [theirs] = measured
  if (!theirs) throw new Error('nothing was measured')
  return {
    name: 'realtime',
    title: `The same in real time: ${predictions.length} predictions of ${mean(predictions.map(({ ends }) => ends)).toFixed(1)} s against the simulated API, beside the ratios of virtual time`,
    rows: measured.map(({ name, real, simulated }) => {
      const ratios = ratiosOf(real, theirs.real)
      const expected = ratiosOf(simulated, theirs.simulated)
      const off = Math.max(...ratios.map((ratio, i) => Math.abs(ratio / (expected[i] ?? Number.NaN) - 1)))
      return {
        client: name,
        requests: real[0].toFixed(1),
        'mean s': real[1].toFixed(2),
        'requests ×': ratios[0].toFixed(2),
        'delay ×': ratios[1].toFixed(2),
        'simulated requests ×': expected[0].toFixed(2),
        'simulated delay ×': expected[1].toFixed(2),
        'off by': `${(off * 100).toFixed(0)} %`,
      }
    }),
  }
}

/** Requests of a prediction, and seconds until its end is noticed. */
type Pair = readonly [number, number]
const ratiosOf = (mine: Pair, theirs: Pair): Pair => [mine[0] / theirs[0], mine[1] / theirs[1]]

export async function jobs(): Promise<Section> {
  const predictions = short(256, 12)
  const theirs = await run(predictions, official, 3000)
  const mine = await run(predictions, ours(false, 256), 3000)
  return {
    name: 'jobs',
    title: '256 jobs at once on an account of 3,000 requests a minute',
    rows: [
      {
        client: 'official client',
        requests: String(theirs.requests),
        'jobs lost': String(theirs.lost),
        'requests ×': '1.00',
      },
      {
        client: 'this action, parallel-jobs 256',
        requests: String(mine.requests),
        'jobs lost': String(mine.lost),
        'requests ×': (mine.requests / theirs.requests).toFixed(2),
      },
    ],
  }
}
