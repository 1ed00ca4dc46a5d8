import { getInput, setSecret } from '@actions/core'
import type { Api } from '../predictions/apis/api.ts'
import { predictions } from '../predictions/apis/predictions.ts'
import type { CreateRequest } from '../predictions/client.ts'
import { DEFAULT_FILE_NAME } from '../predictions/files/file-name.ts'
import type { SaveSettings } from '../predictions/files/save.ts'
import type { HostPolicy } from '../predictions/network/host-policy.ts'
import type { RunnerContext } from './context.ts'
import type { InputTexts } from './entries.ts'
import * as value from './input-values.ts'
import { hideKey, redacted } from './secrets.ts'
import { maskableParts } from './untrusted.ts'

/** What every request to the API needs. */
export interface ApiInputs {
  /** What is waited for, or started. */
  api: Api
  /** The base of the API, without a slash at its end. */
  apiUrl: string
  apiKey: string
}

/** The inputs of a step that waits, grouped by what uses them. Durations in seconds, sizes in bytes. */
export interface StepInputs extends ApiInputs {
  /** As it was given, and Infinity for no deadline. */
  timeout: { text: string; seconds: number }
  /** Undefined for the adaptive schedule. */
  pollInterval: number | undefined
  parallelJobs: number
  /** Whether the list of predictions may be read. */
  readsList: boolean
  cancelOn: ReadonlySet<value.CancelOn>
  streamLogs: boolean
  summary: boolean
  /** Which hosts files and streams may come from. */
  policy: HostPolicy
  download: DownloadInputs
  /** Undefined if no artifact is wanted. */
  artifact: ArtifactInputs | undefined
  /** Undefined if the files go to no release. */
  release: ReleaseInputs | undefined
  /** What is allowed but should not be. */
  warnings: string[]
}

/** The inputs of the root action. */
export interface Inputs extends StepInputs {
  ids: string[]
}

interface DownloadInputs extends Required<SaveSettings> {
  /** Absolute; undefined for a temporary folder. */
  directory: string | undefined
  ifNoFilesFound: 'warn' | 'error' | 'ignore'
}

export interface ArtifactInputs {
  /** Undefined for the name that is made of the ID. */
  name: string | undefined
  /** One zip of all files, or a separate artifact for every file. */
  archive: boolean
  /** Undefined for the default of the repository. */
  retentionDays: number | undefined
  /** From 0 (stored) to 9, of zips. */
  compressionLevel: number
  overwrite: boolean
}

export interface ReleaseInputs {
  tag: string
  token: string
  overwrite: boolean
}

/** The inputs of the action that starts predictions. */
export interface CreateInputs extends ApiInputs {
  target: CreateRequest['target']
  /** The name of a single input: that of the model, or of what is run instead of a model. */
  modelName: string
  texts: InputTexts
  cancelAfter: string | undefined
  warnings: string[]
}

/** The inputs of the action that starts predictions and waits for them. */
export interface RunInputs extends CreateInputs, StepInputs {
  maxParallel: number
  attempts: number
  skipExisting: boolean
  dryRun: boolean
}

/** What the post step needs to cancel predictions. */
export type PostInputs = Pick<StepInputs, 'api' | 'apiUrl' | 'apiKey' | 'cancelOn'>

const MOST_PARALLEL = 500
const MOST_ATTEMPTS = 5
const MOST_JOBS = 10_000
/** Days: the most that GitHub allows, for private repositories. */
const LONGEST_RETENTION = 400

/** Every error of the inputs at once, one on a line. */
export class InputError extends Error {
  override readonly name = 'InputError'

  /** @param errors each names its input: `timeout: …` */
  constructor(errors: readonly string[]) {
    const count = errors.length === 1 ? '1 input is' : `${errors.length} inputs are`
    super([`${count} invalid; no request was made.`, ...errors].join('\n'))
  }
}

/** Reads the text of one input; `""` if it was not given. */
export type InputSource = (name: string) => string

/**
 * Reads and checks every input of the root action; secrets are masked before anything else happens.
 * @throws InputError with every error
 */
