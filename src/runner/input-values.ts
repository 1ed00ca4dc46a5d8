import { homedir } from 'node:os'
import path from 'node:path'
import type { Api } from '../predictions/apis/api.ts'
import { APIS, predictions } from '../predictions/apis/index.ts'
import type { CreateRequest } from '../predictions/client.ts'
import { fileNameProblem } from '../predictions/files/file-name.ts'
import { clip } from '../predictions/text.ts'

/*
 * How the text of one input becomes a value. Every function here throws an InvalidValue if the text is not allowed: a
 * clause that is read after the name of the input and says what was given and what to give.
 */

/** One input is not allowed. */
export class InvalidValue extends Error {}

/** No key is shorter. */
export const SHORTEST_KEY = 6

/** Characters quoted of an invalid value. */
const LONGEST_QUOTE = 100
const quote = (text: string) => JSON.stringify(clip(text, LONGEST_QUOTE))

/** What people and models put between IDs: commas, also those of Chinese and Japanese, and white space. */
const BETWEEN_IDS = /[\s,，、]+/
/** The results of expressions for a missing output, after conversion to JSON or text. */
const NO_ID: ReadonlySet<string> = new Set(['null', 'undefined', 'None', 'false'])
/** IDs that an error names. */
const NAMED = 5
/** IDs of one step: more of them would be polled so rarely that their ends would be noticed too late. */
const MOST_IDS = 5000

/** An API by the word that it has in the input. */
export function readApi(text: string): Api {
  const word = text.toLowerCase()
  const api = APIS.find(({ name }) => name === word)
  if (!api) throw new InvalidValue(`${quote(text)} is not one of ${APIS.map(({ name }) => name).join(', ')}.`)
  return api
}

/** Prediction IDs, each once: separated as people separate them, or a JSON array of strings. */
export function readIds(text: string, api: Pick<Api, 'isId' | 'idRule'> = predictions): string[] {
  if (text === '') {
    throw new InvalidValue(
      'must not be empty. Pass the ID of a prediction, or several IDs. If it comes from another step, check that step and its output.',
    )
  }
  const list = text.startsWith('[') ? readIdArray(text) : text.split(BETWEEN_IDS)
  const ids = [...new Set(list.map(withoutQuotes).filter(Boolean))]
  if (ids.length === 0) throw new InvalidValue(`${quote(text)} contains no ID. Pass at least one ID.`)
  const missing = ids.find((id) => NO_ID.has(id))
  if (missing !== undefined) {
    throw new InvalidValue(
      `${quote(missing)} is not an ID: the step that should have created the prediction did not output an ID. Check that step.`,
    )
  }
  if (ids.length > MOST_IDS) {
    throw new InvalidValue(
      `has ${ids.length} IDs, but one step waits for at most ${MOST_IDS}. Pass the others to other steps.`,
    )
  }
  const wrong = ids.filter((id) => !api.isId(id))
  if (wrong.length === 0) return ids
  const named = wrong.slice(0, NAMED).map(quote).join(', ')
  const more = wrong.length > NAMED ? ` and ${wrong.length - NAMED} more` : ''
  const isUrl = api === predictions && wrong.some((id) => id.includes('/'))
  const hint = isUrl ? ' Of a URL, pass only the part after /predictions/.' : ''
  throw new InvalidValue(`${named}${more} cannot be the ID of a prediction: ${api.idRule}.${hint}`)
}

function readIdArray(text: string): string[] {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    throw new InvalidValue(
      `${quote(text)} looks like a JSON array but is not valid JSON. Pass IDs separated by commas or newlines, or a JSON array of strings.`,
    )
  }
  // A null is what a missing output becomes, and is named as such.
  const isId = (id: unknown) => typeof id === 'string' || id === null
  if (!Array.isArray(list) || !list.every(isId)) {
    throw new InvalidValue(`${quote(text)} is not a JSON array of strings.`)
  }
  return list.map((id) => String(id).trim())
}

