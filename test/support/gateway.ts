import { type Simulator, type SimulatorOptions, startSimulator } from '../servers/simulator.ts'

/** How a prediction ends that was started for a prompt, and after how many seconds. */
export interface End {
  status: string
  error?: string
  seconds?: number
}

export interface GatewayOptions
  extends Pick<SimulatorOptions, 'onMoment' | 'refuse' | 'requestsPerMinute' | 'uploads'> {
  /** How the n-th prediction of a prompt ends, from 1; it succeeds after a moment unless given. */
  end?: (prompt: string, attempt: number) => End | undefined
}

/** A gateway whose predictions end with a text file that holds their prompt. */
export async function startGateway({ end, ...options }: GatewayOptions = {}): Promise<Simulator> {
  const attempts = new Map<string, number>()
  const simulator: Simulator = await startSimulator({
    ...options,
    onCreate({ input, model = '' }) {
      const prompt = String(input.prompt)
      const attempt = (attempts.get(prompt) ?? 0) + 1
      attempts.set(prompt, attempt)
      const url = simulator.file(`${encodeURIComponent(prompt)}.txt`, { body: Buffer.from(prompt), type: 'text/plain' })
      const { seconds = 0.3, ...given } = end?.(prompt, attempt) ?? { status: 'succeeded' }
      const output = given.status === 'succeeded' ? [url] : null
      return {
        model,
        moments: [
          { at: 0.1, status: 'processing' },
          { at: seconds, output, ...given },
        ],
      }
    },
  })
  return simulator
}

/** Inputs of `run` and `create` that use a gateway. */
export const gatewayInputs = ({ key, apiUrl }: Simulator, more: Record<string, string>): Record<string, string> => ({
  'api-key': key,
  'api-url': apiUrl,
  model: 'octo/cake',
  ...more,
})

/** The prompts of all creations that arrived, in their order. */
export const creationsAt = ({ requests }: Simulator): string[] =>
  requests
    .filter(({ method, url }) => method === 'POST' && url.endsWith('/predictions'))
    .map(({ body }) => String(JSON.parse(body).input.prompt))
