import path from 'node:path'
import { getInput, setSecret } from '@actions/core'
import * as z from 'zod/mini'
import type { CreateRequest } from '../predictions/client.ts'
import { createRedactor } from '../predictions/redact.ts'

/** Every fault of the inputs at once, one on a line. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

/** A fault of one input: what was given and what is allowed, in one sentence. */
class Fault extends Error {}

/** Makes a schema of a function that reads one input's text and throws a Fault where it is not allowed. */
const input = <T>(read: (text: string) => T) =>
  z.pipe(
    z.string(),
    z.transform((text: string, context): T => {
      try {
        return read(text.trim())
      } catch (fault) {
        if (!(fault instanceof Fault)) throw fault
        context.issues.push({ code: 'custom', message: fault.message, input: text })
        return z.NEVER
      }
    }),
  )

/** An input that is unset or empty has its default; action.yml names the same one. */
const optional = <T>(fallback: string, read: (text: string) => T) =>
  input((text) => read(text === '' ? fallback : text))

const ApiUrl = optional('https://api.fuhuapi.com/replicate/v1', readApiUrl)

/** The inputs of the root action. Durations in seconds. */
const Inputs = z.object({
  'prediction-id': input(readIds),
  'api-key': input(readApiKey),
  'api-url': ApiUrl,
  timeout: optional('30m', (text) => ({ text, seconds: readTimeout(text) })),
  'poll-interval': optional('auto', readPollInterval),
  'parallel-jobs': optional('1', (text) => readInteger(text, 1, 10_000)),
  'cancel-on': optional('cancelled', readCancelOn),
  'stream-logs': optional('true', readBoolean),
  summary: optional('true', readBoolean),
  'output-dir': optional('', (text) => (text === '' ? undefined : path.resolve(text))),
  'upload-artifact': optional('false', readBoolean),
  'artifact-name': optional('', readArtifactName),
  archive: optional('true', readBoolean),
  'retention-days': optional('0', (text) => readInteger(text, 0, 400) || undefined),
  'compression-level': optional('0', (text) => readInteger(text, 0, 9)),
  overwrite: optional('false', readBoolean),
  'if-no-files-found': optional('warn', readIfNoFilesFound),
  'max-file-size': optional('2 GB', readSize),
  'allowed-hosts': optional('', readHosts),
  'release-tag': optional('', readTag),
  'github-token': optional('', (text) => text),
})
export type Inputs = z.infer<typeof Inputs> & {
  /** What is allowed but should not be. */
  warnings: string[]
}

/** The inputs of the action that starts predictions. */
const CreateInputs = z.object({
  'api-key': input(readApiKey),
  'api-url': ApiUrl,
  model: optional('', readModel),
  version: optional('', readVersion),
  deployment: optional('', readOwnerName),
  input: optional('', (text) => text),
  'input-file': optional('', (text) => text),
  'cancel-after': optional('', readCancelAfter),
})
export type CreateInputs = z.infer<typeof CreateInputs> & { target: CreateRequest['target']; warnings: string[] }

/**
 * Reads and checks every input of the root action; the key is masked before anything else happens.
 * @throws InputError with every fault
 */
export function readInputs(): Inputs {
  const inputs = readAll(Inputs, [])
  if (inputs['github-token'] !== '') setSecret(inputs['github-token'])
  return { ...inputs, warnings: warningsOf(inputs['api-url']) }
}

/** As {@link readInputs}, of the action that starts predictions. @throws InputError with every fault */
export function readCreateInputs(): CreateInputs {
  const given = (['model', 'version', 'deployment'] as const).filter((name) => getInput(name) !== '')
  const faults =
    given.length === 1
      ? []
      : [
          `model, version, deployment: ${given.length === 0 ? 'none of them is given' : `${given.join(' and ')} are given`}. Give exactly one.`,
        ]
  const inputs = readAll(CreateInputs, faults)
  const target =
    inputs.model ?? inputs.version ?? (inputs.deployment === undefined ? undefined : { deployment: inputs.deployment })
  if (target === undefined) throw new InputError(faults.join('\n'))
  return { ...inputs, target, warnings: warningsOf(inputs['api-url']) }
}

/** @param faults those that are known before; they are told with the others */
function readAll<T extends z.ZodMiniObject>(schema: T, faults: readonly string[]): z.infer<T> {
  const apiKey = getInput('api-key')
  // A mask of a few characters would blank harmless text all over the log; such a key is refused anyway.
  if (apiKey.length >= SHORTEST_KEY) setSecret(apiKey)
  const parsed = schema.safeParse(Object.fromEntries(Object.keys(schema.shape).map((name) => [name, getInput(name)])))
  if (parsed.success && faults.length === 0) return parsed.data
  const scrub = apiKey.length >= SHORTEST_KEY ? createRedactor(apiKey) : (text: string) => text
  const issues = parsed.error?.issues ?? []
  const all = [...issues.map(({ path: [name], message }) => `${String(name)}: ${message}`), ...faults].map(scrub)
  const count = all.length === 1 ? 'An input is' : `${all.length} inputs are`
  throw new InputError(`${count} not as needed; nothing was asked for yet.\n${all.join('\n')}`)
}

