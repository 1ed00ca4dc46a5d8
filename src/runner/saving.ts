import type { Answer } from '../predictions/answer.ts'
import type { Clock } from '../predictions/clock.ts'
import type { EndedPrediction, SavedFile, SaveObserver, SaveResult, Saver } from '../predictions/files/save.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { completedAt, isExpired, isTerminal, type Prediction, RETENTION, statusOf } from '../predictions/prediction.ts'
import { outputViewOf } from '../predictions/stored-answer.ts'
import type { WaitObserver } from '../predictions/wait-options.ts'
import type { RunnerContext } from './context.ts'
import { type Failure, messageOf } from './failure.ts'
import { startHeartbeat } from './heartbeat.ts'
import type { Identities } from './identities.ts'
import type { ApiInputs, StepInputs } from './inputs.ts'
import { warn, warnAll } from './print.ts'
import { countedNetwork, type RequestCounts } from './requests.ts'
import { createSaveObserver, printState } from './saving-log.ts'
import { redacted } from './secrets.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** What was saved, and what makes the step fail. */
interface Saved {
  files: SavedFile[]
  failures: Failure[]
  /** The IDs of predictions of which a file was not saved. */
  incomplete: ReadonlySet<string>
}

/** The second stage of a step: saves the files of each prediction as soon as it has ended, while others are waited for. */
export interface Saving extends Pick<WaitObserver, 'answered' | 'settled'>, Disposable {
  /** Waits until every file is saved or given up. Never throws. */
  finish(): Promise<Saved>
}

/** A prediction that has ended, under the requested ID. */
interface Ended {
  id: string
  prediction: Prediction
  /** How many files its output has, apart from text and JSON. */
  count: number
}

/** What files are saved by. */
type SavingInputs = ApiInputs & Pick<StepInputs, 'download' | 'policy'>

/** What a saving works with. */
interface SavingSurroundings {
  clock: Clock
  signal: AbortSignal
  runner: RunnerContext
  requests: RequestCounts
}

/** Saves files as predictions settle. Dispose of it to abandon the saving. */
export class StepSaving implements Saving {
  readonly #inputs: SavingInputs
  readonly #identities: Identities
  readonly #around: SavingSurroundings
  /** When the timeout of the step comes, on its clock. */
  readonly #deadline: number
  readonly #abandoned = new AbortController()
  readonly #seenRunning = new Set<string>()
  readonly #ended: Ended[] = []
  /** A warning for each file that got another name. */
  readonly #renamed: string[] = []
  /** Made with the first prediction that ends: its code is not needed before. */
  #saver: Promise<Saver> | undefined
  #heartbeat: Disposable | undefined

  constructor(inputs: SavingInputs & Pick<StepInputs, 'timeout'>, identities: Identities, around: SavingSurroundings) {
    this.#inputs = inputs
    this.#identities = identities
    this.#around = around
    this.#deadline = around.clock.now() + inputs.timeout.seconds
  }

  answered({ id, answer }: { id: string; answer: Answer }): void {
    if (!isTerminal(statusOf(answer.prediction))) this.#seenRunning.add(id)
  }

