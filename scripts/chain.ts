/**
 * The chain of the README: the built actions start a prediction at a simulated API, wait for it, upload its picture and
 * attach it to a release. The demo prints it, and the README shows its summary.
 */
import { cake } from '../test/fixtures/pictures.ts'
import { startReleasesApi } from '../test/servers/releases-api.ts'
import { type Artifact, startResultsService } from '../test/servers/results-service.ts'
import { type Moment, type Simulator, startSimulator } from '../test/servers/simulator.ts'
import { type RunResult, runAction } from '../test/support/run-action.ts'

export interface Chain extends AsyncDisposable {
  readonly apiUrl: string
  readonly key: string
  /** What the prediction makes. */
  readonly picture: Buffer
  readonly artifacts: readonly Artifact[]
  readonly requests: number
  create(onPrint?: (text: string) => void): Promise<RunResult>
  wait(id: string, onPrint?: (text: string) => void): Promise<RunResult>
}

export async function startChain(): Promise<Chain> {
  await using opened = new AsyncDisposableStack()
  const picture = await cake('webp')
  const simulator: Simulator = opened.use(
    await startSimulator({
      onCreate: ({ model = '' }) => ({
        model,
        moments: story(simulator.file('demo/out-0.webp', { body: picture, type: 'image/webp' })),
      }),
    }),
  )
  const service = opened.use(await startResultsService())
  const releases = opened.use(await startReleasesApi())
  releases.add('v1.2.3', { draft: true })
  const { key, apiUrl } = simulator
  const run = (action: string, inputs: Record<string, string>, onPrint = (_: string) => {}) =>
    runAction({
      action,
      inputs: { 'api-key': key, 'api-url': apiUrl, ...inputs },
      env: { ...service.env, ...releases.env },
      from: 'dist',
      onPrint,
    })
  const all = opened.move()
  return {
    key,
    apiUrl,
    picture,
    artifacts: service.artifacts,
    get requests() {
      return simulator.apiRequests().length
    },
    create: (onPrint) =>
      run(
        'create',
        { model: 'stability-ai/stable-diffusion-3.5-large', input: 'prompt: a chocolate cake with five candles' },
        onPrint,
      ),
    wait: (id, onPrint) =>
      run(
        '.',
        {
          'prediction-id': id,
          'output-dir': 'pictures',
          'upload-artifact': 'true',
          'release-tag': 'v1.2.3',
          'github-token': releases.token,
        },
        onPrint,
      ),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

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