const SHORTEST_KEY = 6

const quote = (text: string) => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)

function readIds(text: string): string[] {
  if (text === '') {
    throw new Fault(
      'it is empty. Give the id of a prediction, or several; where it comes from another step, check that step and its output.',
    )
  }
  const ids = [...new Set(text.startsWith('[') ? readIdArray(text) : text.split(/[\s,]+/).filter(Boolean))]
  if (ids.length === 0) throw new Fault(`${quote(text)} names no prediction. Give at least one id.`)
  const wrong = ids.filter((id) => !/^[A-Za-z0-9][\w-]{0,127}$/.test(id))
  if (wrong.length === 0) return ids
  const named = wrong.slice(0, 5).map(quote).join(', ')
  const more = wrong.length > 5 ? ` and ${wrong.length - 5} more` : ''
  const hint = wrong.some((id) => id.includes('/')) ? ' Of an address, give only the part after /predictions/.' : ''
  throw new Fault(
    `${named}${more} cannot be the id of a prediction: an id has letters, digits, "-" and "_" alone, at most 128 of them.${hint}`,
  )
}

function readIdArray(text: string): string[] {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    throw new Fault(
      `${quote(text)} begins like a JSON array but is none. Give ids separated by commas or lines, or a JSON array of strings.`,
    )
  }
  if (!Array.isArray(list) || !list.every((id) => typeof id === 'string')) {
    throw new Fault(`${quote(text)} is not a JSON array of strings.`)
  }
  return list.map((id) => id.trim())
}

function readApiKey(text: string): string {
  if (text === '') {
    throw new Fault(
      'it is empty. Give a secret; workflows of forks have none, and a misspelt name of a secret is an empty text.',
    )
  }
  if (/^bearer\s/i.test(text))
    throw new Fault('it begins with "Bearer ", which the action adds by itself. Give the key alone.')
  if (/[^\x21-\x7e]/.test(text)) {
    throw new Fault('it holds a blank, a line end or a character that no key has. Give the key alone, on one line.')
  }
  if (text.length < SHORTEST_KEY)
    throw new Fault(`it has ${text.length} characters; no key is shorter than ${SHORTEST_KEY}.`)
  return text
}

function readApiUrl(text: string): string {
  const shown = quote(text.replace(/\/\/[^/@]*@/, '//***@').replace(/[?#].*$/s, '?…'))
  const url = URL.parse(text)
  if (!url) throw new Fault(`${shown} is no address. Give one such as https://api.replicate.com/v1.`)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new Fault(
      `${shown} has the scheme "${url.protocol.slice(0, -1)}". Only https, and http for a gateway of your own, can be asked.`,
    )
  }
  if (url.username || url.password) {
    throw new Fault(
      `${shown} holds a user name or a password. Give the address without them; the key goes into api-key.`,
    )
  }
  if (url.search || url.hash || /[?#]/.test(text)) {
    throw new Fault(
      `${shown} has a query or a fragment. Give the base of the API alone; /predictions/{id} is put at its end.`,
    )
  }
  const path = url.pathname.replace(/\/+$/, '')
  const base = /^(.*)\/predictions(?:\/[^/]*)*$/.exec(path)
  if (base)
    throw new Fault(
      `${shown} already ends in /predictions. Give ${quote(url.origin + base[1])} instead: the rest is put at its end.`,
    )
  return url.origin + path
}

/** Plain http to another machine lets everybody on the way read the key. */
export function warningsOf(apiUrl: string): string[] {
  const { protocol, hostname } = new URL(apiUrl)
  if (protocol === 'https:' || /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return []
  return [`api-url is plain http: everybody between the runner and ${hostname} can read the key. Use https.`]
}

const DURATION = 'a duration such as 90s, 10m or 1h30m, or plain seconds'

function readTimeout(text: string): number {
  const seconds = parseDuration(text)
  if (seconds === undefined) throw new Fault(`${quote(text)} is not ${DURATION}; 0 means as long as the job may run.`)
  return seconds === 0 ? Number.POSITIVE_INFINITY : seconds
}

/** @returns seconds; undefined for the adaptive schedule */
function readPollInterval(text: string): number | undefined {
  if (text.toLowerCase() === 'auto') return undefined
  const seconds = parseDuration(text)
  if (seconds === undefined) throw new Fault(`${quote(text)} is neither "auto" nor ${DURATION}.`)
  if (seconds < SHORTEST_INTERVAL || seconds > 3600) {
    throw new Fault(`${quote(text)} is out of range: from ${SHORTEST_INTERVAL}s to 1h are allowed.`)
  }
  return seconds
}

const SHORTEST_INTERVAL = 0.1

/**
 * Reads `90s`, `10m`, `1h30m`, `500ms`, `1d` or plain seconds.
 * @returns seconds; undefined where the text is none of these
 */
export function parseDuration(text: string): number | undefined {
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text)) return Number(text)
  const parts = /^(?:(\d{1,4})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9}(?:\.\d{1,6})?)s)?(?:(\d{1,9})ms)?$/.exec(
    text.toLowerCase().replaceAll(' ', ''),
  )
  if (!parts || text === '') return undefined
  const [days = 0, hours = 0, minutes = 0, seconds = 0, ms = 0] = parts.slice(1).map((part) => Number(part ?? 0))
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds + ms / 1000
}

