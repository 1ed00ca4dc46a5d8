/**
 * The artifact service of a workflow run, as `@actions/artifact` speaks to it (Twirp with JSON), and the blob store that
 * takes the bytes (Azure's Put Block and Put Block List): for the forges whose hosts that client refuses. A test holds the
 * two to the same requests.
 */
import { randomUUID } from 'node:crypto'
import { parseErrorBody } from '../predictions/error-body.ts'
import { requestTarget, USER_AGENT } from '../predictions/http.ts'
import type { Connections } from '../predictions/network/dispatcher.ts'
import { isRecord } from '../predictions/text.ts'
import { type Answer, ArtifactServiceError } from './artifact-error.ts'
import type { ListedArtifact } from './artifact-store.ts'
import { digitsOf } from './digest.ts'

export interface ArtifactService {
  /**
   * Takes the name.
   * @param mediaType of the bytes; left out if only zips are taken
   * @returns the URL to upload to
   */
  create(name: string, options: { mediaType: string; expires: Date | undefined }, signal: AbortSignal): Promise<string>
  /** Uploads one block of a blob. @param id of {@link blockIds} */
  putBlock(url: string, id: string, block: Buffer, signal: AbortSignal): Promise<void>
  /** Makes a blob of its blocks. */
  commitBlocks(url: string, ids: readonly string[], mediaType: string, signal: AbortSignal): Promise<void>
  /** @returns the ID of the artifact */
  finalize(name: string, content: { size: number; digest: string }, signal: AbortSignal): Promise<number>
  /** The artifacts of a name, the newest first. */
  list(name: string, signal: AbortSignal): Promise<ListedArtifact[]>
  /** Deletes the newest artifact of a name. */
  remove(name: string, signal: AbortSignal): Promise<void>
}

export interface ArtifactServiceSettings {
  /** Its origin counts. */
  url: string
  token: string
  ids: BackendIds
  protocol: 7 | 4
  dispatcher: Pick<Connections, 'request'>
}

const TWIRP = '/twirp/github.actions.results.api.v1.ArtifactService'
/** Milliseconds without an answer after which a call is given up. */
const CALL_TIMEOUT = 60_000
/** The same for a block of 8 MiB; what the official client allows. */
const BLOCK_TIMEOUT = 300_000

/** Sends one request. @throws ArtifactServiceError, unless the answer is a success, or the reason of the signal */
type Send = (call: string, to: URL, options: SendOptions) => Promise<Answer>

const createSend =
  (dispatcher: Pick<Connections, 'request'>): Send =>
  async (call, to, options) => {
    const { method, headers, body, signal, timeout = CALL_TIMEOUT } = options
    let answer: Answer
    try {
      const response = await dispatcher.request({
        ...requestTarget(to),
        method,
        headers: { 'user-agent': USER_AGENT, ...headers },
        body,
        signal,
        headersTimeout: timeout,
        bodyTimeout: timeout,
      })
      answer = { status: response.statusCode, headers: response.headers, text: await response.body.text() }
    } catch (cause) {
      signal.throwIfAborted()
      throw new ArtifactServiceError(call, { cause })
    }
    if (answer.status < 200 || answer.status > 299) throw new ArtifactServiceError(call, { answer })
    return answer
  }

/** Calls methods of the service; each takes and returns a JSON object. */
const createTwirp =
  ({ url, token, ids }: ArtifactServiceSettings, send: ReturnType<typeof createSend>) =>
  async (method: string, request: Record<string, unknown>, signal: AbortSignal): Promise<Record<string, unknown>> => {
    const body = JSON.stringify({ ...ids, ...request })
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const target = new URL(`${TWIRP}/${method}`, new URL(url).origin)
    const answer = await send(method, target, { method: 'POST', headers, body, signal })
    const parsed = parseErrorBody(answer.text)
    if (isRecord(parsed) && parsed.ok !== false) return parsed
    throw new ArtifactServiceError(method, { cause: new Error('the response is not the expected JSON') })
  }

