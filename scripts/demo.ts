/**
 * Shows what a person would see on GitHub: the log, the outputs and the summary of the chain in chain.ts, as it runs.
 * `npm run demo`
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { styleText } from 'node:util'
import type { RunResult } from '../test/support/run-action.ts'
import { startChain } from './chain.ts'
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

await using created = await show(`uses: OWNER/await-prediction/create@v1, on ${chain.apiUrl}`, chain.create)
await using run = await show('uses: OWNER/await-prediction@v1', (onPrint) =>
  chain.wait(created.outputs.prediction_id ?? '', onPrint),
)

const folder = path.join(tmpdir(), 'await-prediction-demo')
await mkdir(folder, { recursive: true })
await writeFile(path.join(folder, 'summary.html'), summaryPage(run, chain.picture))
await copyFile(run.outputs.files ?? '', path.join(folder, 'cake.webp'))
console.log(`\n${paint('bold', 'Summary of the job')}\n${run.summary.trimEnd().replace(/^/gm, '  ')}`)
console.log(`\n${chain.requests} requests were made; exit code ${run.exitCode}.`)
for (const { name, size, hash } of chain.artifacts)
  console.log(`Artifact in the blob store: ${name}, ${size} bytes, ${hash}`)
console.log(`The picture: ${path.join(folder, 'cake.webp')}`)
console.log(`The summary as a page: ${path.join(folder, 'summary.html')}`)
process.exitCode = run.exitCode ?? 1
