import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Recorded, type RequestMoment, type Simulator, startSimulator } from '../servers/simulator.ts'
import { type RunResult, runAction, startAction } from '../support/run-action.ts'

const COUNT = 10
const NAMES = Array.from({ length: COUNT }, (_, i) => `n${i + 1}`)
/** Predictions that run on; the others end after a moment, with a file. */
const SLOW = new Set(['n3', 'n6', 'n9'])

/** The n-th request of a kind at one of its moments, each from 1. */
interface KillPoint {
  kind: 'creation' | 'poll' | 'file'
  number: number
  moment: RequestMoment
}

const pointsOf = (kind: KillPoint['kind'], numbers: readonly number[], moments: readonly RequestMoment[]) =>
  numbers.flatMap((number) => moments.map((moment): KillPoint => ({ kind, number, moment })))

/** Every creation, and the first, a middle and a late request of those that come in no fixed order. */
const POINTS = [
  ...pointsOf(
    'creation',
    NAMES.map((_, i) => i + 1),
    ['arrived', 'carried out', 'answered'],
  ),
  ...pointsOf('poll', [1, 5, 10], ['arrived', 'answered']),
  ...pointsOf('file', [1, 4, 7], ['arrived', 'answered']),
]

const isCreation = ({ method, url }: Recorded) => method === 'POST' && url.endsWith('/predictions')

function kindOf(request: Recorded): KillPoint['kind'] | undefined {
  if (isCreation(request)) return 'creation'
  if (request.method !== 'GET') return undefined
  return request.url.startsWith('/files/') ? 'file' : 'poll'
}

/** As the runner cancels a job: SIGINT, SIGTERM after 7.5 s, the end after 2.5 s more. */
async function cancel(child: ChildProcess): Promise<void> {
  const ended = new AbortController()
  child.once('exit', () => ended.abort())
  child.kill('SIGINT')
  await sleep(7500, undefined, { signal: ended.signal })
    .then(() => child.kill('SIGTERM'))
    .then(() => sleep(2500, undefined, { signal: ended.signal }))
    .then(() => child.kill('SIGKILL'))
    .catch(() => {})
}

const END: Readonly<Record<string, (child: ChildProcess) => unknown>> = {
  SIGINT: cancel,
  SIGKILL: (child) => child.kill('SIGKILL'),
}

/** What a run that was ended at a point left behind. */
interface Cut {
  main: RunResult
  post: RunResult
  /** What was created at the API, from its own list. */
  created: { id: string; status: string; input: { prompt: string } }[]
  /** Creations that arrived before the signal was sent, and after. */
  earlier: number
  later: number
}

/** Runs ten inputs, ends the step at a point, in which the API holds its request until the step has ended, then runs post. */
async function cutAt(point: KillPoint, end: (child: ChildProcess) => unknown): Promise<Cut> {
  const seen = new Map<Recorded, number>()
  const counts = { creation: 0, poll: 0, file: 0 }
  let kill = () => Promise.resolve()
  await using simulator: Simulator = await startSimulator({
    async onMoment(moment, request) {
      const kind = kindOf(request)
      if (kind === undefined) return
      if (moment === 'arrived') seen.set(request, ++counts[kind])
      const isPoint = kind === point.kind && moment === point.moment && seen.get(request) === point.number
      if (isPoint) await kill()
    },
    onCreate({ input }) {
      const prompt = String(input.prompt)
      const url = simulator.file(`${prompt}.txt`, { body: Buffer.from(prompt), type: 'text/plain' })
      const end = { at: SLOW.has(prompt) ? 600 : 0.1, status: 'succeeded', output: [url] }
      return { moments: [{ at: 0, status: 'processing' }, end], stream: 'none' }
    },
  })
  const inputs = {
    'api-key': simulator.key,
    'api-url': simulator.apiUrl,
    model: 'octo/cake',
    inputs: JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, { prompt: name }]))),
    'max-parallel': '5',
    'output-dir': 'pictures',
  }
  const action = await startAction({ action: 'run', inputs })
  let atSignal: number | undefined
  kill = async () => {
    atSignal = simulator.requests.filter(isCreation).length
    const ended = once(action.child, 'exit')
    end(action.child)
    await ended
  }
  const main = await action.result
  assert.ok(atSignal !== undefined, `the point was never reached:\n${main.log}`)
  const post = await runAction({ action: 'run', step: 'post', inputs, state: main.state })
  const earlier = atSignal
  const later = simulator.requests.filter(isCreation).length - earlier
  const list = await fetch(`${simulator.apiUrl}/predictions`, { headers: { authorization: `Bearer ${simulator.key}` } })
  const { results } = (await list.json()) as { results: Cut['created'] }
  await using _home = main
  await using _postHome = post
  return { main, post, created: results, earlier, later }
}

/** Whether a prediction is named as one that may run although its ID is not known. */
const isNamed = (name: string, { main, post }: Cut): boolean =>
  post.log.includes(`while a prediction for ${name} was being started. It may be running`) ||
  main.lines.some((line) => line.includes(` ${name}: `) && line.includes('may have been started anyway'))

/**
 * How many creations may arrive after the signal was sent. They go one after another, so none while one is held. Else one
 * may be on its way, and as many more as the process saw answered before SIGINT reached it, which its log tells.
 */
function mostLater({ kind, moment }: KillPoint, signal: string, { main, earlier }: Cut): number {
  if (kind === 'creation' && moment !== 'answered') return 0
  if (signal === 'SIGKILL') return 1
  const told = main.log.indexOf('\nSIGINT: ')
  assert.notEqual(told, -1, `the signal is not told:\n${main.log}`)
  const answered = main.log.slice(0, told).match(/^::debug::POST \S+\/predictions: 201/gm) ?? []
  return Math.max(0, answered.length + 1 - earlier)
}

describe('a run of ten inputs that is ended', { concurrency: 4 }, () => {
  for (const [signal, end] of Object.entries(END)) {
    for (const point of POINTS) {
      const { kind, number, moment } = point
      test(`every prediction is canceled or reported if ${signal} ends run when ${kind} ${number} has ${moment === 'arrived' ? '' : 'been '}${moment}`, async () => {
        const cut = await cutAt(point, end)
        const { main, post, created, later } = cut
        const logs = `${main.log}\n--- post ---\n${post.log}`
        for (const { id, status, input } of created) {
          const isKnown = main.log.includes(id) || post.log.includes(id)
          const isOver = status === 'canceled' || (status === 'succeeded' && isKnown)
          assert.ok(isOver || isNamed(input.prompt, cut), `${input.prompt} ${id} is ${status}:\n${logs}`)
        }
        assert.equal(new Set(created.map(({ input }) => input.prompt)).size, created.length, 'nothing is created twice')
        assert.ok(later <= mostLater(point, signal, cut), `${later} were created after the signal:\n${logs}`)
        assert.equal(post.exitCode, 0, logs)
        if (signal === 'SIGINT') {
          assert.equal(main.exitCode, 1, logs)
          assert.equal(JSON.parse(main.outputs.predictions ?? '').length, COUNT, logs)
        }
      })
    }
  }
})
