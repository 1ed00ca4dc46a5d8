import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { collectBuffers } from '../garbage.ts'
import type { HostPolicy } from '../network/host-policy.ts'
import type { ProxyEnvironment } from '../network/proxy.ts'
import { openUntrustedNetwork, type UntrustedNetwork } from '../network/untrusted-network.ts'
import { MOST_FILES } from '../output.ts'
import { Turns } from '../turns.ts'
import { decodeDataUri } from './data-uri.ts'
import { DEFAULT_FILE_NAME, FileNames, type NamedPrediction } from './file-name.ts'
import { Folder } from './folder.ts'
import { Hosts } from './hosts.ts'
import { type Item, itemsOf } from './items.ts'
import { Names } from './names.ts'
import type { Ending } from './patience.ts'
import {
  type Content,
  contentOf,
  FileError,
  type KeyedFiles,
  type Page,
  type SavedFile,
  type SaveObserver,
  saveContent,
  saveLink,
  type Tools,
} from './save-one.ts'
import { SizeLimits } from './size-limits.ts'

export type { SavedFile, SaveObserver } from './save-one.ts'

/** What users may choose about the files. */
export interface SaveSettings {
  /** The template of names, without extensions. */
  fileName?: string
  /** The largest file, in bytes. */
  maxFileSize: number
  /** All files together, in bytes; no limit by default. */
  maxTotalSize?: number
  /** Whether a file of the same name and other content is replaced. */
  overwrite: boolean
}

export interface SaveOptions extends SaveSettings {
  /** Absolute; made when the first file is saved. */
  directory: string
  /** Removes the key from an output that is saved as text or JSON; nothing unless given. */
  redact?: (output: unknown) => Promise<unknown>
  /** Absolute; if `directory` is in it by its name, no link may lead out of it. */
  workspace?: string | undefined
  /** Names of files in the directory that are not replaced, whatever `overwrite` says. */
  reserved?: readonly string[]
  /** The predictions of the step; by default, those that are added. */
  predictions?: { count: number; ids: readonly string[] }
  policy: HostPolicy
  /** Which files are downloaded with the key; none by default. */
  keyed?: KeyedFiles
  clock: Clock
  signal: AbortSignal
  /** When the timeout of the step comes, on the clock; Infinity by default. */
  deadline?: number
  observer: SaveObserver
  /** Where the proxy is named, if there is one. */
  env: ProxyEnvironment
  /** Seconds over which the speed of a transfer counts. */
  stall?: number
  /** The connections to the hosts of files; by default, those that the policy allows. */
  network?: UntrustedNetwork
}

/** A prediction that has ended. */
export interface EndedPrediction {
  id: string
  output?: unknown
  /**
   * Takes the place of `output` if that is too large to be kept in memory: acts with it, while no other such output is
   * in memory.
   */
  withOutput?: <T>(act: (output: unknown) => Promise<T>) => Promise<T>
  /** Its place in the step, from 1; by default, in the order of calls. */
  number?: number
  /** That of its input. */
  name?: string
  /** Seconds since its end; undefined if unknown. */
  age?: number | undefined
  /** As in {@link Ending}. */
  expires?: boolean
}

/** What became of files. Files and failures come in the order of the predictions and of their outputs. */
export interface SaveResult {
  files: SavedFile[]
  failures: FileError[]
  /** What was not saved, and need not be. */
  warnings: string[]
  /** How many files were not whole when the step was canceled. */
  canceled: number
}

/** What became of one file; undefined if the step was canceled before it was whole. */
type SavedItem = SavedFile | FileError | Page | undefined

/** How saving stands, for a line now and then. */
export interface SavingState {
  saved: number
  /** Files that are neither saved nor given up. */
  left: number
  /** Those that have received data, or that have a problem. */
  current: readonly { label: string; bytes: number; total: number | undefined; trouble: string | undefined }[]
}

/**
 * The network of files. Over HTTP/2, undici takes a body for whole that has no length and is broken off by a reset of its
 * stream; over HTTP/1.1 its last chunk is missing then.
 */
export const openFileNetwork = (policy: HostPolicy, env: ProxyEnvironment): UntrustedNetwork =>
  openUntrustedNetwork(policy, env, { http2: false })

/**
 * Saves the files of predictions while others still run: what has a URL is fetched without the key, unless `keyed` names an
 * address for it; `data:` URIs are decoded one after the other, text and JSON become files of their own. A file appears
 * under its name only when it is whole. One that fails leaves nothing behind and does not stop the others.
 */
export class Saver {
  readonly #options: SaveOptions
  readonly #tools: Tools
  readonly #network: UntrustedNetwork
  readonly #results: { number: number; result: Promise<SaveResult> }[] = []
  /** What needs no network is done one after the other, so that only one of it is in memory. */
  readonly #local = new Turns()
  #files = 0
  #saved = 0
  #left = 0

