import { open } from 'node:fs/promises'
import type { Clock } from '../predictions/clock.ts'
import { errorBodyMessage, parseErrorBody } from '../predictions/error-body.ts'
import { type Headers, headerOf, retryAfterOf, TRANSIENT_STATUSES } from '../predictions/http.ts'
import { describeNetworkError, errorCode } from '../predictions/network/network-errors.ts'
import { backOff, retry } from '../predictions/retry.ts'
import { isRecord, sentence } from '../predictions/text.ts'
import type { RunnerContext } from './context.ts'
import { digitsOf } from './digest.ts'
import { counted } from './format.ts'

/** A release could not be read or changed. The message is whole sentences. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError'
  /** What a 422 is about, such as `already_exists` or `file_count`; empty for an error that has no name. */
  readonly codes: readonly string[]
  /** Whether every other file would be refused too. */
  readonly concernsAll: boolean

  constructor(
    message: string,
    {
      codes = [],
      concernsAll = false,
      ...options
    }: ErrorOptions & Partial<Pick<ReleaseError, 'codes' | 'concernsAll'>> = {},
  ) {
    super(message, options)
    this.codes = codes
    this.concernsAll = concernsAll
  }
}

export interface Release {
  id: number
  tag: string
  draft: boolean
  /** Nothing can be attached to it. */
  immutable: boolean
  uploadUrl: string
}

export interface Asset {
  id: number
  name: string
  /** What GitHub shows in place of the name; empty without one. */
  label: string
  size: number
  /** SHA-256 in hexadecimal; undefined on servers that keep none, and for old assets. */
  digest: string | undefined
  /** False for what a broken upload left. */
  complete: boolean
  /** Where it is downloaded; it works after a draft is published, too. */
  url: string
}

/** The content of an upload. */
export interface AssetContent {
  name: string
  /** Shown in place of the name; empty for none. */
  label: string
  mediaType: string
  size: number
  /** The absolute path of the file. */
  path: string
}

export interface ReleaseSurroundings {
  clock: Clock
  signal: AbortSignal
  runner: RunnerContext
  /** From 0 to 1, for the jitter of back-off. */
  random?: () => number
}

/** The code of a 422 for a name that another asset has. */
export const ALREADY_EXISTS = 'already_exists'
/** Permanent reasons of a 422: a taken name, 1,000 assets. Others, such as "Error saving asset", are transient. */
const PERMANENT_CODES: ReadonlySet<string> = new Set([ALREADY_EXISTS, 'file_count'])
const ATTEMPTS = 5
/** Seconds that a rate limit is waited out. */
const LONGEST_WAIT = 300
/** Seconds for which a 404 can mean that something was made a moment ago, and not every server has it yet. */
export const REPLICATION_LAG = 15

/** The part of octokit that is used here. */
type Octokit = ReturnType<typeof import('@actions/github')['getOctokit']>
type Json = Readonly<Record<string, unknown>>

/** The releases of a repository, on GitHub and on the forges that speak its API. Transient errors are retried. */
export class ReleaseApi {
  readonly #octokit: Octokit
  readonly #around: Required<ReleaseSurroundings>
  readonly #owner: string
  readonly #repo: string

  private constructor(octokit: Octokit, around: ReleaseSurroundings) {
    const [owner = '', repo = ''] = around.runner.repository.split('/')
    this.#octokit = octokit
    this.#around = { random: Math.random, ...around }
    this.#owner = owner
    this.#repo = repo
  }

  /** Loads octokit, which is large, only now. */
  static async open(token: string, around: ReleaseSurroundings): Promise<ReleaseApi> {
    const { getOctokit } = await import('@actions/github')
    const { apiUrl } = around.runner
    const nothing = () => {}
    const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
    const octokit = getOctokit(token, { baseUrl: apiUrl, log })
    // An option `request` would replace the toolkit's own, which is the way through a proxy.
    octokit.hook.before('request', (options) => {
      options.request = { ...options.request, signal: around.signal }
    })
    return new ReleaseApi(octokit, around)
  }

