/** The few calls of GitHub's REST API for releases that the action makes, on 127.0.0.1: checks the token, keeps assets. */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Certificate } from '../support/certificate.ts'
import { bodyOf, listen } from '../support/listen.ts'

export interface ReleaseAsset {
  id: number
  name: string
  /** After an upload that broke off an empty asset in the state `starter` may be left (REST docs of the upload). */
  state: 'uploaded' | 'starter'
  /** Shown in place of the name, if the upload gave one. */
  label?: string
  content_type: string
  bytes: Buffer
}

export interface DoubleRelease {
  id: number
  tag_name: string
  draft: boolean
  /** Counts once it is published; a draft stays open (docs of immutable releases). */
  immutable: boolean
  assets: ReleaseAsset[]
  /**
   * How many times a look does not find yet what is there, as GitHub's replicas lag (cli/cli#6599): by the tag, in the
   * list of releases, in the list of its assets.
   */
  hidden?: { tag?: number; list?: number; assets?: number }
}

interface Refusal {
  status: number
  message: string
  errors?: unknown[]
  headers?: Record<string, string>
}

export type ReleaseFault =
  | 'reset'
  /** The call is carried out, but its answer never comes. */
  | 'lost'
  | 'hang'
  /** The upload breaks off and leaves an asset in the state `starter`. */
  | 'broken upload'
  /** The page of the proxy before the uploads (hub4j/github-api#135). */
  | 'bad gateway page'
  /** The page of something on the way to the API that refuses a file. */
  | 'blocked page'
  | Refusal

export interface ReleasesApi extends AsyncDisposable {
  readonly token: string
  readonly env: Record<string, string>
  readonly calls: string[]
  add(tag: string, more?: Partial<DoubleRelease>): DoubleRelease
  /** Publishes a draft: from now on the addresses that it had as a draft are dead. */
  publish(release: DoubleRelease): void
  /** What an address that the API gave out leads to now; undefined for a 404. */
  download(url: string): Buffer | undefined
  /** Faults for the next calls whose `METHOD /path` begins like this. */
  fail(call: string, ...faults: ReleaseFault[]): void
  /** What `upload_url` begins with. */
  uploadOrigin: string
  /** Called before each call is carried out. */
  onCall: ((call: string) => void) | undefined
}

export interface ReleasesApiOptions {
  /** Whether the token may write; true unless told otherwise. */
  permitted?: boolean
  /** Serves https with this certificate. */
  tls?: Certificate
  /**
   * `gitea`: as Gitea and Forgejo answer (routers/api/v1/repo/release_attachment.go): assets without state, digest and
   * label, under the path of their release; a name can occur twice; `upload_url` has no template.
   */
  forge?: 'github' | 'gitea'
  /** Bytes of an upload that Forgejo refuses with 413. */
  quota?: number
}

const REPOSITORY = '/repos/octo/pictures'
const DOWNLOADS = 'https://github.com/octo/pictures/releases/download'
const MAX_ASSETS = 1000

const validation = (error: Record<string, string>): Refusal => ({
  status: 422,
  message: 'Validation Failed',
  errors: [{ resource: 'ReleaseAsset', ...error }],
})
/** As quoted in ppy/osu-deploy#191. */
const ALREADY_EXISTS = validation({ code: 'already_exists', field: 'name' })
/** As probed by FarelRA/storhub. */
const TOO_MANY = validation({
  code: 'custom',
  field: 'file_count',
  message: `file_count limited to ${MAX_ASSETS} assets per release`,
})
/** A 422 that passes, seen between 502 pages (dmtrKovalenko/bashka#9). */
export const ERROR_SAVING = validation({ code: 'custom', message: 'Error saving asset' })

export async function startReleasesApi(options: ReleasesApiOptions = {}): Promise<ReleasesApi> {
  const double = options.forge === 'gitea' ? new GiteaReleases(options) : new Releases(options)
  const listening = await listen(async (request, response) => double.answer(request, response), { tls: options.tls })
  double.apiUrl = listening.origin
  return {
    token: double.token,
    env: { GITHUB_API_URL: listening.origin },
    calls: double.calls,
    get uploadOrigin() {
      return double.uploadOrigin ?? listening.origin
    },
    set uploadOrigin(origin) {
      double.uploadOrigin = origin
    },
    get onCall() {
      return double.onCall
    },
    set onCall(listener) {
      double.onCall = listener
    },
    add: (tag_name, more = {}) => double.add(tag_name, more),
    publish: (release) => {
      release.draft = false
    },
    download: (url) => double.download(url),
    fail: (call, ...more) => double.faults.push(...more.map((fault): [string, ReleaseFault] => [call, fault])),
    [Symbol.asyncDispose]: listening.close,
  }
}