export function createArtifactService(settings: ArtifactServiceSettings): ArtifactService {
  const { protocol, dispatcher } = settings
  const send = createSend(dispatcher)
  const twirp = createTwirp(settings, send)
  return {
    async create(name, { mediaType, expires }, signal) {
      const type = protocol === 7 ? { mime_type: mediaType } : {}
      const expiry = expires === undefined ? {} : { expires_at: expires.toISOString() }
      const request = { name, ...type, version: protocol, ...expiry }
      const signed = field(await twirp('CreateArtifact', request, signal), 'signed_upload_url')
      if (typeof signed === 'string' && URL.canParse(signed)) return signed
      throw new ArtifactServiceError('CreateArtifact', { cause: new Error('the response has no upload URL') })
    },
    async putBlock(blob, id, block, signal) {
      await send('Put Block', withQuery(blob, { comp: 'block', blockid: id }), {
        method: 'PUT',
        headers: BLOB_HEADERS,
        body: block,
        signal,
        timeout: BLOCK_TIMEOUT,
      })
    },
    async commitBlocks(blob, blocks, mediaType, signal) {
      const list = blocks.map((id) => `<Latest>${id}</Latest>`).join('')
      await send('Put Block List', withQuery(blob, { comp: 'blocklist' }), {
        method: 'PUT',
        headers: { ...BLOB_HEADERS, 'content-type': 'application/xml', 'x-ms-blob-content-type': mediaType },
        body: `<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`,
        signal,
      })
    },
    async finalize(name, { size, digest }, signal) {
      const request = { name, size: String(size), hash: `sha256:${digest}` }
      const id = field(await twirp('FinalizeArtifact', request, signal), 'artifact_id')
      if (Number.isSafeInteger(Number(id)) && id !== undefined) return Number(id)
      throw new ArtifactServiceError('FinalizeArtifact', { cause: new Error('the response has no artifact_id') })
    },
    async list(name, signal) {
      const { artifacts } = await twirp('ListArtifacts', { name_filter: name }, signal).catch(emptyIfNotFound)
      const all = (Array.isArray(artifacts) ? artifacts : []).filter(isRecord)
      // Not every server knows the filter.
      return all
        .filter((each) => each.name === name)
        .map(describeListed)
        .toSorted((a, b) => b.id - a.id)
    },
    async remove(name, signal) {
      await twirp('DeleteArtifact', { name }, signal)
    },
  }
}

interface SendOptions {
  method: 'POST' | 'PUT'
  headers: Record<string, string>
  body: string | Buffer
  signal: AbortSignal
  timeout?: number
}

/** Signed URLs name the version of the API themselves; the store needs the header for the rest. */
const BLOB_HEADERS = { 'x-ms-version': '2021-12-02' }

/** Appends to the query as it is: parsing it would turn a `+` of the signature into a blank. */
const withQuery = (url: string, query: Record<string, string>): URL =>
  new URL(`${url}${url.includes('?') ? '&' : '?'}${new URLSearchParams(query)}`)

const describeListed = (listed: Record<string, unknown>): ListedArtifact => ({
  id: Number(field(listed, 'database_id')),
  digest: typeof listed.digest === 'string' ? digitsOf(listed.digest) : '',
  size: Number(listed.size),
  created: new Date(String(field(listed, 'created_at'))),
})

/** GitHub answers with names as the protocol defines them, Gitea with those of JSON, such as `signedUploadUrl`. */
const field = (message: Record<string, unknown>, name: string): unknown =>
  message[name] ?? message[name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())]

/** Gitea says so of a run without artifacts. */
function emptyIfNotFound(error: unknown): Record<string, unknown> {
  if (error instanceof ArtifactServiceError && error.status === 404) return {}
  throw error
}

/** IDs for the blocks of one blob, of equal length, as the store wants them; unique, because Gitea keeps blocks by run. */
export function blockIds(): (index: number) => string {
  const blob = randomUUID()
  return (index) => Buffer.from(`${blob}-${String(index).padStart(6, '0')}`).toString('base64')
}

/** The run and the job that a token is for, as the service names them. */
export interface BackendIds {
  workflow_run_backend_id: string
  workflow_job_run_backend_id: string
}

/**
 * The scope `Actions.Results:<run>:<job>` of the runtime token, whose signature is the service's business.
 * @returns undefined if it has none
 */
export function backendIdsOf(token: string): BackendIds | undefined {
  const claims = parseErrorBody(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  const scopes = isRecord(claims) ? String(claims.scp).split(' ') : []
  const [, run, job] = scopes.map((scope) => /^Actions\.Results:([^:]+):([^:]+)$/.exec(scope)).find(Boolean) ?? []
  if (run === undefined || job === undefined) return undefined
  return { workflow_run_backend_id: run, workflow_job_run_backend_id: job }
}