  constructor(options: SaveOptions) {
    this.#options = options
    const { clock, signal, predictions = { count: 1, ids: [] } } = options
    this.#network = options.network ?? openFileNetwork(options.policy, options.env)
    this.#tools = {
      ...options,
      keyed: options.keyed ?? (() => undefined),
      network: this.#network,
      hosts: new Hosts({ clock, signal }),
      folder: new Folder(options.directory, options.workspace),
      names: new Names(options.directory, options.reserved),
      fileNames: new FileNames(options.fileName ?? DEFAULT_FILE_NAME, predictions),
      limits: new SizeLimits(options.maxFileSize, options.maxTotalSize ?? Number.POSITIVE_INFINITY),
      collectGarbage: collectBuffers,
      transfers: new Set(),
    }
  }

  /** How saving stands now. */
  get state(): SavingState {
    const current = [...this.#tools.transfers].map(({ label, transfer }) => ({ label, ...transfer.state }))
    return { saved: this.#saved, left: this.#left, current }
  }

  /** Begins to save the files of a prediction. */
  add(prediction: EndedPrediction): void {
    const { clock, deadline = Number.POSITIVE_INFINITY } = this.#options
    const named = { number: this.#results.length + 1, ...prediction }
    const ending = { seenAt: clock.now(), age: prediction.age, deadline, expires: prediction.expires ?? true }
    this.#results.push({ number: named.number, result: this.#save(named, ending) })
  }

  /** Waits until every file is saved or given up; after a cancel, for what is whole. */
  async finish(): Promise<SaveResult> {
    try {
      const all = this.#results.toSorted((a, b) => a.number - b.number)
      const results = await Promise.all(all.map(({ result }) => result))
      return {
        files: results.flatMap(({ files }) => files),
        failures: results.flatMap(({ failures }) => failures),
        warnings: results.flatMap(({ warnings }) => warnings),
        canceled: results.reduce((sum, { canceled }) => sum + canceled, 0),
      }
    } finally {
      await this.#network.close()
    }
  }

  async #save(prediction: EndedPrediction & NamedPrediction, ending: Ending): Promise<SaveResult> {
    const { id, output, withOutput = (act) => act(output) } = prediction
    const named = { id, number: prediction.number, name: prediction.name }
    try {
      const { begun, more } = await withOutput((whole) => this.#begin(whole, named, ending))
      const settled = await this.#settlePages(await Promise.all(begun), id)
      if (more) settled.failures.push(new FileError(id, 'Other files', `a step saves at most ${MOST_FILES} files`))
      return settled
    } catch (error) {
      const failure = new FileError(id, 'The output', error, this.#tools.folder.path)
      return { files: [], failures: [failure], warnings: [], canceled: 0 }
    }
  }

  /** Begins to save what an output holds. When it returns, nothing needs the output any more. */
  async #begin(
    output: unknown,
    prediction: NamedPrediction,
    ending: Ending,
  ): Promise<{ begun: Promise<SavedItem>[]; more: boolean }> {
    const { items, more } = itemsOf(output, MOST_FILES - this.#files)
    this.#files += items.length
    this.#left += items.length
    const isLocal = ({ source, kind }: Item) => source === 'data:' || typeof kind === 'string'
    const begun = items.map((item) =>
      this.#settle(
        item.label,
        prediction,
        isLocal(item) ? this.#saveContent(item, prediction, output) : saveLink(item, prediction, ending, this.#tools),
      ),
    )
    await Promise.all(begun.filter((_, i) => items[i] && isLocal(items[i])))
    return { begun, more }
  }

  /** Takes what became of a file for what is known of it in the end. */
  async #settle(label: string, { id }: NamedPrediction, saving: Promise<SavedFile | Page>): Promise<SavedItem> {
    try {
      const outcome = await saving
      if ('path' in outcome) this.#saved++
      return outcome
    } catch (error) {
      if (this.#options.signal.aborted) return undefined
      return new FileError(id, label, error, this.#tools.folder.path)
    } finally {
      this.#left--
    }
  }

  #saveContent(item: Item, prediction: NamedPrediction, output: unknown): Promise<SavedFile> {
    return this.#local.run(async () => {
      // So that signals are heard before the next large text.
      await nextTurn()
      this.#options.signal.throwIfAborted()
      return await saveContent(item, prediction, await this.#contentOf(item, output), this.#tools)
    })
  }

  async #contentOf({ uri, kind }: Item, output: unknown): Promise<Content> {
    if (uri !== undefined) {
      const { bytes, type } = decodeDataUri(uri)
      return { bytes: [bytes], type }
    }
    return await contentOf((await this.#options.redact?.(output)) ?? output, kind)
  }

  /** A web page beside files that were saved is no file; a web page that is all there is, is one if it came whole. */
  async #settlePages(outcomes: readonly SavedItem[], id: string): Promise<SaveResult> {
    const result: SaveResult = { files: [], failures: [], warnings: [], canceled: 0 }
    const beside = outcomes.some((outcome) => outcome !== undefined && 'path' in outcome)
    for (const outcome of outcomes) {
      if (outcome === undefined) result.canceled++
      else if (outcome instanceof FileError) result.failures.push(outcome)
      else if ('path' in outcome) result.files.push(outcome)
      else if (beside) {
        await outcome.drop()
        result.warnings.push(`${outcome.label} of prediction ${id} is a web page, not a file; it was not saved.`)
      } else {
        const kept = await outcome
          .keep()
          .catch((error) => new FileError(id, outcome.label, error, this.#tools.folder.path))
        if (kept instanceof FileError) result.failures.push(kept)
        else result.files.push(kept)
      }
    }
    return result
  }
}

/**
 * Saves the files of outputs in one go.
 * @throws the reason of the signal when it is aborted
 */
export async function saveOutputs(predictions: readonly EndedPrediction[], options: SaveOptions): Promise<SaveResult> {
  const ids = predictions.map(({ id }) => id)
  const saver = new Saver({ predictions: { count: ids.length, ids }, ...options })
  for (const prediction of predictions) saver.add(prediction)
  const result = await saver.finish()
  options.signal.throwIfAborted()
  return result
}