interface Reply {
  status: number
  headers: Record<string, string>
  body: string
}

type Answer = Reply | 'reset'

interface Call {
  method: string
  /** Below the repository. */
  path: string
  query: URLSearchParams
  body: Buffer
  request: IncomingMessage
  /** Whether the upload breaks off and leaves its asset. */
  broken: boolean
}

class Releases {
  readonly token = 'ghs_release0123456789'
  readonly calls: string[] = []
  readonly faults: [string, ReleaseFault][] = []
  protected readonly releases: DoubleRelease[] = []
  readonly #permitted: boolean
  /** A draft has no tag yet, so its addresses have a name that GitHub makes up. */
  readonly #untagged = new Map<number, string>()
  protected readonly assetPath: RegExp = /^\/releases\/assets\/(\d+)$/
  protected nextId = 1
  apiUrl = ''
  uploadOrigin: string | undefined
  onCall: ((call: string) => void) | undefined

  constructor({ permitted = true }: ReleasesApiOptions) {
    this.#permitted = permitted
  }

  add(tag_name: string, more: Partial<DoubleRelease>): DoubleRelease {
    const release = { id: this.nextId++, tag_name, draft: false, immutable: false, assets: [], ...more }
    this.#untagged.set(release.id, `untagged-${randomBytes(10).toString('hex')}`)
    this.releases.push(release)
    return release
  }

  download(url: string): Buffer | undefined {
    for (const release of this.releases) {
      const asset = release.assets.find((each) => this.#downloadUrl(release, each) === url)
      // A draft's address is a 404 in a browser even for those who are signed in.
      if (asset && !release.draft) return asset.bytes
    }
    return undefined
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://x')
    const path = url.pathname.replace(REPOSITORY, '')
    const method = request.method ?? ''
    this.calls.push(`${method} ${path}`)
    const fault = this.#takeFault(`${method} ${path}`)
    if (fault === 'reset') return void request.socket.destroy()
    if (fault === 'hang') return
    const body = await bodyOf(request)
    this.onCall?.(`${method} ${path}`)
    const call = { method, path, query: url.searchParams, body, request, broken: fault === 'broken upload' }
    const isCarriedOut = fault === undefined || fault === 'broken upload' || fault === 'lost'
    const answer = isCarriedOut ? this.#permit(call) : refusalOf(fault)
    if (answer === 'reset' || fault === 'lost') return void request.socket.destroy()
    const { status, headers, body: text } = answer
    response.writeHead(status, headers).end(text)
  }

  #permit(call: Call): Answer {
    const known = call.request.headers.authorization === `token ${this.token}`
    return known ? this.#route(call) : reply(401, { message: 'Bad credentials' })
  }