export function readInputs({ workspace }: RunnerContext, source: InputSource = getInput): Inputs {
  const apiKey = readSecret('api-key', source, hideKey)
  const token = readSecret('github-token', source, () => {})
  return collect(source, (reader) => {
    const { input } = reader
    // After an error the others are still to be checked, as for predictions.
    const api = input('api', value.readApi, predictions.name) ?? predictions
    const ids = input('prediction-id', (text) => value.readIds(text, api))
    const access = readAccess(api, apiKey, reader)
    return { ids, ...readStep(access, { token, workspace, cancelOn: 'cancelled', named: false }, reader) }
  })
}

/** As {@link readInputs}, of the action that starts predictions. @throws InputError with every error */
export function readCreateInputs(source: InputSource = getInput): CreateInputs {
  const apiKey = readSecret('api-key', source, hideKey)
  return collect(source, (reader) => readCreation(readAccess(predictions, apiKey, reader), reader))
}

/** As {@link readInputs}, of the action that starts predictions and waits for them. @throws InputError with every error */
export function readRunInputs({ workspace }: RunnerContext, source: InputSource = getInput): RunInputs {
  const apiKey = readSecret('api-key', source, hideKey)
  const token = readSecret('github-token', source, () => {})
  return collect(source, (reader) => {
    const { input, addError } = reader
    const access = readAccess(predictions, apiKey, reader)
    // Nobody else collects these predictions.
    const step = readStep(access, { token, workspace, cancelOn: 'cancelled,timeout', named: true }, reader)
    const skipExisting = input('skip-existing', value.readBoolean, 'false')
    if (skipExisting === true) checkSkipping(step.download, addError)
    return {
      ...step,
      ...readCreation(access, reader),
      maxParallel: input('max-parallel', (text) => value.readInteger(text, 1, MOST_PARALLEL), '10'),
      attempts: input('attempts', (text) => value.readInteger(text, 1, MOST_ATTEMPTS), '1'),
      skipExisting,
      dryRun: input('dry-run', value.readBoolean, 'false'),
    }
  })
}

/** Reads what the post step of every action needs. @throws InputError with every error */
export function readPostInputs(source: InputSource = getInput): PostInputs {
  const apiKey = readSecret('api-key', source, hideKey)
  return collect(source, (reader) => ({
    ...readAccess(reader.input('api', value.readApi, predictions.name) ?? predictions, apiKey, reader),
    cancelOn: reader.input('cancel-on', value.readCancelOn, 'cancelled'),
  }))
}

/** Existing files are recognized by names that are the same in every run. */
function checkSkipping({ directory, fileName }: DownloadInputs, addError: AddError): void {
  if (directory === undefined) addError('skip-existing: requires output-dir, the folder to look for existing files in.')
  if (fileName === undefined) return
  if (!fileName.includes('{name}') || fileName.includes('{id}')) {
    addError(
      "skip-existing: requires a file-name with {name} and without {id}, such as '{name}', to recognize existing files.",
    )
  }
}

function readStep(
  access: ApiInputs,
  { token, workspace, cancelOn, named }: { token: string; workspace: string; cancelOn: string; named: boolean },
  { input, addError }: InputReader,
): Omit<StepInputs, 'warnings'> {
  const overwrite = input('overwrite', value.readBoolean, 'false')
  const artifact: ArtifactInputs = {
    name: input('artifact-name', value.readArtifactName),
    archive: input('archive', value.readBoolean, 'true'),
    retentionDays: input('retention-days', (text) => value.readInteger(text, 0, LONGEST_RETENTION) || undefined, '0'),
    compressionLevel: input('compression-level', (text) => value.readInteger(text, 0, 9), '0'),
    overwrite,
  }
  const tag = input('release-tag', value.readTag)
  if (tag !== undefined && token === '') {
    addError('github-token: must not be empty with release-tag. Pass a token with the permission contents: write.')
  }
  return {
    ...access,
    timeout: input('timeout', (text) => ({ text, seconds: value.readTimeout(text) }), '30m'),
    pollInterval: input('poll-interval', value.readPollInterval, 'auto'),
    readsList: input('list', value.readList, 'auto'),
    parallelJobs: input('parallel-jobs', (text) => value.readInteger(text, 1, MOST_JOBS), '1'),
    cancelOn: input('cancel-on', value.readCancelOn, cancelOn),
    streamLogs: input('stream-logs', value.readBoolean, 'true'),
    summary: input('summary', value.readBoolean, 'true'),
    download: {
      directory: input('output-dir', (text) => value.readFolder(text, workspace)),
      ifNoFilesFound: input('if-no-files-found', value.readIfNoFilesFound, 'warn'),
      fileName: input('file-name', (text) => value.readFileName(text, named), DEFAULT_FILE_NAME),
      maxFileSize: input('max-file-size', value.readSize, '2 GB'),
      maxTotalSize: input('max-total-size', value.readSize, '10 GB'),
      overwrite,
    },
    policy: { apiUrl: access.apiUrl, allowedHosts: input('allowed-hosts', value.readHosts) },
    artifact: input('upload-artifact', value.readBoolean, 'false') ? artifact : undefined,
    release: tag === undefined ? undefined : { tag, token, overwrite },
  }
}