/** When predictions that still run are cancelled. */
export type CancelOn = 'cancelled' | 'timeout'

function readCancelOn(text: string): ReadonlySet<CancelOn> {
  const words = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
  if (words.length === 1 && words[0] === 'never') return new Set()
  // The API spells it with one l, GitHub with two.
  const known = words.map((word) => (word === 'canceled' ? 'cancelled' : word))
  const isKnown = (word: string): word is CancelOn => word === 'cancelled' || word === 'timeout'
  if (!known.every(isKnown))
    throw new Fault(`${quote(text)} is not "cancelled", "timeout", both of them, or "never" alone.`)
  return new Set(known)
}

/** @returns undefined for the name that is made of the id */
function readArtifactName(text: string): string | undefined {
  const fault = artifactNameFault(text)
  if (fault !== undefined) throw new Fault(`${quote(text)} ${fault}.`)
  return text === '' ? undefined : text
}

/** @returns undefined where the files go to no release */
function readTag(text: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no name of a tag may hold them
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|^[-/]|\/$|\.lock$/.test(text))
    throw new Fault(`${quote(text)} cannot be the name of a tag.`)
  return text === '' ? undefined : text
}

/** `owner/name`, or `owner/name:version`, of which the version is what runs. */
function readModel(text: string): CreateRequest['target'] | undefined {
  if (text === '') return undefined
  const [name = '', version, ...rest] = text.split(':')
  readOwnerName(name)
  if (version === undefined) return { model: name }
  if (version === '' || rest.length > 0) throw new Fault(`${quote(text)} is neither owner/name nor owner/name:version.`)
  return readVersion(version)
}

function readVersion(text: string): { version: string } | undefined {
  if (text === '') return undefined
  if (!/^[\w.-]{1,128}$/.test(text))
    throw new Fault(`${quote(text)} cannot be a version: it has letters, digits, "-", "_" and "." alone.`)
  return { version: text }
}

function readOwnerName(text: string): string | undefined {
  if (text === '') return undefined
  if (!/^[\w-][\w.-]{0,99}\/[\w-][\w.-]{0,99}$/.test(text))
    throw new Fault(`${quote(text)} is not of the form owner/name.`)
  return text
}

/** @returns the text as the API wants it: `30s`, `5m`, `1h30m` */
function readCancelAfter(text: string): string | undefined {
  if (text === '') return undefined
  const seconds = parseDuration(text)
  if (seconds === undefined || seconds < 5) throw new Fault(`${quote(text)} is not ${DURATION}, of at least 5 seconds.`)
  const whole = Math.round(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  return [hours && `${hours}h`, minutes && `${minutes}m`, rest && `${rest}s`].filter(Boolean).join('')
}

function readIfNoFilesFound(text: string): 'warn' | 'error' | 'ignore' {
  const word = text.toLowerCase()
  if (word !== 'warn' && word !== 'error' && word !== 'ignore')
    throw new Fault(`${quote(text)} is not warn, error or ignore.`)
  return word
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

/** @returns bytes */
function readSize(text: string): number {
  const [, number, unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?) ?([a-z]{0,3})$/i.exec(text) ?? []
  const bytes = Math.floor(Number(number) * (SIZE_UNITS[unit.toLowerCase()] ?? Number.NaN))
  if (!(bytes > 0)) throw new Fault(`${quote(text)} is not a size such as 500 MB, 2 GB or plain bytes.`)
  return bytes
}

function readHosts(text: string): string[] {
  const hosts = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
  const wrong = hosts.filter((host) => !/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$|^\[[0-9a-f:.]+\]$/.test(host))
  if (wrong.length > 0) {
    throw new Fault(
      `${wrong.map(quote).join(', ')} is no host. Give names such as cdn.example.com or *.example.com, without scheme, port or path.`,
    )
  }
  return hosts
}

function readBoolean(text: string): boolean {
  const word = text.toLowerCase()
  if (word !== 'true' && word !== 'false') throw new Fault(`${quote(text)} is neither true nor false.`)
  return word === 'true'
}

function readInteger(text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most))
    throw new Fault(`${quote(text)} is not a whole number from ${least} to ${most}.`)
  return value
}

/** What is wrong with the name of an artifact, as a clause; undefined where nothing is. */
export function artifactNameFault(name: string): string | undefined {
  const character = /["<>|*?:\\/\r\n]/.exec(name)?.[0]
  if (character !== undefined)
    return `holds ${JSON.stringify(character)}; none of " < > | * ? : \\ / and line ends is allowed`
  if (name.length > 255) return 'is longer than 255 characters'
  return undefined
}
