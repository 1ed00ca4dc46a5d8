/**
 * Shows what a person would see on GitHub: the log, the outputs and the summary of the built actions, as they run.
 * `npm run demo` shows what succeeds, `npm run demo -- fail` a prediction that fails and one that is not over in time.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { styleText } from 'node:util'
import type { RunResult } from '../test/support/run-action.ts'
import { FAILING_MODEL, MODEL, SLOW_MODEL, startChain } from './chain.ts'
import { summaryPage } from './summary-page.ts'

const paint = (style: Parameters<typeof styleText>[0], text: string) =>
  styleText(style, text, { stream: process.stdout })

/** Prints a log as GitHub shows it: commands carried out, not printed. */
function createLogView(key: string): (text: string) => void {
  let rest = ''
  let stopped: string | undefined
  let depth = 0
  const decode = (text: string) => text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [, name = '', , data = ''] = /^::([^\s:]+)(\s.*?)?::(.*)$/.exec(line) ?? []
      const show = (shown: string) => console.log(`${'  '.repeat(depth)}${shown.replaceAll(key, '***')}`)
      if (name === stopped && name !== '') stopped = undefined
      else if (stopped !== undefined || name === '') show(line)
      else if (name === 'stop-commands') stopped = data
      else if (name === 'group') {
        show(paint('bold', `▾ ${decode(data)}`))
        depth++
      } else if (name === 'endgroup') depth--
      else if (name === 'error') show(paint('red', `Error: ${decode(data)}`))
      else if (name === 'warning') show(paint('yellow', `Warning: ${decode(data)}`))
    }
  }
}

await using chain = await startChain()

/** Runs a built action and shows its log as it comes. */
async function show(title: string, run: (onPrint: (text: string) => void) => Promise<RunResult>): Promise<RunResult> {
  console.log(paint('bold', `\n${title}\n`))
  const view = createLogView(chain.key)
  const ended = await run(view)
  view('\n')
  console.log(paint('bold', 'Outputs'))
  for (const [name, value] of Object.entries(ended.outputs)) console.log(`  ${paint('cyan', name)} = ${value}`)
  return ended
}

const folder = path.join(tmpdir(), 'await-prediction-demo')
await mkdir(folder, { recursive: true })

/** Prints the summary of a step, and writes it as a page of that name. */
async function showSummary(run: RunResult, name: string): Promise<void> {
  const page = path.join(folder, name)
  await writeFile(page, summaryPage(run, chain.pictures))
  console.log(`\n${paint('bold', 'Summary of the job, as Markdown')}\n${run.summary.trimEnd().replace(/^/gm, '  ')}`)
  console.log(`\nExit code ${run.exitCode}`)
  console.log(`The summary as a page: ${page}`)
}

const INPUT = '{"prompt": "a chocolate cake: five candles"}'
const FILES = { 'output-dir': 'pictures', 'upload-artifact': 'true', 'release-tag': 'v1.2.3' }

/** From a prompt to a file, and from an ID to a file: 10 seconds. */
async function success(): Promise<void> {
  await using run = await show(`uses: OWNER/await-prediction/run@v1, at ${chain.apiUrl}`, (onPrint) =>
    chain.act('run', { model: MODEL, input: INPUT, ...FILES }, onPrint),
  )
  await showSummary(run, 'summary.html')
  await copyFile(run.outputs.files ?? '', path.join(folder, 'cake.webp'))
  console.log(`The picture: ${path.join(folder, 'cake.webp')}`)
  for (const { name, size, hash } of chain.artifacts) {
    console.log(`Artifact in the blob store: ${name}, ${size} bytes, ${hash}`)
  }
  await using wait = await show('uses: OWNER/await-prediction@v1, with the ID of that prediction', (onPrint) =>
    chain.act('.', { 'prediction-id': run.outputs.prediction_id ?? '', 'stream-logs': 'false' }, onPrint),
  )
  expectExitCode(0, run, wait)
}

/** A prediction that fails, and one that still runs at the timeout: 10 seconds. */
async function failure(): Promise<void> {
  await using failed = await show('uses: OWNER/await-prediction/run@v1, with a model that fails', (onPrint) =>
    chain.act('run', { model: FAILING_MODEL, input: INPUT, ...FILES }, onPrint),
  )
  await showSummary(failed, 'failure.html')
  await using late = await show('uses: OWNER/await-prediction/run@v1, with timeout: 4s', (onPrint) =>
    chain.act('run', { model: SLOW_MODEL, input: INPUT, timeout: '4s', ...FILES }, onPrint),
  )
  await showSummary(late, 'timeout.html')
  expectExitCode(1, failed, late)
}

/** A step that fails as it should is a demo that succeeds. */
function expectExitCode(wanted: number, ...runs: readonly RunResult[]): void {
  if (runs.some(({ exitCode }) => exitCode !== wanted)) process.exitCode = 1
}

const SCENES: Readonly<Record<string, () => Promise<void>>> = { success, fail: failure }
const scene = SCENES[process.argv[2] ?? 'success']
if (scene) await scene()
else {
  console.error(`There is no scene ${process.argv[2]}: ${Object.keys(SCENES).join(', ')}`)
  process.exitCode = 2
}