  settled({ id, end, answer }: Outcome): void {
    if (end !== 'ended' || !answer) return
    const { prediction } = answer
    const { urls, embedded } = outputViewOf(answer)
    this.#ended.push({ id, prediction, count: urls.length + embedded })
    const age = ageOf(prediction, this.#seenRunning.has(id))
    const toSave = { id, ...this.#identities.of(id), age, ...outputToSave(answer) }
    this.#saver ??= this.#open()
    this.#saver.then(
      (saver) => saver.add(toSave),
      () => {},
    )
  }

  async finish(): Promise<Saved> {
    try {
      const result = (await (await this.#saver)?.finish()) ?? NOTHING
      warnAll(this.#renamed)
      warnAll(result.warnings)
      return savedOf(result, this.#ended, { ...this.#inputs.download, reason: this.#around.signal.reason })
    } catch (error) {
      const incomplete = new Set(this.#ended.map(({ id }) => id))
      return { files: [], failures: [{ title: 'Files not saved', message: messageOf(error) }], incomplete }
    } finally {
      this.#heartbeat?.[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    this.#abandoned.abort(new Error('saving was abandoned'))
    this.#heartbeat?.[Symbol.dispose]()
    this.#saver?.then((saver) => saver.finish()).catch(() => {})
  }

  async #open(): Promise<Saver> {
    const { clock } = this.#around
    const saver = await openSaver(this.#inputs, this.#identities, {
      ...this.#around,
      signal: AbortSignal.any([this.#around.signal, this.#abandoned.signal]),
      deadline: this.#deadline,
      observer: createSaveObserver(this.#renamed, this.#inputs.download.overwrite),
    })
    if (!this.#abandoned.signal.aborted) this.#heartbeat = startHeartbeat(() => printState(saver.state), clock)
    return saver
  }
}

const outputToSave = ({
  prediction,
  stored,
  linkLife,
}: Answer): Pick<EndedPrediction, 'output' | 'withOutput' | 'expires'> => ({
  output: prediction.output,
  ...(stored && { withOutput: (act) => stored.use((complete) => act(complete.prediction.output)) }),
  expires: linkLife !== 'unknown',
})

const NOTHING: SaveResult = { files: [], failures: [], warnings: [], canceled: 0 }

/** @param reason why files are canceled, if they are */
function savedOf(
  { files, failures, canceled }: SaveResult,
  ended: readonly Ended[],
  { ifNoFilesFound, reason }: Pick<StepInputs['download'], 'ifNoFilesFound'> & { reason: unknown },
): Saved {
  const failed = failures.map(({ message }) => ({ title: 'File not saved', message }))
  if (canceled > 0) failed.push({ title: 'Files not saved', message: messageOf(reason) })
  failed.push(...expired(ended))
  failed.push(...missing(ended, files.length + failed.length, ifNoFilesFound))
  const incomplete = new Set(failures.map(({ predictionId }) => predictionId))
  if (canceled > 0) for (const id of unfinished(ended, files)) incomplete.add(id)
  return { files, failures: failed, incomplete }
}

async function openSaver(
  { api, apiUrl, apiKey, download, policy }: SavingInputs,
  { count, ids, reserved }: Identities,
  around: SavingSurroundings & { deadline: number; observer: SaveObserver },
): Promise<Saver> {
  const { runner, requests, ...rest } = around
  const { openFileNetwork, Saver } = await import('../predictions/files/save.ts')
  const hosts = { ...policy, onMappedName: warnOnceOfMappedNames() }
  return new Saver({
    ...rest,
    ...download,
    redact: async (output) => (await redacted.prepare(output)).value(output),
    directory: download.directory ?? (await makeTemporaryFolder('files', runner.temp)),
    workspace: runner.workspace,
    predictions: { count, ids },
    reserved,
    policy: hosts,
    network: countedNetwork(openFileNetwork(hosts, runner.env), () => requests.files++),
    keyed: (link, id) => {
      const url = api.keyedUrl(link, { id, apiUrl })
      return url === undefined ? undefined : { url, authorization: `Bearer ${apiKey}` }
    },
    env: runner.env,
  })
}

/** The proxy is on the machine itself, so the name is trusted. */
function warnOnceOfMappedNames(): (host: string, address: string) => void {
  let warned = false
  return (host, address) => {
    if (warned) return
    warned = true
    warn(
      `${host} resolves to ${address}: a proxy on this machine (such as Clash, Surge or sing-box) maps names to addresses of 198.18.0.0/15. That proxy decides whether files come from the public internet.`,
    )
  }
}

/** Seconds since the end of a prediction; undefined if neither the API says it nor the step saw it running. */
function ageOf(prediction: Prediction, seenRunning: boolean): number | undefined {
  const end = completedAt(prediction)
  if (end === undefined) return seenRunning ? 0 : undefined
  return Math.max(0, (Date.now() - end) / 1000)
}

/** The predictions with fewer files than their output has: which of them a cancel has cut off is only counted. */
function unfinished(ended: readonly Ended[], files: readonly SavedFile[]): string[] {
  const saved = Map.groupBy(files, ({ predictionId }) => predictionId)
  return ended.filter(({ id, count }) => (saved.get(id)?.length ?? 0) < Math.max(1, count)).map(({ id }) => id)
}

const expired = (ended: readonly Ended[]): Failure[] =>
  ended
    .filter(({ prediction }) => isExpired(prediction))
    .map(({ id }) => ({
      title: 'Files expired',
      message: `The files of prediction ${id} have expired: the API deletes them ${RETENTION}. To get them, start a new prediction.`,
    }))

/** What the step says if there was nothing to save. */
function missing(ended: readonly Ended[], found: number, ifNone: StepInputs['download']['ifNoFilesFound']): Failure[] {
  if (found > 0 || !ended.some(({ prediction }) => statusOf(prediction) === 'succeeded')) return []
  const message = 'No files were found to save: the output is empty.'
  if (ifNone === 'warn') warn(message)
  return ifNone === 'error' ? [{ title: 'No files found', message }] : []
}
