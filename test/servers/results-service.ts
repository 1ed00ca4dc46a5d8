/**
 * The artifact side of GitHub Actions on 127.0.0.1: a results service that speaks the protocol of its clients (Twirp over
 * JSON), and azurite as the blob store behind the addresses that it signs.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import {
  BlobSASPermissions,
  BlobServiceClient,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'

/** The account that azurite knows; its key is the well-known one of the emulator. */
const ACCOUNT = 'devstoreaccount1'
const ACCOUNT_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
const SERVICE = '/twirp/github.actions.results.api.v1.ArtifactService/'

export interface Artifact {
  id: number
  name: string
  mimeType: string
  expiresAt: string | undefined
  finalized: boolean
  size: number
  hash: string
  created: Date
}

export type ServiceFault = 'reset' | 'hang' | { status: number; body: unknown }

export interface ResultsService extends AsyncDisposable {
  /** What the runner sets for steps that may upload. */
  readonly env: Record<string, string>
  /** In the order in which they were made. */
  readonly artifacts: Artifact[]
  /** Names of the calls, in order. */
  readonly calls: string[]
  /** Faults for the next calls of one name. */
  fail(call: string, ...faults: ServiceFault[]): void
  /** Makes an artifact as if an earlier step had uploaded it. */
  occupy(name: string): void
  /** The bytes of an artifact, as its blob has them. */
  download(name: string): Promise<Buffer>
}

export async function startResultsService(): Promise<ResultsService> {
  const { process: azurite, url } = await startAzurite()
  const credential = new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY)
  const container = new BlobServiceClient(`${url}/${ACCOUNT}`, credential).getContainerClient('artifacts')
  await container.create()

  const artifacts: Artifact[] = []
  const calls: string[] = []
  const faults = new Map<string, ServiceFault[]>()
  const claims = { scp: 'Actions.Results:run-id:job-id', exp: 4_102_444_800 }
  const token = ['{"alg":"none"}', JSON.stringify(claims)]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')
    .concat('.x')
  let nextId = 100

  const find = (name: string) => artifacts.find((artifact) => artifact.name === name)
  const blobOf = (name: string) => container.getBlockBlobClient(Buffer.from(name).toString('hex'))

  const methods: Record<string, (request: Record<string, unknown>) => Promise<[number, unknown]> | [number, unknown]> =
    {
      CreateArtifact({ name, version, mime_type, expires_at }) {
        if (typeof name !== 'string' || name === '' || /[":<>|*?\\/\r\n]/.test(name))
          return [400, { code: 'invalid_argument', msg: 'invalid artifact name' }]
        if (version !== 7) return [400, { code: 'invalid_argument', msg: `version ${version} is not supported` }]
        if (find(name))
          return [409, { code: 'already_exists', msg: 'an artifact with this name already exists on the workflow run' }]
        artifacts.push({
          id: ++nextId,
          name,
          mimeType: String(mime_type),
          expiresAt: expires_at as string | undefined,
          finalized: false,
          size: 0,
          hash: '',
          created: new Date(),
        })
        const sas = generateBlobSASQueryParameters(
          {
            containerName: 'artifacts',
            blobName: blobOf(name).name,
            permissions: BlobSASPermissions.parse('cw'),
            expiresOn: new Date(Date.now() + 600_000),
          },
          credential,
        )
        return [200, { ok: true, signed_upload_url: `${blobOf(name).url}?${sas}` }]
      },
      async FinalizeArtifact({ name, size, hash }) {
        const artifact = find(String(name))
        if (!artifact) return [404, { code: 'not_found', msg: 'artifact not found' }]
        const content = await blobOf(artifact.name).downloadToBuffer()
        const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
        if (Number(size) !== content.length || hash !== digest)
          return [400, { code: 'invalid_argument', msg: 'size or hash differ from what was uploaded' }]
        Object.assign(artifact, { finalized: true, size: content.length, hash: digest })
        return [200, { ok: true, artifact_id: String(artifact.id) }]
      },
      ListArtifacts({ name_filter }) {
        const found = artifacts.filter(({ name }) => name_filter === undefined || name === name_filter)
        return [
          200,
          {
            artifacts: found.map(({ id, name, size, created, hash }) => ({
              workflow_run_backend_id: 'run-id',
              workflow_job_run_backend_id: 'job-id',
              database_id: String(id),
              name,
              size: String(size),
              created_at: created.toISOString(),
              digest: hash === '' ? undefined : hash,
            })),
          },
        ]
      },
      DeleteArtifact({ name }) {
        const at = artifacts.findIndex((artifact) => artifact.name === name)
        if (at < 0) return [404, { code: 'not_found', msg: 'artifact not found' }]
        const [gone] = artifacts.splice(at, 1)
        return [200, { ok: true, artifact_id: String(gone?.id) }]
      },
    }

  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    request.setEncoding('utf8')
    let body = ''
    for await (const chunk of request) body += chunk
    const call = request.url?.startsWith(SERVICE) ? request.url.slice(SERVICE.length) : ''
    calls.push(call)
    const fault = faults.get(call)?.shift()
    if (fault === 'reset') return void request.socket.destroy()
    if (fault === 'hang') return
    const method = methods[call]
    let [status, answer]: [number, unknown] = [404, { code: 'bad_route', msg: `no handler for ${request.url}` }]
    if (fault) [status, answer] = [fault.status, fault.body]
    else if (request.headers.authorization !== `Bearer ${token}`)
      [status, answer] = [401, { code: 'unauthenticated', msg: 'bad token' }]
    else if (method) [status, answer] = await method(JSON.parse(body))
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    env: {
      ACTIONS_RUNTIME_TOKEN: token,
      ACTIONS_RESULTS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      GITHUB_SERVER_URL: 'https://github.com',
    },
    artifacts,
    calls,
    fail: (call, ...more) => void faults.set(call, [...(faults.get(call) ?? []), ...more]),
    occupy: (name) =>
      void artifacts.push({
        id: ++nextId,
        name,
        mimeType: 'application/zip',
        expiresAt: undefined,
        finalized: true,
        size: 0,
        hash: '',
        created: new Date(0),
      }),
    download: (name) => blobOf(name).downloadToBuffer(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      azurite.kill('SIGKILL')
      await once(azurite, 'close')
    },
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
