/** Many predictions in one process, and how soon their files are on disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Simulator, startSimulator } from '../test/servers/simulator.ts'
import { ACTION, actionEnv, type Measured, measure, OFFICIAL, writeOrders } from './processes.ts'
import { median, type Section } from './report.ts'

type Program = 'ours' | 'official'

const COUNTS = [1, 10, 100, 1000, 5000]
/** More predictions than this the official client does not ask about here: it would ask 10,000 times a second. */
const MOST_OF_OFFICIAL = 1000
/** Without a list more than this take minutes: 40 requests a second are shared by all. */
const MOST_WITHOUT_LIST = 1000
/** Up to this many hardly keep the machine busy, so they are measured at once. */
const SMALL = 100

/** The predictions of one process end evenly within these seconds. */
const endsOf = (count: number) => Array.from({ length: count }, (_, i) => 2 + (18 * i) / count)

export async function ids(): Promise<Section> {
  const kinds = [
    { program: 'ours', list: true, most: Number.POSITIVE_INFINITY },
    { program: 'ours', list: false, most: MOST_WITHOUT_LIST },
    { program: 'official', list: true, most: MOST_OF_OFFICIAL },
  ] as const
  const runs = kinds.flatMap((kind) =>
    COUNTS.filter((count) => count <= kind.most).map((count) => ({ ...kind, count })),
  )
  const wait = async (run: (typeof runs)[number]) => ({
    ...run,
    measured: await waitForMany(run.count, run.program, run.list),
  })
  const results = await Promise.all(runs.filter(({ count }) => count <= SMALL).map(wait))
  for (const run of runs.filter(({ count }) => count > SMALL)) results.push(await wait(run))
  const of = (count: number, program: Program, list: boolean) =>
    results.find((each) => each.count === count && each.program === program && each.list === list)?.measured
  const rows = COUNTS.flatMap((count) =>
    [true, false].flatMap((list) => {
      const [our, their] = [of(count, 'ours', list), of(count, 'official', true)]
      return our ? [rowOfMany(count, list, our, their)] : []
    }),
  )
  return {
    name: 'ids',
    title: 'Many IDs in one process, predictions of 2 to 20 s without a stream, at an API with a list and one without',
    rows,
  }
}

type OfMany = Measured & { requests: number }

function rowOfMany(count: number, list: boolean, our: OfMany, their: OfMany | undefined): Record<string, string> {
  const last = endsOf(count).at(-1) ?? 0
  return {
    ids: String(count),
    list: list ? 'yes' : 'no',
    requests: String(our.requests),
    'requests, official client': String(their?.requests ?? 'not run'),
    'requests ×': their ? (our.requests / their.requests).toFixed(3) : '',
    'peak MB': our.peak.toFixed(0),
    'peak MB, official client': their?.peak.toFixed(0) ?? '',
    'last notice, s': (our.seconds - last).toFixed(1),
    'last notice, official client, s': their ? (their.seconds - last).toFixed(1) : '',
  }
}

/** Waits in one process for predictions that end one after the other. */
async function waitForMany(count: number, program: Program, list: boolean): Promise<OfMany> {
  await using simulator = await startSimulator({ list: { answer: list ? 'served' : 'missing' } })
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-ids-'))
  // Short ids: 5,000 of the usual 26 characters are more than one environment variable holds on Linux.
  const predictions = endsOf(count).map((at, i) =>
    simulator.add({
      id: `p${i}`,
      moments: [
        { at: 0, status: 'processing' },
        { at, status: 'succeeded', output: 'x' },
      ],
      stream: 'none',
    }),
  )
  const measured = await wait(simulator, predictions, program, folder)
  await rm(folder, { recursive: true })
  return { ...measured, requests: simulator.requests.length }
}

