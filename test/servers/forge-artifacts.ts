/**
 * The artifact service of Gitea and Forgejo on 127.0.0.1, after Gitea's routers/api/actions/artifactsv4.go: it is its own
 * blob store, names fields in camel case, has no 409 and no digests, and refuses a request with a field that it does not
 * know with a 500 and a line of text.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyOf, listen } from '../support/listen.ts'
import { runtimeToken } from './results-service.ts'

const SERVICE = '/twirp/github.actions.results.api.v1.ArtifactService/'
const FIELDS = ['workflow_run_backend_id', 'workflow_job_run_backend_id', 'name', 'expires_at', 'version']

export interface ForgeArtifact {
  id: number
  name: string
  /** Of the last request that took the name. */
  version: number
  bytes: Buffer | undefined
}

export interface ForgeArtifacts extends AsyncDisposable {
  readonly env: Record<string, string>
  readonly artifacts: ForgeArtifact[]
  readonly calls: string[]
}

export interface ForgeArtifactsOptions {
  /** Gitea knows `mime_type` since 1.26 (go-gitea/gitea#36786); of Forgejo it is not known. */
  knowsMediaTypes: boolean
  /** Before 1.22 there is no such service. */
  present?: boolean
  /** Its disk is. */
  full?: boolean
}

export async function startForgeArtifacts(options: ForgeArtifactsOptions): Promise<ForgeArtifacts> {
  const double = new ForgeStore(options)
  const listening = await listen((request, response) => double.answer(request, response))
  double.origin = listening.origin
  return {
    env: {
      ACTIONS_RUNTIME_TOKEN: double.token,
      ACTIONS_RESULTS_URL: `${listening.origin}/`,
      GITHUB_SERVER_URL: 'https://git.example.com',
    },
    artifacts: double.artifacts,
    calls: double.calls,
    [Symbol.asyncDispose]: listening.close,
  }
}

class ForgeStore {
  readonly token = runtimeToken()
  readonly artifacts: ForgeArtifact[] = []
  readonly calls: string[] = []
  origin = ''
  readonly #options: ForgeArtifactsOptions
  /** By run, not by artifact: equal IDs of two uploads overwrite each other. */
  readonly #blocks = new Map<string, Buffer>()
  readonly #lists = new Map<number, string[]>()

  constructor(options: ForgeArtifactsOptions) {
    this.#options = options
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.origin)
    const call = url.pathname.replace(SERVICE, '')
    const body = await bodyOf(request)
    this.calls.push(call === 'UploadArtifact' ? `${call} ${url.searchParams.get('comp')}` : call)
    const { present = true } = this.#options
    const [status, reply] = present ? this.#route(call, url, request, body) : [404, 'Not found.\n']
    const type = typeof reply === 'string' ? 'text/plain; charset=utf-8' : 'application/json;charset=utf-8'
    response.writeHead(status, { 'content-type': type })
    response.end(typeof reply === 'string' ? reply : JSON.stringify(reply))
  }

  #route(call: string, url: URL, request: IncomingMessage, body: Buffer): [number, unknown] {
    if (call === 'UploadArtifact') return this.#upload(url, body)
    if (request.headers.authorization !== `Bearer ${this.token}`) return [401, 'Bad authorization header']
    const message = JSON.parse(body.toString()) as Record<string, unknown>
    if (call === 'CreateArtifact') return this.#create(message)
    if (call === 'FinalizeArtifact') return this.#finalize(message)
    if (call === 'ListArtifacts') return this.#list(message)
    return [404, 'Not found.\n']
  }

  #create(message: Record<string, unknown>): [number, unknown] {
    const known = this.#options.knowsMediaTypes ? [...FIELDS, 'mime_type'] : FIELDS
    // protojson refuses what it does not know.
    if (Object.keys(message).some((name) => !known.includes(name))) return [500, 'Error decode request body\n']
    const name = String(message.name)
    const version = Number(message.version)
    const artifact = this.#find(name) ?? { id: this.artifacts.length + 1, name, version, bytes: undefined }
    if (!this.artifacts.includes(artifact)) this.artifacts.push(artifact)
    Object.assign(artifact, { version, bytes: undefined })
    const query = new URLSearchParams({
      sig: 'mO7y35r4GyjN7fwg0DTv3-Fv1NDXD84KLEgLpoPOtDI=',
      expires: '2026-11-25 21:48:37.20833956 +0100 CET',
      artifactName: name,
      taskID: '75',
      artifactID: String(artifact.id),
    })
    return [200, { ok: true, signedUploadUrl: `${this.origin}${SERVICE}UploadArtifact?${query}` }]
  }

  #upload({ searchParams: query }: URL, body: Buffer): [number, unknown] {
    if (this.#options.full) return [507, 'no space left on device']
    if (!query.get('sig')?.endsWith('=')) return [401, 'Error unauthorized']
    if (query.get('comp') === 'block') this.#blocks.set(query.get('blockid') ?? '', body)
    if (query.get('comp') === 'blocklist') {
      const ids = [...body.toString().matchAll(/<Latest>(.*?)<\/Latest>/g)].map(([, id = '']) => id)
      this.#lists.set(Number(query.get('artifactID')), ids)
    }
    return [201, 'appended']
  }

  #finalize({ name, hash }: Record<string, unknown>): [number, unknown] {
    const artifact = this.#find(String(name))
    if (!artifact) return [404, 'Error artifact not found']
    const blocks = (this.#lists.get(artifact.id) ?? []).map((id) => this.#blocks.get(id) ?? Buffer.alloc(0))
    const bytes = Buffer.concat(blocks)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (blocks.length === 0 || hash !== digest) return [500, 'Error merge chunks']
    artifact.bytes = bytes
    return [200, { ok: true, artifactId: String(artifact.id) }]
  }

  #list({ name_filter }: Record<string, unknown>): [number, unknown] {
    if (this.artifacts.length === 0) return [404, '']
    const found = this.artifacts.filter(({ name }) => name === name_filter)
    const artifacts = found.map(({ id, name, bytes }) => ({
      databaseId: String(id),
      name,
      size: String(bytes?.length ?? 0),
      createdAt: '2026-11-25T08:00:00Z',
    }))
    return [200, { artifacts }]
  }

  #find(name: string): ForgeArtifact | undefined {
    return this.artifacts.find((artifact) => artifact.name === name)
  }
}