  /** The release of a tag; a draft has none yet, so it is looked for in the list. */
  async find(tag: string): Promise<Release | undefined> {
    const published = await this.withRetries(`find the release ${tag}`, () =>
      this.#octokit
        .request('GET /repos/{owner}/{repo}/releases/tags/{tag}', { ...this.#repository, tag })
        .catch(notFoundAsUndefined),
    )
    if (published) return this.#describeRelease(published.data)
    const all = await this.withRetries('list the releases', () =>
      this.#octokit.paginate('GET /repos/{owner}/{repo}/releases', { ...this.#repository, per_page: 100 }),
    )
    const draft = all.find((release) => release.tag_name === tag)
    return draft && this.#describeRelease(draft)
  }

  async assets(release: Release): Promise<Asset[]> {
    const route = 'GET /repos/{owner}/{repo}/releases/{release_id}/assets'
    const all = await this.withRetries(
      `list the assets of the release ${release.tag}`,
      () => this.#octokit.paginate(route, { ...this.#repository, release_id: release.id, per_page: 100 }),
      { lag: true },
    )
    return all.map((asset) => this.#describeAsset(release, asset))
  }

  /**
   * Uploads once, without a retry: what a broken upload left must be looked at first.
   * @throws ReleaseError, or what octokit throws, which `withRetries` puts into words
   */
  async upload(release: Release, { name, label, mediaType, size, path }: AssetContent): Promise<Asset> {
    this.#checkUploadHost(release.uploadUrl)
    const query = new URLSearchParams({ name, ...(label === '' ? {} : { label }) })
    // Opened first: a stream that fails to open throws an exception that cannot be caught.
    await using handle = await open(path)
    const body = handle.createReadStream({ autoClose: false }).on('error', () => {})
    const { data } = await this.#octokit.request(`POST ${release.uploadUrl}?${query}`, {
      headers: { 'content-type': mediaType, 'content-length': size },
      data: body,
    })
    // The address of the asset depends on the name, so an answer without one is not relied on.
    return this.#describeAsset(release, { name, ...data })
  }

  async rename(release: Release, asset: Asset, name: string, label: string): Promise<Asset> {
    const { data } = await this.withRetries(
      `rename ${asset.name} to ${name}`,
      () =>
        this.#octokit.request(`PATCH ${this.#assetUrl(release, asset)}`, {
          name,
          ...(label === '' ? {} : { label }),
        }),
      { lag: true, unprocessable: true },
    )
    return this.#describeAsset(release, data)
  }

  async remove(release: Release, asset: Asset): Promise<void> {
    await this.withRetries(`delete the asset ${asset.name}`, () =>
      this.#octokit.request(`DELETE ${this.#assetUrl(release, asset)}`).catch(notFoundAsUndefined),
    )
  }

  /**
   * Retries a call as its failures advise.
   * @param what for the message: "Could not … in octo/pictures"
   * @throws ReleaseError
   */
  async withRetries<T>(what: string, call: (attempt: number) => Promise<T>, transient: AlsoTransient = {}): Promise<T> {
    const { clock, signal, random } = this.#around
    try {
      return await retry(call, {
        clock,
        signal,
        pauseAfter(error, attempt) {
          if (signal.aborted || error instanceof ReleaseError || attempt === ATTEMPTS) return undefined
          // The file no longer exists; a scanner that has it open closes it.
          if (errorCode(error) === 'ENOENT') return undefined
          const pause = pauseAfter(error, attempt, { random, ...transient })
          return pause === undefined || pause > LONGEST_WAIT ? undefined : pause
        },
      })
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof ReleaseError ? error : this.#explain(what, error)
    }
  }

  #explain(what: string, error: unknown): ReleaseError {
    const refusal = refusalOf(error)
    const { status, codes, isOfApi } = refusal
    // Something on the way may refuse a single file with a page of its own.
    const concernsAll = isOfApi && (status === 401 || status === 403 || status === 429)
    const reason = status === undefined ? sentence(describeNetworkError(causeOf(error))) : reasonOf(status, refusal)
    const message = `Could not ${what} in ${this.#owner}/${this.#repo}: ${reason}`
    return new ReleaseError(message, { cause: error, codes, concernsAll })
  }

  get #repository() {
    return { owner: this.#owner, repo: this.#repo }
  }

  #assetUrl(release: Release, asset: Asset): string {
    return `/repos/${this.#owner}/${this.#repo}${this.#around.runner.forge.assetPath(release.id, asset.id)}`
  }

  #describeRelease(data: Json): Release {
    const { apiUrl, forge } = this.#around.runner
    const id = Number(data.id)
    const own = `${apiUrl}/repos/${this.#owner}/${this.#repo}/releases/${id}/assets`
    const named = typeof data.upload_url === 'string' ? data.upload_url.replace(/\{.*$/, '') : own
    return {
      id,
      tag: String(data.tag_name),
      draft: data.draft === true,
      // A draft stays open until it is published.
      immutable: data.immutable === true && data.draft !== true,
      uploadUrl: forge.separateUploads ? named : own,
    }
  }

  #describeAsset(release: Release, data: Json): Asset {
    const name = String(data.name)
    const given = data.browser_download_url
    return {
      id: Number(data.id),
      name,
      label: typeof data.label === 'string' ? data.label : '',
      size: Number(data.size),
      digest: typeof data.digest === 'string' ? digitsOf(data.digest) : undefined,
      complete: data.state === undefined || data.state === 'uploaded',
      // GitHub gives the assets of a draft addresses that end when it is published.
      url: typeof given === 'string' && !release.draft ? given : this.#downloadUrl(release.tag, name),
    }
  }

  #downloadUrl(tag: string, name: string): string {
    const base = `${this.#around.runner.serverUrl}/${this.#owner}/${this.#repo}/releases/download`
    return `${base}/${encodeURIComponent(tag)}/${encodeURIComponent(name)}`
  }

  /** The token goes to the API and to the host that GitHub uploads to, whatever an answer names. */
  #checkUploadHost(uploadUrl: string): void {
    const api = new URL(this.#around.runner.apiUrl)
    const upload = URL.parse(uploadUrl)
    const allowed = [api.host, api.host.replace(/^api\./, 'uploads.')]
    if (upload !== null && allowed.includes(upload.host) && upload.protocol === api.protocol) return
    throw new ReleaseError(
      `The API returned an upload URL at ${upload?.origin ?? uploadUrl}, which is not ${api.protocol}//${allowed.join(' or ')}. Nothing was sent there.`,
    )
  }
}

