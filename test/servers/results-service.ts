/**
 * The artifact side of GitHub Actions on 127.0.0.1: a results service that speaks the protocol of its clients (Twirp over
 * JSON), and azurite as the blob store behind the addresses that it signs.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import path from 'node:path'
import {
  BlobSASPermissions,
  BlobServiceClient,
  type ContainerClient,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { bodyOf, listen } from '../support/listen.ts'

/** The account that azurite knows; its key is the well-known one of the emulator. */
const ACCOUNT = 'devstoreaccount1'
const ACCOUNT_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
const SERVICE = '/twirp/github.actions.results.api.v1.ArtifactService/'
const SIGNED_FOR_MS = 600_000

export interface Artifact {
  id: number
  name: string
  /** The attempt of the run in which it was made, from 1. */
  attempt: number
  mimeType: string
  expiresAt: string | undefined
  finalized: boolean
  size: number
  hash: string
  created: Date
}

/** A fault; `lost`: the call is carried out, but its answer never comes. */
export type ServiceFault = 'reset' | 'hang' | 'lost' | { status: number; body: unknown }

/** What the service now and then answers to a good request (actions/download-artifact#464, actions/toolkit#2452). */
export const FROM_INTERMEDIARY: ServiceFault = {
  status: 403,
  body: {
    code: 'permission_denied',
    msg: 'Error from intermediary with HTTP status code 403 "Forbidden"',
    meta: { http_error_from_intermediary: 'true', status_code: '403', body: '' },
  },
}

/** Seen for types that the service does not know, such as those of spreadsheets (actions/toolkit#2324). */
export const MIME_TYPE_REFUSED: ServiceFault = {
  status: 400,
  body: { code: 'invalid_argument', msg: 'mime_type a valid mime_type is required for this artifact version' },
}

/** What Gitea before 1.26 and Forgejo's server of 2024 answer to fields that they do not know (go-gitea/gitea#36786). */
export const OLD_FORGE: ServiceFault = { status: 500, body: 'Error decode request body' }

export interface ResultsServiceOptions {
  /**
   * For how long a name is taken: for the `attempt`, as reports of re-run jobs show (axodotdev/cargo-dist#656,
   * go-gitea/gitea#38857), or for the whole `run`, as its error message says. No documentation decides it.
   */
  namesPer?: 'attempt' | 'run'
}

export interface ResultsService extends AsyncDisposable {
  /** What the runner sets for steps that may upload. */
  readonly env: Record<string, string>
  /** In the order in which they were made. */
  readonly artifacts: Artifact[]
  /** Names of the calls, in order. */
  readonly calls: string[]
  /** Bodies of the calls, in the same order. */
  readonly bodies: unknown[]
  /** Faults for the next calls of one name. */
  fail(call: string, ...faults: ServiceFault[]): void
  /** Makes an artifact as if an earlier step had uploaded it. */
  occupy(name: string): void
  /**
   * Begins another attempt of the run. After a partial one the artifacts of the earlier attempts are still listed, after a
   * full one they are not (actions/upload-artifact#585).
   */
  rerun(jobs: 'all' | 'failed'): void
  /** The bytes of the newest artifact of the name, as its blob has them. */
  download(name: string): Promise<Buffer>
}

type Reply = [status: number, body: unknown]
type Call = 'CreateArtifact' | 'FinalizeArtifact' | 'ListArtifacts' | 'DeleteArtifact' | 'GetSignedArtifactURL'

