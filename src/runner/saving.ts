import type { Answer } from '../predictions/answer.ts'
import type { EndedPrediction, SaveResult, Saver } from '../predictions/files/save.ts'
import type { Outcome } from '../predictions/outcome.ts'
import { ageOf, isTerminal, statusOf } from '../predictions/prediction.ts'
import type { WaitObserver } from '../predictions/wait-options.ts'
import { startHeartbeat } from './heartbeat.ts'
import type { Identities } from './identities.ts'
import type { StepInputs } from './inputs.ts'
import { openSaver, type SavingInputs, type SavingSurroundings } from './open-saver.ts'
import { warnAll } from './print.ts'
import { createSaveObserver, printState } from './saving-log.ts'
import { type Ended, endedOf, nothingSaved, type Saved, savedOf } from './saving-result.ts'

/** The second stage of a step: saves the files of each prediction as soon as it has ended, while others are waited for. */
export interface Saving extends Pick<WaitObserver, 'answered' | 'settled'>, Disposable {
  /** Waits until every file is saved or given up. Never throws. */
  finish(): Promise<Saved>
}

interface StepSurroundings extends SavingSurroundings {
  /** Now, in milliseconds since the epoch; by default, that of the machine. */
  date?: () => number
}

/** Saves files as predictions settle. Dispose of it to abandon the saving. */
export class StepSaving implements Saving {
  readonly #inputs: SavingInputs
  readonly #identities: Identities
  readonly #around: StepSurroundings
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

  constructor(inputs: SavingInputs & Pick<StepInputs, 'timeout'>, identities: Identities, around: StepSurroundings) {
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
    const { date = Date.now } = this.#around
    this.#ended.push(endedOf(id, answer))
    const age = ageOf(answer.prediction, date()) ?? (this.#seenRunning.has(id) ? 0 : undefined)
    const toSave = { id, ...this.#identities.of(id), age, ...outputToSave(answer) }
    this.#saver ??= this.#open()
    this.#saver.then(
      (saver) => saver.add(toSave),
      () => {},
    )
  }

  async finish(): Promise<Saved> {
    try {
      const saver = await this.#saver
      const result = saver ? await saver.finish() : NOTHING
      warnAll(this.#renamed)
      warnAll(result.warnings)
      return savedOf(result, this.#ended, { ...this.#inputs.download, reason: this.#around.signal.reason })
    } catch (error) {
      return nothingSaved(this.#ended, error)
    } finally {
      this.#heartbeat?.[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    this.#abandoned.abort()
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
