import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'
import { testFolder } from './temporary-folder.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

export interface RunOptions {
  /** The folder of the action.yml, relative to the project: `.`, `create`, `wait`. */
  action?: string
  /** `main`, or the `post` step of the action. */
  step?: 'main' | 'post'
  inputs: Record<string, string>
  /** Added to the environment; undefined takes a variable away. */
  env?: Record<string, string | undefined>
  /** What an earlier step of the same action left in its state. */
  state?: Record<string, string>
  /** `source` runs src with Node itself, `dist` the bundle that action.yml names. ACTION_FROM chooses otherwise. */
  from?: 'source' | 'dist'
  /** Another folder to run the bundle from, in place of the project. */
  root?: string
  /** Called with every piece of what is printed, as it comes. */
  onPrint?: (text: string) => void
  /** Seconds after which the process is killed. */
  limit?: number
  /** The folder that is the home of the run; kept afterwards. A fresh one, removed with the result, unless given. */
  home?: string
}

export interface Annotation {
  level: 'error' | 'warning' | 'notice'
  title: string
  message: string
}

export interface RunResult extends AsyncDisposable {
  exitCode: number | null
  signal: NodeJS.Signals | null
  /** stdout and stderr, in the order in which they came. */
  log: string
  /** What the runner would hand to later steps: the output file, and commands in the log. */
  outputs: Record<string, string>
  state: Record<string, string>
  /** Environment variables and PATH entries that the step set for later steps. */
  exported: Record<string, string>
  paths: string[]
  summary: string
  annotations: Annotation[]
  /** The messages of the annotations of one level. */
  errors: string[]
  warnings: string[]
  masks: string[]
  /** The lines that a person reads on GitHub: commands taken out, groups as they are. */
  lines: string[]
  /** Those of them that are seen while every group is closed. */
  headlines: string[]
  /** RUNNER_TEMP of the run and, in it, GITHUB_WORKSPACE. */
  home: string
  workspace: string
}

export interface StartedAction {
  child: ChildProcess
  /** GITHUB_WORKSPACE, in which it runs. */
  workspace: string
  /** Resolves when the log has the text. */
  until(text: string | RegExp): Promise<void>
  result: Promise<RunResult>
}

/** Runs an action as the runner does: a process, its inputs and files in the environment, its printed commands carried out. */
export async function runAction(options: RunOptions): Promise<RunResult> {
  return (await startAction(options)).result
}

/** As {@link runAction}, without waiting for the end. */
export async function startAction(options: RunOptions): Promise<StartedAction> {
  const { action = '.', step = 'main', root = ROOT } = options
  const manifest = parse(await readFile(path.join(ROOT, action, 'action.yml'), 'utf8'))
  const home = options.home ?? (await testFolder('run-action'))
  const workspace = path.join(home, 'workspace')
  await mkdir(workspace, { recursive: true })
  const files = ['output', 'state', 'step_summary', 'env', 'path'].map(
    (name) => [`GITHUB_${name.toUpperCase()}`, path.join(home, `_${name}`)] as const,
  )
  for (const [, file] of files) await writeFile(file, '')

  const entry: string = path.join(action, manifest.runs[step])
  const dist = (options.from ?? process.env.ACTION_FROM ?? 'source') === 'dist'
  const script = dist ? path.join(root, entry) : path.join(ROOT, 'src', `${path.basename(entry, '.js')}.ts`)
  const env: Record<string, string | undefined> = {
    PATH: process.env.PATH,
    HOME: home,
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: home,
    GITHUB_WORKSPACE: workspace,
    GITHUB_REPOSITORY: 'octo/pictures',
    GITHUB_RUN_ID: '4711',
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_SERVER_URL: 'https://github.com',
    // Port 9 discards: nothing may ask GitHub unless a test puts a double there.
    GITHUB_API_URL: 'http://127.0.0.1:9',
    // The sources are compiled once for all the processes that run them.
    ...(dist ? {} : { NODE_COMPILE_CACHE: path.join(ROOT, 'node_modules/.cache/compile') }),
    ...Object.fromEntries(files),
    ...Object.fromEntries(
      Object.entries(inputsOf(manifest.inputs, options.inputs)).map(([name, value]) => [
        `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`,
        value,
      ]),
    ),
    ...Object.fromEntries(Object.entries(options.state ?? {}).map(([name, value]) => [`STATE_${name}`, value])),
    ...options.env,
  }
  const child = spawn(process.execPath, [script], { env, cwd: workspace, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  const watchers = new Set<() => void>()
  const hear = (text: string) => {
    log += text
    options.onPrint?.(text)
    for (const watcher of watchers) watcher()
  }
  child.stdout.setEncoding('utf8').on('data', hear)
  child.stderr.setEncoding('utf8').on('data', hear)
  const timer = setTimeout(() => child.kill('SIGKILL'), (options.limit ?? 60) * 1000)

  const result = new Promise<RunResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', async (exitCode, signal) => {
      clearTimeout(timer)
      const read = async (name: string) => readFile(path.join(home, name), 'utf8').catch(() => '')
      const told = carryOut(log)
      const messages = (wanted: Annotation['level']) =>
        told.annotations.filter(({ level }) => level === wanted).map(({ message }) => message)
      resolve({
        exitCode,
        signal,
        log,
        ...told,
        errors: messages('error'),
        warnings: messages('warning'),
        outputs: { ...told.outputs, ...parseFileCommands(await read('_output')) },
        state: { ...told.state, ...parseFileCommands(await read('_state')) },
        exported: { ...told.exported, ...parseFileCommands(await read('_env')) },
        paths: [...told.paths, ...(await read('_path')).split(/\r?\n/).filter(Boolean)],
        summary: await read('_step_summary'),
        home,
        workspace,
        async [Symbol.asyncDispose]() {
          if (options.home === undefined) await rm(home, { recursive: true, force: true })
        },
      })
    })
  })
  return {
    child,
    workspace,
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (typeof text === 'string' ? !log.includes(text) : !text.test(log)) return
          watchers.delete(look)
          resolve()
        }
        watchers.add(look)
        child.on('close', () => reject(new Error(`it ended without printing ${text}:\n${log}`)))
        look()
      }),
    result,
  }
}