export async function startResultsService(options: ResultsServiceOptions = {}): Promise<ResultsService> {
  const { process: azurite, url } = await startAzurite()
  const credential = new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY)
  const container = new BlobServiceClient(`${url}/${ACCOUNT}`, credential).getContainerClient('artifacts')
  await container.create()
  const store = new ArtifactStore(container, credential, options.namesPer ?? 'attempt')
  const calls: string[] = []
  const bodies: unknown[] = []
  const faults = new Map<string, ServiceFault[]>()
  const token = runtimeToken()
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = (await bodyOf(request)).toString()
    const call = request.url?.startsWith(SERVICE) ? request.url.slice(SERVICE.length) : ''
    calls.push(call)
    bodies.push(JSON.parse(body || 'null'))
    const fault = faults.get(call)?.shift()
    if (fault === 'reset') return void request.socket.destroy()
    if (fault === 'hang') return
    const permitted = request.headers.authorization === `Bearer ${token}`
    const refusal = typeof fault === 'object' ? ([fault.status, fault.body] as const) : undefined
    const [status, reply] = refusal ?? (await store.call(call, body, permitted))
    if (fault === 'lost') return void request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof reply === 'string' ? reply : JSON.stringify(reply))
  }
  const listening = await listen(answer)
  return {
    env: {
      ACTIONS_RUNTIME_TOKEN: token,
      ACTIONS_RESULTS_URL: `${listening.origin}/`,
      GITHUB_SERVER_URL: 'https://github.com',
    },
    artifacts: store.artifacts,
    calls,
    bodies,
    fail: (call, ...more) => void faults.set(call, [...(faults.get(call) ?? []), ...more]),
    occupy: (name) => store.occupy(name),
    rerun: (jobs) => store.rerun(jobs),
    download: (name) => store.download(name),
    async [Symbol.asyncDispose]() {
      await listening.close()
      azurite.kill('SIGKILL')
      await once(azurite, 'close')
    },
  }
}

/** A token as the runner gets it: only what is in `scp` is read by the clients. */
export function runtimeToken(): string {
  const claims = { scp: 'Actions.Results:run-id:job-id', exp: 4_102_444_800 }
  const parts = ['{"alg":"none"}', JSON.stringify(claims)].map((part) => Buffer.from(part).toString('base64url'))
  return `${parts.join('.')}.x`
}

class ArtifactStore {
  readonly artifacts: Artifact[] = []
  readonly #container: ContainerClient
  readonly #credential: StorageSharedKeyCredential
  readonly #namesPer: 'attempt' | 'run'
  #attempt = 1
  /** The first attempt whose artifacts are still shown. */
  #shownFrom = 1
  #nextId = 100

  constructor(container: ContainerClient, credential: StorageSharedKeyCredential, namesPer: 'attempt' | 'run') {
    this.#container = container
    this.#credential = credential
    this.#namesPer = namesPer
  }

  async call(name: string, body: string, permitted: boolean): Promise<Reply> {
    if (!permitted) return [401, { code: 'unauthenticated', msg: 'bad token' }]
    const methods: Readonly<Record<Call, (request: Record<string, unknown>) => Reply | Promise<Reply>>> = {
      CreateArtifact: (request) => this.#create(request),
      FinalizeArtifact: (request) => this.#finalize(request),
      ListArtifacts: (request) => this.#list(request),
      DeleteArtifact: (request) => this.#delete(request),
      GetSignedArtifactURL: (request) => this.#sign(request),
    }
    if (!Object.hasOwn(methods, name)) return [404, { code: 'bad_route', msg: `no handler for ${name}` }]
    return methods[name as Call](JSON.parse(body))
  }

  occupy(name: string): void {
    const artifact = this.#add(name, 'application/zip', undefined)
    Object.assign(artifact, { finalized: true, created: new Date(0) })
  }

  rerun(jobs: 'all' | 'failed'): void {
    this.#attempt++
    if (jobs === 'all') this.#shownFrom = this.#attempt
  }

  async download(name: string): Promise<Buffer> {
    const artifact = this.#newest(name)
    if (!artifact) throw new Error(`there is no artifact ${name}`)
    return this.#blob(artifact).downloadToBuffer()
  }

  #add(name: string, mimeType: string, expiresAt: string | undefined): Artifact {
    const created = new Date()
    const [id, attempt] = [++this.#nextId, this.#attempt]
    const artifact = { id, name, attempt, mimeType, expiresAt, finalized: false, size: 0, hash: '', created }
    this.artifacts.push(artifact)
    return artifact
  }

  #shown(): Artifact[] {
    return this.artifacts.filter(({ attempt }) => attempt >= this.#shownFrom)
  }