/** Waits for predictions in a process of its own. @throws if it does not end well */
async function wait(
  simulator: Simulator,
  predictions: readonly string[],
  program: Program,
  folder: string,
  inputs: Record<string, string> = {},
): Promise<Measured> {
  const env = await actionEnv(folder, {
    'prediction-id': predictions.join(','),
    'api-key': simulator.key,
    'api-url': simulator.apiUrl,
    ...inputs,
  })
  const command = program === 'ours' ? [ACTION] : [OFFICIAL, await writeOrders(folder, simulator, predictions)]
  const measured = await measure(process.execPath, command, env, folder)
  if (measured.exitCode !== 0) throw new Error(`${program} ended with ${measured.exitCode}`)
  return measured
}

/** What is measured from the end to the file, and how many pairs of it. */
const DELIVERED = [
  { count: 1, stream: 'honest', pairs: 3 },
  { count: 1, stream: 'none', pairs: 3 },
  { count: 10, stream: 'none', pairs: 2 },
  { count: 100, stream: 'none', pairs: 2 },
] as const
type Delivered = (typeof DELIVERED)[number]

/** Bytes of a file, as of a picture of a megapixel. */
const PICTURE = 1.5e6

/** Seconds from the last end of some predictions to all their files on disk, each program from its start to its exit. */
export async function delivered(): Promise<Section> {
  const rows: Section['rows'] = []
  for (const each of DELIVERED) {
    const ours: number[] = []
    const theirs: number[] = []
    // The first pair warms the caches of the system.
    for (let i = 0; i <= each.pairs; i++) {
      // Ends at all phases of a polling interval of half a second.
      const end = 4 + ((i * 0.37) % 1)
      const mine = await timeToFiles(end, each, 'ours')
      const other = await timeToFiles(end, each, 'official')
      if (i === 0) continue
      ours.push(mine)
      theirs.push(other)
    }
    rows.push({
      predictions: String(each.count),
      stream: each.stream === 'honest' ? 'yes' : 'no',
      'official client, then curl, s': median(theirs).toFixed(2),
      'this action, verified, s': median(ours).toFixed(2),
      'time ×': median(ours.map((seconds, i) => seconds / (theirs[i] ?? Number.NaN))).toFixed(2),
    })
  }
  const title =
    'From the end of the last prediction to all files on disk, 1.5 MB for each prediction, with a progress bar in its log: whole processes in pairs, median'
  return { name: 'delivered', title, rows }
}

/** The log of a model that draws in steps, until `seconds` have passed. */
const progressBar = (steps: number, seconds: number) =>
  Array.from({ length: steps }, (_, i) => {
    const [done, at] = [i + 1, ((i + 1) / steps) * seconds]
    const clock = (time: number) => `00:${String(Math.floor(time)).padStart(2, '0')}`
    const left = `${clock(at)}<${clock(seconds - at)}, ${(steps / seconds).toFixed(2)}it/s`
    return { at, logs: `${Math.floor((100 * done) / steps)}%|${'█'.repeat(i / 2)}| ${done}/${steps} [${left}]\n` }
  })

/** @param last seconds after the start of the process @returns seconds from then to the exit of the last process */
async function timeToFiles(last: number, { count, stream }: Delivered, program: Program): Promise<number> {
  await using simulator = await startSimulator()
  const urls = Array.from({ length: count }, (_, i) => simulator.file(`out-${i}.bin`, { size: PICTURE }))
  const predictions = urls.map((url, i) => {
    const end = last - (1.5 * (count - 1 - i)) / count
    return simulator.add({
      moments: [
        { at: 0, status: 'processing' },
        ...progressBar(20, end - 0.2),
        { at: end, status: 'succeeded', output: [url] },
      ],
      stream,
    })
  })
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-delivered-'))
  const runs = [await wait(simulator, predictions, program, folder, { 'output-dir': 'out' })]
  if (program === 'official') {
    const options = ['--silent', '--fail', '--parallel', '--output-dir', folder, '--remote-name-all']
    const curl = await measure('curl', [...options, ...urls])
    if (curl.exitCode !== 0) throw new Error(`curl ended with ${curl.exitCode}`)
    runs.push(curl)
  }
  await rm(folder, { recursive: true })
  return runs.reduce((total, { seconds }) => total + seconds, 0) - last
}
