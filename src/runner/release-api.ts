import { open } from 'node:fs/promises'
import type { Clock } from '../predictions/clock.ts'
import { describeNetworkError, errorCode } from '../predictions/network/network-errors.ts'
import { retry } from '../predictions/retry.ts'
import { sentence } from '../predictions/text.ts'
import type { RunnerContext } from './context.ts'
import { digitsOf } from './digest.ts'
import {
  type AlsoTransient,
  notFoundAsUndefined,
  pauseAfter,
  ReleaseError,
  reasonOf,
  refusalOf,
  unwrapped,
} from './release-error.ts'

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
    const reason = status === undefined ? sentence(describeNetworkError(unwrapped(error))) : reasonOf(status, refusal)
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