  /** A lookup by name takes the newest copy (toolkit, get-artifact.ts and delete-artifact.ts). */
  #newest(name: string): Artifact | undefined {
    return this.#shown().findLast((artifact) => artifact.name === name)
  }

  #blob({ id }: Artifact) {
    return this.#container.getBlockBlobClient(`artifact-${id}`)
  }

  #create({ name, version, mime_type, expires_at }: Record<string, unknown>): Reply {
    if (typeof name !== 'string' || name === '' || /[":<>|*?\\/\r\n]/.test(name))
      return [400, { code: 'invalid_argument', msg: 'invalid artifact name' }]
    if (version !== 7) return [400, { code: 'invalid_argument', msg: `version ${version} is not supported` }]
    const counts = ({ attempt }: Artifact) => this.#namesPer === 'run' || attempt === this.#attempt
    if (this.artifacts.some((artifact) => artifact.name === name && counts(artifact)))
      return [409, { code: 'already_exists', msg: 'an artifact with this name already exists on the workflow run' }]
    const blob = this.#blob(this.#add(name, String(mime_type), expires_at as string | undefined))
    return [200, { ok: true, signed_upload_url: this.#signedUrl(blob, 'cw') }]
  }

  #sign({ name }: Record<string, unknown>): Reply {
    const newest = this.#newest(String(name))
    if (!newest) return [404, { code: 'not_found', msg: 'artifact not found' }]
    return [200, { name, signed_url: this.#signedUrl(this.#blob(newest), 'r') }]
  }

  #signedUrl({ name: blobName, url }: { name: string; url: string }, rights: string): string {
    const permissions = BlobSASPermissions.parse(rights)
    const expiresOn = new Date(Date.now() + SIGNED_FOR_MS)
    const signed = { containerName: 'artifacts', blobName, permissions, expiresOn }
    return `${url}?${generateBlobSASQueryParameters(signed, this.#credential)}`
  }

  async #finalize({ name, size, hash }: Record<string, unknown>): Promise<Reply> {
    const artifact = this.#newest(String(name))
    if (!artifact) return [404, { code: 'not_found', msg: 'artifact not found' }]
    const content = await this.#blob(artifact).downloadToBuffer()
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    if (Number(size) !== content.length || hash !== digest)
      return [400, { code: 'invalid_argument', msg: 'size or hash differ from what was uploaded' }]
    Object.assign(artifact, { finalized: true, size: content.length, hash: digest })
    return [200, { ok: true, artifact_id: String(artifact.id) }]
  }

  #list({ name_filter, id_filter }: Record<string, unknown>): Reply {
    const found = this.#shown().filter(
      ({ name, id }) =>
        (name_filter === undefined || name === name_filter) && (id_filter === undefined || String(id) === id_filter),
    )
    const artifacts = found.map(({ id, name, size, created, hash }) => ({
      workflow_run_backend_id: 'run-id',
      workflow_job_run_backend_id: 'job-id',
      database_id: String(id),
      name,
      size: String(size),
      created_at: created.toISOString(),
      digest: hash === '' ? undefined : hash,
    }))
    return [200, { artifacts }]
  }

  #delete({ name }: Record<string, unknown>): Reply {
    const newest = this.#newest(String(name))
    if (!newest) return [404, { code: 'not_found', msg: 'artifact not found' }]
    this.artifacts.splice(this.artifacts.indexOf(newest), 1)
    return [200, { ok: true, artifact_id: String(newest.id) }]
  }
}

async function startAzurite(): Promise<{ process: ChildProcess; url: string }> {
  const script = path.resolve(import.meta.dirname, '../../node_modules/azurite/dist/src/blob/main.js')
  const flags = [
    '--blobPort',
    '0',
    '--skipApiVersionCheck',
    '--loose',
    '--inMemoryPersistence',
    '--disableTelemetry',
    '--silent',
  ]
  const child = spawn(process.execPath, [script, ...flags], { stdio: ['ignore', 'pipe', 'ignore'] })
  // A test that dies must not leave it running.
  process.once('exit', () => child.kill('SIGKILL'))
  let printed = ''
  for await (const text of child.stdout.setEncoding('utf8')) {
    printed += text
    const url = /listens on (http:\S+)/.exec(printed)?.[1]
    if (url === undefined) continue
    return { process: child, url }
  }
  throw new Error(`azurite did not start: ${printed}`)
}
