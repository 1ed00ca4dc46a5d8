/** What a step of `run` costs: from many inputs to a file of each. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Simulator, startSimulator } from '../test/servers/simulator.ts'
import { actionEnv, type Measured, measure } from './processes.ts'
import type { Section } from './report.ts'

const ACTION = path.resolve(import.meta.dirname, '../dist/run.js')
const OFFICIAL = path.join(import.meta.dirname, 'official-run.mjs')
const MODEL = 'octo/cake'

/** Inputs, and how many of their predictions run at the same time. */
interface Step {
  count: number
  parallel: number
}
const STEPS: readonly Step[] = [
  { count: 1, parallel: 1 },
  { count: 20, parallel: 10 },
  { count: 60, parallel: 10 },
  { count: 500, parallel: 100 },
]
/** Bytes of the file that each makes. */
const FILE = 100_000

/** Seconds that the n-th prediction runs: from 2 to 4, spread evenly. */
const runTime = (n: number) => 2 + 2 * ((n * 0.618) % 1)

export async function run(): Promise<Section> {
  const rows: Section['rows'] = []
  for (const step of STEPS) {
    const ours = await measureStep(step, startOurs)
    const theirs = await measureStep(step, startOfficial)
    rows.push({
      inputs: String(step.count),
      'max-parallel': String(step.parallel),
      'least possible, s': leastTime(step).toFixed(1),
      'this action, s': ours.seconds.toFixed(1),
      'official client, s': theirs.seconds.toFixed(1),
      'time ×': (ours.seconds / theirs.seconds).toFixed(2),
      requests: String(ours.requests),
      'requests, official client': String(theirs.requests),
      'peak MB': ours.peak.toFixed(0),
      'peak MB, official client': theirs.peak.toFixed(0),
      'memory ×': (ours.peak / theirs.peak).toFixed(2),
    })
  }
  const title =
    'From inputs to files: `run` and the official client, which keeps each create request open until the prediction has ended; predictions of 2 to 4 s without a stream, a file of 100 kB each'
  return { name: 'run', title, rows }
}

/** Seconds that a pool takes which knows every end at once and spends no time of its own. */
function leastTime({ count, parallel }: Step): number {
  const free = Array.from({ length: parallel }, () => 0)
  for (let n = 0; n < count; n++) {
    const next = free.indexOf(Math.min(...free))
    free[next] = (free[next] ?? 0) + runTime(n)
  }
  return Math.max(...free)
}

/** Runs a program in a folder of its own, whose `out` takes the files. */
type Start = (step: Step, simulator: Simulator, folder: string) => Promise<Measured>

const inputsOf = ({ count }: Step) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`picture-${i}`, { prompt: `picture ${i}` }]))

const startOurs: Start = async (step, simulator, folder) => {
  const env = await actionEnv(folder, {
    'api-key': simulator.key,
    'api-url': simulator.apiUrl,
    model: MODEL,
    inputs: JSON.stringify(inputsOf(step)),
    'max-parallel': String(step.parallel),
    'output-dir': 'out',
    'file-name': '{name}',
  })
  return await measure(process.execPath, [ACTION], env, folder)
}

const startOfficial: Start = async (step, { key, apiUrl }, folder) => {
  const orders = path.join(folder, 'orders.json')
  const { parallel } = step
  const work = { model: MODEL, inputs: inputsOf(step), parallel, folder: path.join(folder, 'out') }
  await writeFile(orders, JSON.stringify({ auth: key, baseUrl: apiUrl, ...work }))
  return await measure(process.execPath, [OFFICIAL, orders], {}, folder)
}

/** @returns what was measured, and the requests to the API: those for files left out */
async function measureStep(step: Step, start: Start): Promise<Measured & { requests: number }> {
  let n = 0
  await using simulator: Simulator = await startSimulator({
    onCreate() {
      const output = [simulator.file(`${n}.bin`, { size: FILE })]
      return {
        moments: [
          { at: 0, status: 'processing' },
          { at: runTime(n++), status: 'succeeded', output },
        ],
        stream: 'none',
      }
    },
  })
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-run-'))
  await mkdir(path.join(folder, 'out'))
  const measured = await start(step, simulator, folder)
  const files = await readdir(path.join(folder, 'out'))
  await rm(folder, { recursive: true })
  if (measured.exitCode !== 0 || files.length !== step.count) {
    throw new Error(`ended with ${measured.exitCode} and ${files.length} files of ${step.count}`)
  }
  return { ...measured, requests: simulator.apiRequests().length }
}
