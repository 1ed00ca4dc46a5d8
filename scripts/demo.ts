/**
 * Shows what a person would see on GitHub: the log, the outputs and the summary of the built actions, as they run.
 * `npm run demo`; `npm run demo -- fail` and `npm run demo -- timeout` show what goes wrong most often.
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

/** Prints the summary of a step, and writes it as a page. */
async function showSummary(run: RunResult): Promise<void> {
  const page = path.join(folder, 'summary.html')
  await writeFile(page, summaryPage(run, chain.picture))
  console.log(`\n${paint('bold', 'Summary of the job, as Markdown')}\n${run.summary.trimEnd().replace(/^/gm, '  ')}`)
  console.log(`\n${chain.requests} requests were made; exit code ${run.exitCode}.`)
  console.log(`The summary as a page: ${page}`)
}

const INPUT = '{"prompt": "a chocolate cake: five candles"}'
const FILES = { 'output-dir': 'pictures', 'upload-artifact': 'true', 'release-tag': 'v1.2.3' }

/** From a prompt to a file, and from an ID to a file: 10 seconds. */
async function success(): Promise<RunResult> {
  await using run = await show(`uses: OWNER/await-prediction/run@v1, at ${chain.apiUrl}`, (onPrint) =>
    chain.act('run', { model: MODEL, input: INPUT, ...FILES }, onPrint),
  )
  await showSummary(run)
  await copyFile(run.outputs.files ?? '', path.join(folder, 'cake.webp'))
  console.log(`The picture: ${path.join(folder, 'cake.webp')}`)
  for (const { name, size, hash } of chain.artifacts) {
    console.log(`Artifact in the blob store: ${name}, ${size} bytes, ${hash}`)
  }
  await using wait = await show('uses: OWNER/await-prediction@v1, with the ID of that prediction', (onPrint) =>
    chain.act('.', { 'prediction-id': run.outputs.prediction_id ?? '', 'stream-logs': 'false' }, onPrint),
  )
  return wait
}

async function failure(): Promise<RunResult> {
  await using run = await show('uses: OWNER/await-prediction/run@v1, with a model that fails', (onPrint) =>
    chain.act('run', { model: FAILING_MODEL, input: INPUT, ...FILES }, onPrint),
  )
  await showSummary(run)
  return run
}

async function timeout(): Promise<RunResult> {
  await using run = await show('uses: OWNER/await-prediction/run@v1, with timeout: 4s', (onPrint) =>
    chain.act('run', { model: SLOW_MODEL, input: INPUT, timeout: '4s', ...FILES }, onPrint),
  )
  await showSummary(run)
  return run
}

const SCENES: Readonly<Record<string, { play: () => Promise<RunResult>; exitCode: number }>> = {
  success: { play: success, exitCode: 0 },
  fail: { play: failure, exitCode: 1 },
  timeout: { play: timeout, exitCode: 1 },
}
const scene = SCENES[process.argv[2] ?? 'success']
if (scene) {
  const { exitCode } = await scene.play()
  // A step that fails as it should is a demo that succeeds.
  process.exitCode = exitCode === scene.exitCode ? 0 : 1
} else {
  console.error(`There is no scene ${process.argv[2]}: ${Object.keys(SCENES).join(', ')}`)
  process.exitCode = 2
}