  #takeFault(call: string): ReleaseFault | undefined {
    const at = this.faults.findIndex(([begin]) => call.startsWith(begin))
    return at < 0 ? undefined : this.faults.splice(at, 1)[0]?.[1]
  }

  #route(call: Call): Answer {
    const { method, path } = call
    const tag = /^\/releases\/tags\/(.+)$/.exec(path)?.[1]
    const releaseId = Number(/^\/releases\/(\d+)\/assets$/.exec(path)?.[1])
    const assetId = Number(this.assetPath.exec(path)?.[1])
    const release = this.releases.find(({ id }) => id === releaseId)
    const holder = this.releases.find(({ assets }) => assets.some(({ id }) => id === assetId))
    if (method === 'GET' && tag !== undefined) return this.#byTag(decodeURIComponent(tag))
    if (method === 'GET' && path === '/releases') return this.#listReleases(call)
    if (method === 'GET' && release) return this.#listAssets(release, call)
    if (!this.#permitted) return reply(403, { message: 'Resource not accessible by integration' })
    if (method === 'POST' && release) return this.upload(release, call)
    if (method === 'PATCH' && holder) return this.rename(holder, assetId, call)
    if (method === 'DELETE' && holder) return this.delete(holder, assetId)
    return reply(404, { message: 'Not Found' })
  }

  /** A draft is never found by its tag. */
  #byTag(tag: string): Answer {
    const found = this.releases.find((each) => each.tag_name === tag && !each.draft)
    if (!found || isHidden(found, 'tag')) return reply(404, { message: 'Not Found' })
    return reply(200, this.shown(found))
  }

  #listReleases(call: Call): Answer {
    const shown = this.releases.filter((release) => !isHidden(release, 'list'))
    return this.#page(
      shown.map((release) => this.shown(release)),
      call,
    )
  }

  #listAssets(release: DoubleRelease, call: Call): Answer {
    const assets = isHidden(release, 'assets') ? [] : release.assets
    return this.#page(
      assets.map((asset) => this.asset(release, asset)),
      call,
    )
  }

  #page(list: readonly unknown[], { path, query }: Call): Answer {
    const size = Number(query.get('per_page') ?? 30)
    const number = Number(query.get('page') ?? 1)
    const next = new URLSearchParams({ ...Object.fromEntries(query), page: String(number + 1) })
    const more = list.length > size * number
    const headers: Record<string, string> = more
      ? { link: `<${this.apiUrl}${REPOSITORY}${path}?${next}>; rel="next"` }
      : {}
    return reply(200, list.slice(size * (number - 1), size * number), headers)
  }

  protected upload(release: DoubleRelease, { query, body, request, broken }: Call): Answer {
    const name = gitHubName(query.get('name') ?? '')
    const type = request.headers['content-type'] ?? ''
    if (release.immutable && !release.draft)
      return reply(422, { message: 'Cannot upload assets to an immutable release.' })
    // Without a Content-Type, or with that of a form, an upload is refused (servicenow-sdk-go#773).
    if (type === '' || type.startsWith('multipart/')) return reply(422, { message: 'Validation Failed' })
    if (release.assets.some((each) => each.name === name)) return refusalOf(ALREADY_EXISTS)
    if (release.assets.length >= MAX_ASSETS) return refusalOf(TOO_MANY)
    if (body.length !== Number(request.headers['content-length'])) return reply(400, { message: 'Bad Content-Length' })
    const state = broken ? 'starter' : 'uploaded'
    const label = query.get('label') ?? ''
    const made: ReleaseAsset = { id: this.nextId++, name, label, state, content_type: type, bytes: body }
    release.assets.push(made)
    if (broken) return 'reset'
    return reply(201, this.asset(release, made))
  }

  protected rename(release: DoubleRelease, id: number, { body }: Call): Answer {
    const { name, label } = JSON.parse(body.toString()) as { name?: string; label?: string }
    const asset = release.assets.find((each) => each.id === id)
    if (!asset) return reply(404, { message: 'Not Found' })
    if (release.immutable && !release.draft)
      return reply(422, { message: 'Cannot update assets of an immutable release.' })
    if (name !== undefined && release.assets.some((each) => each !== asset && each.name === gitHubName(name)))
      return refusalOf(ALREADY_EXISTS)
    if (name !== undefined) asset.name = gitHubName(name)
    if (label !== undefined) asset.label = label
    return reply(200, this.asset(release, asset))
  }

  protected delete(release: DoubleRelease, id: number): Answer {
    if (release.immutable && !release.draft)
      return reply(422, { message: 'Cannot delete assets of an immutable release.' })
    release.assets = release.assets.filter((each) => each.id !== id)
    return reply(204)
  }

  protected shown(release: DoubleRelease): object {
    const { id, tag_name, draft, immutable } = release
    return {
      id,
      tag_name,
      draft,
      immutable,
      html_url: `https://github.com/octo/pictures/releases/tag/${this.#tagOf(release)}`,
      upload_url: `${this.uploadOrigin ?? this.apiUrl}${REPOSITORY}/releases/${id}/assets{?name,label}`,
    }
  }

  #tagOf({ id, tag_name, draft }: DoubleRelease): string {
    return draft ? (this.#untagged.get(id) ?? '') : tag_name
  }

  /**
   * An asset of a draft is given an address that dies when the draft is published (softprops/action-gh-release#713);
   * afterwards it has the one with the tag.
   */
  #downloadUrl(release: DoubleRelease, { name }: ReleaseAsset): string {
    return `${DOWNLOADS}/${this.#tagOf(release)}/${name}`
  }

  protected asset(release: DoubleRelease, asset: ReleaseAsset): object {
    const { id, name, label = '', state, content_type, bytes } = asset
    return {
      url: `${this.apiUrl}${REPOSITORY}/releases/assets/${id}`,
      id,
      name,
      label,
      state,
      content_type,
      size: bytes.length,
      // Computed at the upload (changelog of 2025-06-03).
      digest: state === 'uploaded' ? `sha256:${createHash('sha256').update(bytes).digest('hex')}` : null,
      browser_download_url: this.#downloadUrl(release, asset),
    }
  }
}

