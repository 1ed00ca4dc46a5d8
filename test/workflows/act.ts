/** nektos/act, a runner of GitHub Actions that nobody here wrote, in host mode: no Docker, every step a process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Stage } from './stage.ts'

/** Seconds after which a run is killed, so that none outlives the tests. */
const LIMIT = 90

/** One line of what act prints with --json. */
interface Entry {
  msg?: string
  raw_output?: boolean
  jobID?: string
  jobResult?: string
  command?: string
  content?: string
}

export interface WorkflowRun {
  /** `success` or `failure` of each job. */
  jobs: Record<string, string>
  /** What the steps printed. */
  text: string
  /** The summaries of the steps. */
  summary: string
  /** All that act printed, for messages. */
  raw: string
  exitCode: number | null
}

export interface StartedWorkflow {
  child: ChildProcess
  /** Resolves when act has printed the text. */
  until(text: string): Promise<void>
  result: Promise<WorkflowRun>
}

export interface WorkflowOptions {
  /** The event with its payload; workflow_dispatch unless given. */
  event?: { name: string; payload: unknown }
  inputs?: Record<string, string>
}

let count = 0

/** Runs a workflow as it would be pushed, with OWNER in it replaced. */
export async function runWorkflow(stage: Stage, yaml: string, options?: WorkflowOptions): Promise<WorkflowRun> {
  return (await startWorkflow(stage, yaml, options)).result
}

export async function startWorkflow(
  stage: Stage,
  yaml: string,
  { event, inputs = {} }: WorkflowOptions = {},
): Promise<StartedWorkflow> {
  const number = ++count
  const name = `workflow-${number}.yml`
  await writeFile(path.join(stage.repository, '.github/workflows', name), stage.writeOut(yaml))
  const payload = path.join(stage.home, `event-${number}.json`)
  await writeFile(payload, JSON.stringify(event?.payload ?? { inputs }))
  const args = [event?.name ?? 'workflow_dispatch', '--workflows', `.github/workflows/${name}`, '--eventpath', payload]
  const child = spawn(stage.act, [...args, ...stage.args], {
    cwd: stage.repository,
    env: stage.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const watchers = new Set<() => void>()
  let raw = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      raw += text
      for (const watcher of watchers) watcher()
    })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT * 1000)
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  const result = ended.finally(() => clearTimeout(timer)).then((exitCode) => read(raw, exitCode))
  const until = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => raw.includes(text) && resolve()
      watchers.add(look)
      result.then(() => reject(new Error(`act ended without printing ${text}:\n${raw}`)), reject)
      look()
    })
  return { child, until, result }
}

function read(raw: string, exitCode: number | null): WorkflowRun {
  const entries: Entry[] = raw
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
  const results = entries.filter(({ jobResult }) => jobResult !== undefined)
  return {
    exitCode,
    raw,
    jobs: Object.fromEntries(results.map(({ jobID = '', jobResult = '' }) => [jobID, jobResult])),
    text: entries
      .filter(({ raw_output }) => raw_output)
      .map(({ msg }) => msg)
      .join(''),
    summary: entries
      .filter(({ command }) => command === 'summary')
      .map(({ content }) => content)
      .join(''),
  }
}
