/** Whole processes: what a step costs from its start to its end, beside what people would use in its place. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { startSimulator } from '../test/simulator.ts'
import { actionEnv, type Measured, measure } from './processes.ts'
import { median, type Section } from './report.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const ACTION = path.join(ROOT, 'dist/main/index.js')
const PAIRS = 15

export async function start(): Promise<Section> {
  await using simulator = await startSimulator()
  const id = simulator.ended({ output: 'x' })
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-start-'))
  const env = await actionEnv(folder, { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl })
  const official = path.join(ROOT, 'node_modules/.bench-official.mjs')
  await writeFile(
    official,
    `import Replicate from 'replicate'\nawait new Replicate({ auth: '${simulator.key}', baseUrl: '${simulator.apiUrl}' }).predictions.get('${id}')\n`,
  )
  const bare = path.join(folder, 'fetch.mjs')
  await writeFile(
    bare,
    `await (await fetch('${simulator.apiUrl}/predictions/${id}', { headers: { authorization: 'Bearer ${simulator.key}' } })).json()\n`,
  )
  const scripts = { ours: ACTION, official, bare }
  const runs: Record<keyof typeof scripts, Measured[]> = { ours: [], official: [], bare: [] }
  for (let i = 0; i <= PAIRS; i++) {
    for (const [name, script] of Object.entries(scripts) as [keyof typeof scripts, string][]) {
      const measured = await measure(process.execPath, [script], env, folder)
      if (measured.exitCode !== 0) throw new Error(`${name} ended with ${measured.exitCode}`)
      // The first round warms the caches of the system.
      if (i > 0) runs[name].push(measured)
    }
  }
  await rm(folder, { recursive: true })
  await rm(official)
  const row = (name: string, mine: readonly Measured[]) => ({
    process: name,
    'median ms': (median(mine.map(({ seconds }) => seconds)) * 1000).toFixed(0),
    'peak MB': median(mine.map(({ peak }) => peak)).toFixed(0),
    'time ×': median(mine.map(({ seconds }, i) => seconds / (runs.official[i]?.seconds ?? Number.NaN))).toFixed(2),
    'memory ×': median(mine.map(({ peak }, i) => peak / (runs.official[i]?.peak ?? Number.NaN))).toFixed(2),
  })
  return {
    name: 'start',
    title: `Start to end of one finished prediction: whole processes, ${PAIRS} rounds in turn, median of the ratios`,
    rows: [row('official client, one GET', runs.official), row('fetch, one GET', runs.bare), row('ours', runs.ours)],
  }
}

export async function files(): Promise<Section> {
  const rows: Section['rows'] = []
  await using simulator = await startSimulator()
  const urls = Array.from({ length: 40 }, (_, i) => simulator.file(`${i}.bin`, { size: 25 * 10 ** 6 }))
  const id = simulator.ended({ output: urls })
  const ratios: number[] = []
  const ours: Measured[] = []
  const curls: Measured[] = []
  for (let i = 0; i < 4; i++) {
    const folder = await mkdtemp(path.join(tmpdir(), 'bench-files-'))
    const env = await actionEnv(folder, {
      'prediction-id': id,
      'api-key': simulator.key,
      'api-url': simulator.apiUrl,
      'output-dir': 'out',
    })
    const mine = await measure(process.execPath, [ACTION], env, folder)
    const curl = await measure(
      'curl',
      ['--silent', '--fail', '--parallel', '--parallel-max', '6', '--remote-name-all', ...urls],
      {},
      folder,
    )
    await rm(folder, { recursive: true })
    if (mine.exitCode !== 0 || curl.exitCode !== 0) throw new Error(`ended with ${mine.exitCode} and ${curl.exitCode}`)
    if (i === 0) continue
    ours.push(mine)
    curls.push(curl)
    ratios.push(curl.seconds / mine.seconds)
  }
  const speed = (runs: readonly Measured[]) => (1000 / median(runs.map(({ seconds }) => seconds))).toFixed(0)
  rows.push({ program: 'curl --parallel', 'MB/s': speed(curls), 'peak MB': '', 'throughput ×': '1.00' })
  rows.push({
    program: 'ours, with types and SHA-256',
    'MB/s': speed(ours),
    'peak MB': median(ours.map(({ peak }) => peak)).toFixed(0),
    'throughput ×': median(ratios).toFixed(2),
  })
  return { name: 'files', title: '1 GB in 40 files from loopback to disk: whole processes, 3 pairs', rows }
}

export async function ids(): Promise<Section> {
  const rows: Section['rows'] = []
  for (const count of [1, 10, 100, 1000]) {
    await using simulator = await startSimulator()
    const ends = Array.from({ length: count }, (_, i) => 5 + (55 * i) / count)
    const list = ends.map((at) =>
      simulator.add({
        moments: [
          { at: 0, status: 'processing' },
          { at, status: 'succeeded', output: 'x' },
        ],
        stream: 'none',
      }),
    )
    const folder = await mkdtemp(path.join(tmpdir(), 'bench-ids-'))
    const env = await actionEnv(folder, {
      'prediction-id': list.join(','),
      'api-key': simulator.key,
      'api-url': simulator.apiUrl,
    })
    const { exitCode, seconds, peak } = await measure(process.execPath, [ACTION], env, folder)
    await rm(folder, { recursive: true })
    if (exitCode !== 0) throw new Error(`ended with ${exitCode}`)
    const official = ends.reduce((sum, end) => sum + Math.ceil(end / 0.5) + 1, 0)
    rows.push({
      ids: String(count),
      requests: String(simulator.requests.length),
      'of the official client, by arithmetic': String(official),
      'requests ×': (simulator.requests.length / official).toFixed(2),
      'peak MB': peak.toFixed(0),
      'noticed after the last end, s': (seconds - (ends.at(-1) ?? 0)).toFixed(1),
    })
  }
  return { name: 'ids', title: 'Many IDs in one step, predictions of 5 to 60 s without a stream', rows }
}

export function archive(): Section {
  const tar = execFileSync('git', ['archive', '--format=tar', 'HEAD'], { cwd: ROOT, maxBuffer: 2 ** 28 })
  return {
    name: 'archive',
    title: 'What a runner downloads: git archive, compressed',
    rows: [{ archive: 'tar.gz', MB: (gzipSync(tar, { level: 9 }).length / 1e6).toFixed(2) }],
  }
}
