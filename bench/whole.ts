/** Whole processes: what a step costs from its start to its end, beside what people would use in its place. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { startResultsService } from '../test/servers/results-service.ts'
import { startSimulator } from '../test/servers/simulator.ts'
import { ACTION, actionEnv, type Measured, measure, OFFICIAL, writeOrders } from './processes.ts'
import { median, type Section } from './report.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const PAIRS = 15
/** Uploads the .bin files of a folder with nothing but the artifact client. */
const UPLOADER = path.join(import.meta.dirname, 'uploader.mjs')
const UPLOAD_PAIRS = 5

export async function start(): Promise<Section> {
  await using simulator = await startSimulator()
  const id = simulator.ended({ output: 'x' })
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-start-'))
  const env = await actionEnv(folder, { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl })
  const orders = await writeOrders(folder, simulator, [id])
  const bare = path.join(folder, 'fetch.mjs')
  await writeFile(
    bare,
    `await (await fetch('${simulator.apiUrl}/predictions/${id}', { headers: { authorization: 'Bearer ${simulator.key}' } })).json()\n`,
  )
  const scripts = { ours: [ACTION], official: [OFFICIAL, orders], bare: [bare] }
  const runs: Record<keyof typeof scripts, Measured[]> = { ours: [], official: [], bare: [] }
  for (let i = 0; i <= PAIRS; i++) {
    for (const [name, script] of Object.entries(scripts) as [keyof typeof scripts, string[]][]) {
      const measured = await measure(process.execPath, script, env, folder)
      if (measured.exitCode !== 0) throw new Error(`${name} ended with ${measured.exitCode}`)
      // The first round warms the caches of the system.
      if (i > 0) runs[name].push(measured)
    }
  }
  await rm(folder, { recursive: true })
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
    rows: [
      row('official client, one GET', runs.official),
      row('fetch, one GET', runs.bare),
      row('this action', runs.ours),
    ],
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
  const floor = path.join(import.meta.dirname, 'undici-to-nowhere.mjs')
  const nowhere: Measured[] = []
  for (let i = 0; i < 3; i++) nowhere.push(await measure(process.execPath, [floor, ...urls]))
  const speed = (runs: readonly Measured[]) => (1000 / median(runs.map(({ seconds }) => seconds))).toFixed(0)
  rows.push({ program: 'curl --parallel', 'MB/s': speed(curls), 'peak MB': '', 'throughput ×': '1.00' })
  rows.push({
    program: 'this action, with types and SHA-256',
    'MB/s': speed(ours),
    'peak MB': median(ours.map(({ peak }) => peak)).toFixed(0),
    'throughput ×': median(ratios).toFixed(2),
  })
  rows.push({
    program: 'undici alone, without disk and SHA-256',
    'MB/s': speed(nowhere),
    'peak MB': median(nowhere.map(({ peak }) => peak)).toFixed(0),
    'throughput ×': median(nowhere.map(({ seconds }, i) => (curls[i]?.seconds ?? Number.NaN) / seconds)).toFixed(2),
  })
  return { name: 'files', title: '1 GB in 40 files from loopback to disk: whole processes, 3 pairs', rows }
}

/** Seconds to save one file, by its size in megabytes. */
export async function sizes(): Promise<Section> {
  const rows: Section['rows'] = []
  await using simulator = await startSimulator()
  for (const megabytes of [1, 10, 100, 1000]) {
    const id = simulator.ended({ output: [simulator.file(`${megabytes}.bin`, { size: megabytes * 10 ** 6 })] })
    const folder = await mkdtemp(path.join(tmpdir(), 'bench-sizes-'))
    const env = await actionEnv(folder, {
      'prediction-id': id,
      'api-key': simulator.key,
      'api-url': simulator.apiUrl,
      'output-dir': 'out',
    })
    const { exitCode, seconds, peak } = await measure(process.execPath, [ACTION], env, folder)
    await rm(folder, { recursive: true })
    if (exitCode !== 0) throw new Error(`ended with ${exitCode}`)
    rows.push({ MB: String(megabytes), seconds: seconds.toFixed(2), 'peak MB': peak.toFixed(0) })
  }
  return { name: 'sizes', title: 'One file, by its size in megabytes, from loopback to disk', rows }
}

/** Waiting, downloading and uploading in one step, beside three programs that do one of these each. */
export async function upload(): Promise<Section> {
  await using simulator = await startSimulator()
  await using service = await startResultsService()
  const rows: Section['rows'] = []
  for (const count of [1, 40]) {
    const urls = Array.from({ length: count }, (_, i) => simulator.file(`${count}-${i}.bin`, { size: 20e6 / count }))
    const id = simulator.ended({ output: urls })
    const ours: number[] = []
    const theirs: number[] = []
    for (let i = 0; i <= UPLOAD_PAIRS; i++) {
      const folder = await mkdtemp(path.join(tmpdir(), 'bench-upload-'))
      const name = `${count}-${i}`
      const inputs = { 'upload-artifact': 'true', 'artifact-name': `ours-${name}` }
      const api = { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl }
      const env = { ...service.env, ...(await actionEnv(folder, { ...api, ...inputs })) }
      const orders = await writeOrders(folder, simulator, [id])
      const curl = ['--silent', '--fail', '--parallel', '--output-dir', folder, '--remote-name-all', ...urls]
      const mine = await measure(process.execPath, [ACTION], env, folder)
      const steps = [
        await measure(process.execPath, [OFFICIAL, orders], env, folder),
        await measure('curl', curl),
        await measure(process.execPath, [UPLOADER, `theirs-${name}`, folder], env, folder),
      ]
      await rm(folder, { recursive: true })
      const bad = [mine, ...steps].find(({ exitCode }) => exitCode !== 0)
      if (bad) throw new Error(`ended with ${bad.exitCode}`)
      if (i === 0) continue
      ours.push(mine.seconds)
      theirs.push(steps.reduce((total, { seconds }) => total + seconds, 0))
    }
    rows.push({
      files: String(count),
      'official client, then curl, then the artifact client, s': median(theirs).toFixed(2),
      'this action, s': median(ours).toFixed(2),
      'time ×': median(ours.map((seconds, i) => seconds / (theirs[i] ?? Number.NaN))).toFixed(2),
    })
  }
  return {
    name: 'upload',
    title: `20 MB of files in a zipped artifact: whole processes, ${UPLOAD_PAIRS} pairs, median`,
    rows,
  }
}

export function archive(): Section {
  const tar = execFileSync('git', ['archive', '--format=tar', 'HEAD'], { cwd: ROOT, maxBuffer: 2 ** 28 })
  return {
    name: 'archive',
    title: 'What a runner downloads: git archive, compressed',
    rows: [{ archive: 'tar.gz', MB: (gzipSync(tar, { level: 9 }).length / 1e6).toFixed(2) }],
  }
}
