/**
 * Shows what a person would see on GitHub: the built actions start a prediction at a simulated API, wait for it,
 * upload its picture and attach it to a release; log, outputs and the summary of the job are printed. `npm run demo`
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { styleText } from 'node:util'
import { marked } from 'marked'
import { cake } from './fixtures/pictures.ts'
import { startReleasesApi } from './releases-api.ts'
import { startResultsService } from './results-service.ts'
import { type RunResult, runAction } from './run-action.ts'
import { type Moment, startSimulator } from './simulator.ts'

const paint = (style: Parameters<typeof styleText>[0], text: string) =>
  styleText(style, text, { stream: process.stdout })

/** A picture of 40 steps at five a second, told by its log as a ComfyUI model tells it: 8.7 seconds in all. */
function story(url: string): Moment[] {
  const clock = (seconds: number) => `00:${String(Math.floor(seconds)).padStart(2, '0')}`
  const bar = (step: number) => {
    const percent = Math.floor((step / 40) * 100)
    const rate = step === 0 ? '?it/s' : '5.06it/s'
    const left = step === 0 ? '?' : clock((40 - step) / 5.06)
    return `${String(percent).padStart(3)}%|${'█'.repeat(Math.floor(step / 4)).padEnd(10)}| ${step}/40 [${clock(step / 5.06)}<${left}, ${rate}]\n`
  }
  const nodes = ['CLIP Text Encode (Prompt)', 'ConditioningZeroOut', 'Conditioning (Combine)', 'KSampler']
  return [
    { at: 0, status: 'starting' },
    { at: 0.2, status: 'processing', logs: 'Seed set to: 493139620\nRunning workflow\ngot prompt\n' },
    ...nodes.map((title, i) => ({ at: 0.3 + i / 20, logs: `Executing node ${60 + i}, title: ${title}\n` })),
    ...Array.from({ length: 41 }, (_, step) => ({ at: 0.5 + step / 5.06, logs: bar(step) })),
    { at: 8.5, logs: 'Executing node 8, title: VAE Decode\nExecuting node 309, title: Save Image\n' },
    { at: 8.7, status: 'succeeded', logs: 'Prompt executed in 8.44 seconds\n', output: [url] },
  ]
}

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

/** The summary as a page with the look that GitHub gives it. */
function page(summary: string): string {
  const style = `body{font:16px/1.5 -apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;color:#1f2328;background:#fff;max-width:900px;margin:32px auto;padding:0 16px}
h3{font-size:1.25em;border-bottom:1px solid #d1d9e0b3;padding-bottom:.3em}table{border-collapse:collapse}td,th{border:1px solid #d1d9e0;padding:6px 13px}tr:nth-child(2n){background:#f6f8fa}
code,pre{font:85%/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:#818b981f;border-radius:6px}code{padding:.2em .4em}pre{padding:16px;overflow:auto}pre code{background:none;padding:0}
blockquote{border-left:.25em solid #d1d9e0;color:#59636e;margin:0;padding:0 1em}a{color:#0969da;text-decoration:none}img{border-radius:6px}
@media (prefers-color-scheme:dark){body{color:#f0f6fc;background:#0d1117}td,th,h3{border-color:#3d444d}tr:nth-child(2n){background:#151b23}a{color:#4493f8}blockquote{border-color:#3d444d;color:#9198a1}code,pre{background:#656c7633}}`
  return `<!doctype html><meta charset="utf-8"><title>Summary</title><style>${style}</style>\n${marked.parse(summary, { async: false, gfm: true })}`
}

const picture = await cake('webp')
await using simulator = await startSimulator({
  onCreate: ({ model = '' }) => ({
    model,
    moments: story(simulator.file('demo/out-0.webp', { body: picture, type: 'image/webp' })),
  }),
})
await using service = await startResultsService()
await using releases = await startReleasesApi()
releases.add('v1.2.3', { draft: true })
const gateway = { 'api-key': simulator.key, 'api-url': simulator.apiUrl }
const env = { ...service.env, ...releases.env }

/** Runs a built action and shows its log as it comes. */
async function show(title: string, action: string, inputs: Record<string, string>): Promise<RunResult> {
  console.log(paint('bold', `\n${title}\n`))
  const view = createLogView(simulator.key)
  const run = await runAction({ action, inputs: { ...gateway, ...inputs }, env, from: 'dist', onPrint: view })
  view('\n')
  console.log(paint('bold', 'Outputs'))
  for (const [name, value] of Object.entries(run.outputs)) console.log(`  ${paint('cyan', name)} = ${value}`)
  return run
}

await using created = await show(`uses: OWNER/await-prediction/create@v1, on ${simulator.apiUrl}`, 'create', {
  model: 'stability-ai/stable-diffusion-3.5-large',
  input: 'prompt: a chocolate cake with five candles',
})
await using run = await show('uses: OWNER/await-prediction@v1', '.', {
  'prediction-id': created.outputs.prediction_id ?? '',
  'output-dir': 'pictures',
  'upload-artifact': 'true',
  'release-tag': 'v1.2.3',
  'github-token': releases.token,
})

const folder = path.join(tmpdir(), 'await-prediction-demo')
await mkdir(folder, { recursive: true })
// There is no such release, so the picture goes into the page itself.
const lasting: string = JSON.parse(run.outputs.release_urls ?? '[]')[0] ?? ''
const asText = lasting.replace(/[^a-z0-9]/gi, (sign) => `&#${sign.codePointAt(0)};`)
const shown = run.summary.replace(`src="${asText}"`, `src="data:image/webp;base64,${picture.toString('base64')}"`)
await writeFile(path.join(folder, 'summary.html'), page(shown))
await copyFile(run.outputs.files ?? '', path.join(folder, 'cake.webp'))
console.log(`\n${paint('bold', 'Summary of the job')}\n${run.summary.trimEnd().replace(/^/gm, '  ')}`)
console.log(`\n${simulator.apiRequests().length} requests were made; exit code ${run.exitCode}.`)
for (const { name, size, hash } of service.artifacts)
  console.log(`Artifact in the blob store: ${name}, ${size} bytes, ${hash}`)
console.log(`The picture: ${path.join(folder, 'cake.webp')}`)
console.log(`The summary as a page: ${path.join(folder, 'summary.html')}`)
process.exitCode = run.exitCode ?? 1