function readCreation(access: ApiInputs, reader: InputReader): Omit<CreateInputs, 'warnings'> {
  const { input } = reader
  return {
    ...access,
    target: readTarget(reader),
    modelName: nameOfModel(input('model', String) || input('deployment', String) || input('version', String)),
    texts: {
      input: input('input', String),
      inputFile: input('input-file', String),
      inputs: input('inputs', String),
      inputsFile: input('inputs-file', String),
    },
    cancelAfter: input('cancel-after', value.readCancelAfter),
  }
}

/** `owner/name:version` is called `name`. */
const nameOfModel = (model: string) => /([^/:]+)(?::[^:]*)?$/.exec(model)?.[1] ?? model

/**
 * A secret is masked on the line that reads it. A mask of a few characters would blank harmless text all over the log.
 * @param hide keeps it out of files and outputs too; only the key can be there, because an API may repeat what it is sent
 */
function readSecret(name: string, source: InputSource, hide: (secret: string) => void): string {
  const secret = source(name).trim()
  for (const part of maskableParts(secret)) if (part.length >= value.SHORTEST_KEY) setSecret(part)
  if (secret.length >= value.SHORTEST_KEY) hide(secret)
  return secret
}

/** Adds an error that concerns several inputs. */
type AddError = (message: string) => void
/** Reads the inputs of an action, and collects the errors. */
interface InputReader {
  /** Reads one input: its text, or the fallback if it is empty. After an error, what it returns is never used. */
  input: <T>(name: string, read: (text: string) => T, fallback?: string) => T
  addError: AddError
}

/**
 * Builds the inputs of an action and collects all errors.
 * @throws InputError with all of them, without the key
 */
function collect<T extends ApiInputs>(
  source: InputSource,
  build: (reader: InputReader) => T,
): T & { warnings: string[] } {
  const errors: string[] = []
  const input: InputReader['input'] = (name, read, fallback = '') => {
    try {
      return read(source(name).trim() || fallback)
    } catch (error) {
      if (!(error instanceof value.InvalidValue)) throw error
      errors.push(`${name}: ${error.message}`)
      return undefined as never
    }
  }
  const inputs = build({ input, addError: (message) => errors.push(message) })
  if (errors.length === 0) return { ...inputs, warnings: value.warningsOf(inputs.apiUrl) }
  throw new InputError(errors.map(redacted.text))
}

function readAccess(api: Api, key: string, { input, addError }: InputReader): ApiInputs {
  const apiKey = input('api-key', value.readApiKey)
  const apiUrl = input('api-url', (text) => value.readApiUrl(text, api), api.defaultUrl)
  if (/^r8_/.test(key) && apiUrl === api.defaultUrl) {
    addError(
      'api-key: this is a Replicate token, which without api-url would be sent to another gateway. Add the line api-url: https://api.replicate.com/v1',
    )
  }
  return { api, apiUrl, apiKey }
}

/** What to run: exactly one of three inputs says it. */
function readTarget({ input, addError }: InputReader): CreateRequest['target'] {
  const readers = { model: value.readModel, version: value.readVersion, deployment: value.readDeployment }
  const given: string[] = []
  const targets = Object.entries(readers).map(([name, read]) =>
    input(name, (text) => {
      if (text !== '') given.push(name)
      return read(text)
    }),
  )
  if (given.length === 0) addError('model, version, deployment: none of them is set. Set exactly one.')
  if (given.length > 1) addError(`model, version, deployment: ${given.join(' and ')} are set. Set exactly one.`)
  return targets.find((target) => target !== undefined) as CreateRequest['target']
}
