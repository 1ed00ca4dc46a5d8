import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Simulator } from '../test/servers/simulator.ts'

export const ACTION = path.resolve(import.meta.dirname, '../dist/main.js')
/** The official client as a program; a file says what to wait for. */
export const OFFICIAL = path.join(import.meta.dirname, 'official.mjs')

/** One run of a whole process. */
export interface Measured {
  exitCode: number | null
  seconds: number
  /** Peak memory in MB (10^6 bytes); NaN if the process is not Node. */
  peak: number
}

/**
 * Writes the peak memory of a Node process, in KiB, to the file named by PEAK_FILE when it ends. Not getrusage's: that
 * begins with what the parent had when it started the process.
 */
const WITNESS = `import { readFileSync, writeFileSync } from 'node:fs'
process.on('exit', () => writeFileSync(process.env.PEAK_FILE, /VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]))`

/** Runs a command to its end and measures it from outside; what it prints is thrown away. */
export async function measure(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
  cwd?: string,
): Promise<Measured> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-'))
  const witness = path.join(folder, 'witness.mjs')
  const peakFile = path.join(folder, 'peak')
  await writeFile(witness, WITNESS)
  const options = {
    env: { PATH: process.env.PATH ?? '', ...env, PEAK_FILE: peakFile, NODE_OPTIONS: `--import=file://${witness}` },
    stdio: 'ignore' as const,
    ...(cwd === undefined ? {} : { cwd }),
  }
  const start = performance.now()
  const exitCode = await new Promise<number | null>((resolve, reject) =>
    spawn(command, args, options).on('error', reject).on('close', resolve),
  )
  const seconds = (performance.now() - start) / 1000
  const peak = (Number(await readFile(peakFile, 'utf8').catch(() => 'NaN')) * 1024) / 1e6
  await rm(folder, { recursive: true })
  return { exitCode, seconds, peak }
}

/** The environment in which a runner starts an action, with its inputs; its files are in a folder of its own. */
export async function actionEnv(folder: string, inputs: Record<string, string>): Promise<Record<string, string>> {
  const files = ['OUTPUT', 'STATE', 'STEP_SUMMARY'].map((name) => [`GITHUB_${name}`, path.join(folder, name)] as const)
  for (const [, file] of files) await writeFile(file, '')
  return {
    RUNNER_TEMP: folder,
    GITHUB_WORKSPACE: folder,
    GITHUB_REPOSITORY: 'octo/pictures',
    GITHUB_RUN_ID: '1',
    ...Object.fromEntries(files),
    ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
  }
}

/** Tells the official client in a file what to wait for. @returns its path */
export async function writeOrders(folder: string, { key, apiUrl }: Simulator, ids: readonly string[]): Promise<string> {
  const file = path.join(folder, 'orders.json')
  await writeFile(file, JSON.stringify({ auth: key, baseUrl: apiUrl, ids }))
  return file
}