/** `jq` without `-r` leaves the quotes of JSON around a text, and so does YAML in the wrong place. */
const withoutQuotes = (text: string) => /^(["'])(.*)\1$/s.exec(text)?.[2] ?? text

/** The messages never hold the key. */
export function readApiKey(text: string): string {
  if (text === '') {
    throw new InvalidValue(
      'must not be empty. Pass a secret. Workflows from forks have no secrets, and a misspelled secret name yields an empty string.',
    )
  }
  if (withoutQuotes(text) !== text) {
    throw new InvalidValue('is in quotes. Store the secret without them.')
  }
  if (/^bearer\s/i.test(text)) {
    throw new InvalidValue('starts with "Bearer ", which the action adds itself. Pass only the key.')
  }
  if (/[^\x21-\x7e]/.test(text)) {
    throw new InvalidValue('contains whitespace or a character that no key can have. Pass only the key, on one line.')
  }
  if (text.length < SHORTEST_KEY) {
    throw new InvalidValue(`has ${text.length} characters; no key is shorter than ${SHORTEST_KEY}.`)
  }
  return text
}

/** The base of an API, without a slash at the end. */
export function readApiUrl(text: string, api: Pick<Api, 'path'> = predictions): string {
  const shown = quote(withoutSecrets(text))
  const url = URL.parse(text)
  if (!url) throw new InvalidValue(`${shown} is not a URL. Use one such as https://api.replicate.com/v1.`)
  if (url.username || url.password) {
    throw new InvalidValue(`${shown} contains a user name or a password. Remove them; the key belongs in api-key.`)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new InvalidValue(`${shown} does not start with https://, or with http:// for a gateway of your own.`)
  }
  if (/[?#]/.test(text)) {
    throw new InvalidValue(
      `${shown} has a query or a fragment. Use only the base URL of the API; /predictions/{id} is appended to it.`,
    )
  }
  const pathname = url.pathname.replace(/\/+$/, '')
  const base = /^(.*?)(?:\/(?:models|deployments)\/[^/]+\/[^/]+)?\/predictions(?:\/[^/]*)*$/.exec(pathname)
  if (base) {
    throw new InvalidValue(
      `${shown} already ends in /predictions. Use ${quote(url.origin + base[1])} instead: the rest is appended to it.`,
    )
  }
  const root = api === predictions ? pathname : pathname.replace(BASE_OF_ONE_API, '')
  if (root !== pathname) {
    throw new InvalidValue(
      `${shown} is the base URL of one API. Use ${quote(url.origin + root)}, the root of the gateway: ${decodeURIComponent(api.path('{id}'))} is appended to it.`,
    )
  }
  return url.origin + pathname
}

/** Where gateways have the base of one of their APIs. */
const BASE_OF_ONE_API = /(?:\/(?:replicate|kling|runwayml|dream-machine|volc|minimax))?\/v\d$/

/** The printable part of a URL, even a mistyped one: a password is before an `@`, a token may be in the query. */
const withoutSecrets = (url: string) => url.replace(/^.*@/s, '***@').replace(/[?#].*$/s, '?…')

/** What is allowed in an API's URL but should be avoided: plain http to another machine exposes the key. */
export function warningsOf(apiUrl: string): string[] {
  const { protocol, hostname } = new URL(apiUrl)
  if (protocol === 'https:' || /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return []
  return [`api-url is plain http: anyone between the runner and ${hostname} can read the key. Use https.`]
}

const DURATION = 'a duration such as 90s, 10m or 1h30m, or plain seconds'

export function readTimeout(text: string): number {
  const seconds = parseDuration(text)
  if (seconds === undefined) {
    throw new InvalidValue(`${quote(text)} is not ${DURATION}; 0 means no limit other than that of the job.`)
  }
  return seconds === 0 ? Number.POSITIVE_INFINITY : seconds
}

/** @returns seconds; undefined for the adaptive schedule */
export function readPollInterval(text: string): number | undefined {
  if (text.toLowerCase() === 'auto') return undefined
  const seconds = parseDuration(text)
  if (seconds === undefined) throw new InvalidValue(`${quote(text)} is neither "auto" nor ${DURATION}.`)
  if (seconds < SHORTEST_INTERVAL || seconds > LONGEST_INTERVAL) {
    throw new InvalidValue(`${quote(text)} is out of range: from ${SHORTEST_INTERVAL}s to 1h are allowed.`)
  }
  return seconds
}

/** Seconds. */
const SHORTEST_INTERVAL = 0.1
const LONGEST_INTERVAL = 3600

const DURATION_PARTS = new RegExp(
  [
    String.raw`^(?:(?<days>\d{1,4})d)?`,
    String.raw`(?:(?<hours>\d{1,6})h)?`,
    String.raw`(?:(?<minutes>\d{1,7})m)?`,
    String.raw`(?:(?<seconds>\d{1,9}(?:\.\d{1,6})?)s)?`,
    String.raw`(?:(?<ms>\d{1,9})ms)?$`,
  ].join(''),
)

/**
 * Reads `90s`, `10m`, `1h30m`, `500ms`, `1d` or plain seconds.
 * @returns seconds; undefined for other texts
 */
export function parseDuration(text: string): number | undefined {
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text)) return Number(text)
  const parts = DURATION_PARTS.exec(text.toLowerCase().replaceAll(' ', ''))?.groups
  if (!parts || text === '') return undefined
  const of = (part: string) => Number(parts[part] ?? 0)
  return ((of('days') * 24 + of('hours')) * 60 + of('minutes')) * 60 + of('seconds') + of('ms') / 1000
}

/** Words in lower case, separated by commas or white space. */
const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)

/** When running predictions are canceled. */
export type CancelOn = 'cancelled' | 'timeout'

export function readCancelOn(text: string): ReadonlySet<CancelOn> {
  const words = wordsOf(text)
  if (words.length === 1 && words[0] === 'never') return new Set()
  // The API spells it with one l, GitHub with two.
  const known = words.map((word) => (word === 'canceled' ? 'cancelled' : word))
  const isKnown = (word: string): word is CancelOn => word === 'cancelled' || word === 'timeout'
  if (!known.every(isKnown)) {
    throw new InvalidValue(`${quote(text)} is neither "never" nor "cancelled", "timeout" or both.`)
  }
  return new Set(known)
}

/** @returns undefined for the name that is made of the id */
export function readArtifactName(text: string): string | undefined {
  const problem = artifactNameProblem(text)
  if (problem !== undefined) throw new InvalidValue(`${quote(text)} ${problem}.`)
  return text === '' ? undefined : text
}

/** A template of names of files; `{name}` means something only if the step starts its predictions from named inputs. */
export function readFileName(text: string, named: boolean): string {
  const problem = fileNameProblem(text, ['{id}', '{index}', ...(named ? (['{name}'] as const) : []), '{number}'])
  if (problem !== undefined) throw new InvalidValue(`${quote(text)} ${problem}.`)
  return text
}

/** @returns undefined if the files go to no release */
export function readTag(given: string): string | undefined {
  // What `github.ref` has, in place of `github.ref_name`.
  const text = given.replace(/^refs\/tags\//, '')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no name of a tag may hold them
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|^[-/]|\/$|\.lock$/.test(text)) {
    throw new InvalidValue(`${quote(text)} is not a valid tag name.`)
  }
  return text === '' ? undefined : text
}

/** `owner/name`, or `owner/name:version`, for which the version is run. */
export function readModel(text: string): CreateRequest['target'] | undefined {
  if (text === '') return undefined
  const [name = '', version, ...rest] = text.split(':')
  const model = readOwnerName(name, text)
  if (version === undefined) return { model }
  if (version === '' || rest.length > 0) {
    throw new InvalidValue(`${quote(text)} is neither owner/name nor owner/name:version.`)
  }
  return readVersion(version)
}

export function readVersion(text: string): { version: string } | undefined {
  if (text === '') return undefined
  if (!/^[\w.-]{1,128}$/.test(text)) {
    throw new InvalidValue(
      `${quote(text)} is not a valid version: a version consists of letters, digits, "-", "_" and ".".`,
    )
  }
  return { version: text }
}

export function readDeployment(text: string): { deployment: string } | undefined {
  return text === '' ? undefined : { deployment: readOwnerName(text) }
}

/** @param given the whole value, for the message */
function readOwnerName(text: string, given = text): string {
  if (!/^[\w-][\w.-]{0,99}\/[\w-][\w.-]{0,99}$/.test(text)) {
    throw new InvalidValue(`${quote(given)} is not of the form owner/name.`)
  }
  return text
}

/** Seconds, as the API demands. */
const SHORTEST_CANCEL_AFTER = 5

/** @returns the text as the API wants it: `30s`, `5m`, `1h30m` */
export function readCancelAfter(text: string): string | undefined {
  if (text === '') return undefined
  const seconds = parseDuration(text)
  if (seconds === undefined || seconds < SHORTEST_CANCEL_AFTER) {
    throw new InvalidValue(`${quote(text)} is not ${DURATION}, of at least ${SHORTEST_CANCEL_AFTER} seconds.`)
  }
  const whole = Math.round(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  return [hours && `${hours}h`, minutes && `${minutes}m`, rest && `${rest}s`].filter(Boolean).join('')
}

export function readIfNoFilesFound(text: string): 'warn' | 'error' | 'ignore' {
  const word = text.toLowerCase()
  if (word !== 'warn' && word !== 'error' && word !== 'ignore') {
    throw new InvalidValue(`${quote(text)} is not warn, error or ignore.`)
  }
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
export function readSize(text: string): number {
  const [, number, unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?) ?([a-z]{0,3})$/i.exec(text) ?? []
  const bytes = Math.floor(Number(number) * (SIZE_UNITS[unit.toLowerCase()] ?? Number.NaN))
  if (!(bytes > 0)) throw new InvalidValue(`${quote(text)} is not a size such as 500 MB, 2 GB or plain bytes.`)
  return bytes
}

export function readHosts(text: string): string[] {
  const hosts = wordsOf(text)
  const wrong = hosts.filter((host) => !/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$|^\[[0-9a-f:.]+\]$/.test(host))
  if (wrong.length > 0) {
    throw new InvalidValue(
      `${wrong.map(quote).join(', ')} is not a host name. Use names such as cdn.example.com or *.example.com, without scheme, port or path.`,
    )
  }
  return hosts
}

export function readList(text: string): boolean {
  const word = text.toLowerCase()
  if (word !== 'auto' && word !== 'never') throw new InvalidValue(`${quote(text)} is neither auto nor never.`)
  return word === 'auto'
}

export function readBoolean(text: string): boolean {
  const word = text.toLowerCase()
  if (word !== 'true' && word !== 'false') throw new InvalidValue(`${quote(text)} is neither true nor false.`)
  return word === 'true'
}

export function readInteger(text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most)) {
    throw new InvalidValue(`${quote(text)} is not a whole number from ${least} to ${most}.`)
  }
  return value
}

const LONGEST_ARTIFACT_NAME = 255

/** What is wrong with the name of an artifact, as a clause; undefined if nothing is. */
export function artifactNameProblem(name: string): string | undefined {
  const character = /["<>|*?:\\/\r\n]/.exec(name)?.[0]
  if (character !== undefined) {
    return `contains ${JSON.stringify(character)}; " < > | * ? : \\ / and line breaks are not allowed`
  }
  if (name.length > LONGEST_ARTIFACT_NAME) return `is longer than ${LONGEST_ARTIFACT_NAME} characters`
  return undefined
}

/** The absolute path of a folder: relative paths start at the workspace, `~/` is the home of the user. */
export function readFolder(text: string, workspace: string): string | undefined {
  if (text === '') return undefined
  // The output `files` has one path a line.
  if (/[\r\n]/.test(text)) throw new InvalidValue(`${quote(text)} contains a line break.`)
  return path.resolve(
    workspace,
    text.replace(/^~(?=$|[\\/])/, () => homedir()),
  )
}
