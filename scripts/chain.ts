/**
 * The built actions before a simulated API, an artifact service and a release: what the demo prints, and whose
 * summaries the README shows.
 */
import { cake, FLAVOURS } from '../test/fixtures/pictures.ts'
import { startReleasesApi } from '../test/servers/releases-api.ts'
import { type Artifact, startResultsService } from '../test/servers/results-service.ts'
import { type Moment, type Simulator, startSimulator } from '../test/servers/simulator.ts'
import { type RunResult, runAction } from '../test/support/run-action.ts'

export interface Chain extends AsyncDisposable {
  readonly apiUrl: string
  readonly key: string
  /** What predictions make, by flavour; the first unless the prompt names another. */
  readonly pictures: ReadonlyMap<string, Buffer>
  readonly artifacts: readonly Artifact[]
  /** Runs one of the actions: `run`, `create`, or `.` for the root action. */
  act(action: string, inputs: Record<string, string>, onPrint?: (text: string) => void): Promise<RunResult>
}

/** The models that the simulated API knows; any other draws. */
export const FAILING_MODEL = 'demo/fails'
export const SLOW_MODEL = 'demo/never-ends'
export const MODEL = 'stability-ai/stable-diffusion-3.5-large'

export async function startChain(): Promise<Chain> {
  await using opened = new AsyncDisposableStack()
  const pictures = new Map(
    await Promise.all(FLAVOURS.map(async (flavour) => [flavour, await cake('webp', 5, flavour)] as const)),
  )
  let count = 0
  const simulator: Simulator = opened.use(
    await startSimulator({
      onCreate: ({ model = '', input }) => {
        const [first] = pictures.values()
        const wanted = [...pictures].find(([flavour]) => String(input.prompt).includes(flavour))?.[1]
        const body = wanted ?? first ?? Buffer.alloc(0)
        const file = () => simulator.file(`demo/${count++}/out-0.webp`, { body, type: 'image/webp' })
        return { model, moments: storyOf(model, file) }
      },
    }),
  )
  const service = opened.use(await startResultsService())
  const releases = opened.use(await startReleasesApi())
  releases.add('v1.2.3', { draft: true })
  const { key, apiUrl } = simulator
  const all = opened.move()
  return {
    key,
    apiUrl,
    pictures,
    artifacts: service.artifacts,
    act: (action, inputs, onPrint = () => {}) =>
      runAction({
        action,
        inputs: { 'api-key': key, 'api-url': apiUrl, 'github-token': releases.token, ...inputs },
        env: { ...service.env, ...releases.env },
        from: 'dist',
        onPrint,
      }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function storyOf(model: string, file: () => string): Moment[] {
  if (model === SLOW_MODEL) return drawing().filter(({ at }) => at < 4)
  if (model !== FAILING_MODEL) {
    return [...drawing(), { at: 8.6, status: 'succeeded', logs: LAST_LINE, output: [file()] }]
  }
  const error = 'CUDA out of memory. Tried to allocate 2.50 GiB (code: E1001)'
  return [...drawing().filter(({ at }) => at < 2), { at: 2.5, status: 'failed', error }]
}

const LAST_LINE = 'Prompt executed in 8.44 seconds\n'

/** A picture of 20 steps in 8 seconds, told by its log as a ComfyUI model tells it, every fifth of them. */
function drawing(): Moment[] {
  const clock = (seconds: number) => `00:${String(Math.floor(seconds)).padStart(2, '0')}`
  const bar = (step: number) => {
    const rate = step === 0 ? '?it/s' : '2.50it/s'
    const left = step === 0 ? '?' : clock((20 - step) / 2.5)
    return `${String(step * 5).padStart(3)}%|${'█'.repeat(Math.floor(step / 2)).padEnd(10)}| ${step}/20 [${clock(step / 2.5)}<${left}, ${rate}]\n`
  }
  const nodes = ['CLIP Text Encode (Prompt)', 'ConditioningZeroOut', 'Conditioning (Combine)', 'KSampler']
  return [
    { at: 0, status: 'starting' },
    { at: 0.2, status: 'processing', logs: 'Seed set to: 493139620\nRunning workflow\ngot prompt\n' },
    ...nodes.map((title, i) => ({ at: 0.3 + i / 20, logs: `Executing node ${60 + i}, title: ${title}\n` })),
    ...[0, 5, 10, 15, 20].map((step) => ({ at: 0.5 + step / 2.5, logs: bar(step) })),
    { at: 8.5, logs: 'Executing node 8, title: VAE Decode\nExecuting node 309, title: Save Image\n' },
  ]
}