/** The inputs as the runner passes them: those given, and the defaults with their expressions evaluated. */
function inputsOf(
  declared: Record<string, { default?: unknown }> = {},
  given: Record<string, string>,
): Record<string, string> {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(declared, name))
  if (unknown.length > 0) throw new Error(`action.yml has no input ${unknown.join(', ')}`)
  const expressions: Record<string, string> = {
    '${{ strategy.job-total }}': '1',
    '${{ github.token }}': 'ghs_test0123456789',
  }
  return Object.fromEntries(
    Object.entries(declared).map(([name, { default: fallback = '' }]) => {
      const value = given[name] ?? String(fallback)
      return [name, expressions[value] ?? value]
    }),
  )
}

/** Reads an output, state or environment file by the runner's rules: `name=value`, and `name<<end` … `end`. */
export function parseFileCommands(text: string): Record<string, string> {
  const values: Record<string, string> = {}
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    const heredoc = line.indexOf('<<')
    const equals = line.indexOf('=')
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) values[line.slice(0, equals)] = line.slice(equals + 1)
    else if (heredoc >= 0) {
      const end = line.slice(heredoc + 2)
      const value: string[] = []
      while (++i < lines.length && lines[i] !== end) value.push(lines[i] ?? '')
      if (i >= lines.length) throw new Error(`no end ${end} of ${line}`)
      values[line.slice(0, heredoc)] = value.join('\n')
    } else if (line !== '') throw new Error(`the runner does not understand the line ${line}`)
  }
  return values
}

const decode = (text: string) =>
  text
    .replaceAll('%0D', '\r')
    .replaceAll('%0A', '\n')
    .replaceAll('%3A', ':')
    .replaceAll('%2C', ',')
    .replaceAll('%25', '%')

/**
 * Carries out the commands in a log as the runner does: `::name …::` at the start of a line after white space,
 * `##[name …]` anywhere in one, lines ending at `\n`, `\r\n` and a lone `\r`, none between a stop and its token.
 */
export function carryOut(log: string) {
  const outputs: Record<string, string> = {}
  const state: Record<string, string> = {}
  const exported: Record<string, string> = {}
  const paths: string[] = []
  const annotations: Annotation[] = []
  const masks: string[] = []
  const lines: string[] = []
  const headlines: string[] = []
  let depth = 0
  const read = (line: string) => {
    lines.push(line)
    if (depth === 0) headlines.push(line)
  }
  let stopped: string | undefined
  for (const line of log.split(/\r\n|\n|\r/)) {
    const command = /^\s*::([^\s:]+)(?:\s+(.*?))?::(.*)$/.exec(line) ?? /##\[([^\s\]]+)(?:\s+(.*?))?\](.*)$/.exec(line)
    const [, name = '', properties = '', data = ''] = command ?? []
    if (stopped !== undefined) {
      if (command && name === stopped) stopped = undefined
      else read(line)
      continue
    }
    const property = Object.fromEntries(
      properties
        .split(/[,;]/)
        .map((each) => each.trim().split('='))
        .map(([key = '', ...value]) => [key, decode(value.join('='))]),
    )
    switch (name.toLowerCase()) {
      case 'stop-commands':
        stopped = data
        break
      case 'error':
      case 'warning':
      case 'notice':
        annotations.push({
          level: name.toLowerCase() as Annotation['level'],
          title: property.title ?? '',
          message: decode(data),
        })
        read(`${name}: ${decode(data)}`)
        break
      case 'set-output':
        outputs[property.name ?? ''] = decode(data)
        break
      case 'save-state':
        state[property.name ?? ''] = decode(data)
        break
      case 'set-env':
        exported[property.name ?? ''] = decode(data)
        break
      case 'add-path':
        paths.push(decode(data))
        break
      case 'add-mask':
        masks.push(decode(data))
        break
      case 'group':
        read(`▸ ${decode(data)}`)
        depth++
        break
      case 'endgroup':
        depth--
        break
      case 'debug':
        break
      default:
        read(line)
    }
  }
  return { outputs, state, exported, paths, annotations, masks, lines, headlines }
}