class GiteaReleases extends Releases {
  protected override readonly assetPath = /^\/releases\/\d+\/assets\/(\d+)$/
  readonly #quota: number

  constructor(options: ReleasesApiOptions) {
    super(options)
    this.#quota = options.quota ?? Number.POSITIVE_INFINITY
  }

  protected override upload(release: DoubleRelease, { query, body, request }: Call): Answer {
    const name = query.get('name') ?? ''
    if (name === '')
      return reply(400, { message: "Missing 'name' parameter", url: 'https://git.example.com/api/swagger' })
    if (body.length > this.#quota) return reply(413, { message: 'quota exceeded' })
    const type = request.headers['content-type'] ?? ''
    const made: ReleaseAsset = { id: this.nextId++, name, state: 'uploaded', content_type: type, bytes: body }
    release.assets.push(made)
    return reply(201, this.asset(release, made))
  }

  protected override rename(release: DoubleRelease, id: number, { body }: Call): Answer {
    const { name } = JSON.parse(body.toString()) as { name?: string }
    const asset = release.assets.find((each) => each.id === id)
    if (!asset) return reply(404, { message: 'Not Found' })
    asset.name = name ?? asset.name
    return reply(201, this.asset(release, asset))
  }

  protected override shown({ id, tag_name, draft }: DoubleRelease): object {
    return { id, tag_name, draft, upload_url: `${this.uploadOrigin ?? this.apiUrl}${REPOSITORY}/releases/${id}/assets` }
  }

  protected override asset({ tag_name }: DoubleRelease, { id, name, bytes }: ReleaseAsset): object {
    const address = `https://git.example.com/octo/pictures/releases/download/${tag_name}/${encodeURIComponent(name)}`
    return { id, name, size: bytes.length, download_count: 0, uuid: `uuid-${id}`, browser_download_url: address }
  }
}

/** @returns whether this look is one that does not find the release yet */
function isHidden({ hidden }: DoubleRelease, from: 'tag' | 'list' | 'assets'): boolean {
  const left = hidden?.[from] ?? 0
  if (!hidden || left <= 0) return false
  hidden[from] = left - 1
  return true
}

/**
 * "GitHub renames asset filenames that have special characters, non-alphanumeric characters, and leading or trailing
 * periods" (REST docs of the upload).
 */
const gitHubName = (name: string) => name.replace(/[^\w+@-]+/g, '.').replace(/^\.+|\.+$/g, '')

function refusalOf(fault: Refusal | 'bad gateway page' | 'blocked page'): Reply {
  if (fault === 'bad gateway page') return BAD_GATEWAY
  if (fault === 'blocked page') return BLOCKED
  const { status, message, errors, headers } = fault
  return reply(status, { message, errors, documentation_url: 'https://docs.github.com/rest' }, headers)
}

const BAD_GATEWAY: Reply = {
  status: 502,
  headers: { 'content-type': 'text/html' },
  body: '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1>The proxy server received an invalid response from an upstream server.</body></html>',
}

const BLOCKED: Reply = {
  status: 403,
  headers: { 'content-type': 'text/html' },
  body: '<html><head><title>Blocked</title></head><body>This file is not allowed.</body></html>',
}

function reply(status: number, body?: unknown, headers: Record<string, string> = {}): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) ?? '' }
}