/** What a call may answer for a while besides what is transient everywhere. */
interface AlsoTransient {
  /** 404: made a moment ago. */
  lag?: boolean
  /** 422 that is no collision of names, such as "Error saving asset". */
  unprocessable?: boolean
}

/** Seconds after which a failed call may be repeated; undefined if that is no use. */
function pauseAfter(
  error: unknown,
  attempt: number,
  { random, lag, unprocessable }: AlsoTransient & { random: () => number },
): number | undefined {
  const { status, headers, codes } = refusalOf(error)
  const pause = backOff(attempt, { random })
  if (status === 403 || status === 429) return rateLimitOf(headers) ?? (status === 429 ? pause : undefined)
  if (status === undefined || isTransient(status)) return Math.max(pause, retryAfterOf(headers) ?? 0)
  if (status === 404 && lag) return pause
  return status === 422 && unprocessable && !codes.some((code) => PERMANENT_CODES.has(code)) ? pause : undefined
}

/** Here, a conflict is permanent. */
const isTransient = (status: number) => status !== 409 && TRANSIENT_STATUSES.has(status)

/** Seconds until a rate limit ends that the answer names. */
function rateLimitOf(headers: Headers): number | undefined {
  const after = retryAfterOf(headers)
  if (after !== undefined || headerOf(headers, 'x-ratelimit-remaining') !== '0') return after
  const now = Date.parse(headerOf(headers, 'date') ?? '') || Date.now()
  const left = Number(headerOf(headers, 'x-ratelimit-reset') ?? Number.NaN) - now / 1000
  return left >= 0 ? left + 1 : undefined
}

interface Refusal {
  /** Undefined without an answer, for which octokit says 500. */
  status: number | undefined
  headers: Headers
  codes: readonly string[]
  /** What the body says, pages cut to their title. */
  said: string
  /** Whether the body is JSON, as those of the API are. */
  isOfApi: boolean
}

function refusalOf(error: unknown): Refusal {
  const response: unknown = isRecord(error) ? error.response : undefined
  if (!isRecord(response)) return { status: undefined, headers: {}, codes: [], said: '', isOfApi: false }
  const { status, data } = response
  const body = typeof data === 'string' ? parseErrorBody(data) : data
  const errors = isRecord(body) && Array.isArray(body.errors) ? body.errors.filter(isRecord) : []
  const details = errors.map(({ field, code, message }) => message ?? [field, code].filter(Boolean).join(' '))
  const said = errorBodyMessage(isRecord(body) ? { message: body.message } : body, typeof data === 'string' ? data : '')
  return {
    status: Number(status),
    headers: isRecord(response.headers) ? (response.headers as Headers) : {},
    codes: errors.map(({ code, field }) => String((code === 'custom' ? field : code) ?? '')),
    said: [said, details.join('; ')].filter(Boolean).join(': '),
    isOfApi: isRecord(body),
  }
}

/** Why an answer with that status refuses, and what to do about it, in sentences. */
function reasonOf(status: number, { headers, codes, said }: Refusal): string {
  if (status === 401) return 'github-token is not valid (401).'
  const limit = rateLimitOf(headers)
  if (limit !== undefined) {
    const minutes = counted(Math.ceil(limit / 60), 'minute')
    return `the rate limit of github-token is exceeded for another ${minutes} (${status}).`
  }
  const answered = sentence(said === '' ? String(status) : `${status}, ${said}`)
  if (status === 403 || status === 404) return `${answered} The job needs the permission contents: write.`
  if (codes.includes(ALREADY_EXISTS)) {
    return `an asset of that name was added in the meantime (${status}). Set overwrite: true to replace it.`
  }
  if (status === 413) return `${answered} The file is larger than the server or the quota of the owner allows.`
  return answered
}

const causeOf = (error: unknown): unknown => (error instanceof Error && error.cause ? error.cause : error)

function notFoundAsUndefined(error: unknown): undefined {
  if (refusalOf(error).status === 404) return undefined
  throw error
}
