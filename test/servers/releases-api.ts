/** The few calls of GitHub's REST API for releases that the action makes, on 127.0.0.1: checks the token, keeps assets. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ReleaseAsset {
  id: number
  name: string
  state: 'uploaded' | 'starter'
  content_type: string
  bytes: Buffer
}

export interface DoubleRelease {
  id: number
  tag_name: string
  draft: boolean
  immutable: boolean
  assets: ReleaseAsset[]
}

export type ReleaseFault =
  | 'reset'
  | 'broken upload'
  | { status: number; message: string; headers?: Record<string, string> }

export interface ReleasesApi extends AsyncDisposable {
  readonly token: string
  readonly env: Record<string, string>
  readonly calls: string[]
  add(tag: string, more?: Partial<DoubleRelease>): DoubleRelease
  /** Faults for the next calls whose `METHOD /path` begins like this. */
  fail(call: string, ...faults: ReleaseFault[]): void
  /** What `upload_url` begins with. */
  uploadOrigin: string
}

export async function startReleasesApi({ permitted = true } = {}): Promise<ReleasesApi> {
  const token = 'ghs_release0123456789'
  const releases: DoubleRelease[] = []
  const calls: string[] = []
  const faults: [string, ReleaseFault][] = []
  let nextId = 1

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    const url = new URL(request.url ?? '', 'http://x')
    const path = url.pathname.replace('/repos/octo/pictures', '')
    const call = `${request.method} ${path}`
    calls.push(call)
    const at = faults.findIndex(([begin]) => call.startsWith(begin))
    const fault = at < 0 ? undefined : faults.splice(at, 1)[0]?.[1]
    if (fault === 'reset') return void request.socket.destroy()
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    if (typeof fault === 'object') return send(response, fault.status, { message: fault.message }, fault.headers)
    if (request.headers.authorization !== `token ${token}`) return send(response, 401, { message: 'Bad credentials' })
    const page = <T>(list: readonly T[]) => {
      const size = Number(url.searchParams.get('per_page') ?? 30)
      const number = Number(url.searchParams.get('page') ?? 1)
      const more = list.length > size * number
      url.searchParams.set('page', String(number + 1))
      const link = more ? { link: `<${api.env.GITHUB_API_URL}${url.pathname}${url.search}>; rel="next"` } : {}
      send(response, 200, list.slice(size * (number - 1), size * number), link)
    }
    const tag = /^\/releases\/tags\/(.+)$/.exec(path)?.[1]
    const id = Number(/^\/releases\/(\d+)\/assets$/.exec(path)?.[1] ?? Number.NaN)
    const assetId = Number(/^\/releases\/assets\/(\d+)$/.exec(path)?.[1] ?? Number.NaN)
    const release = releases.find((each) => each.id === id)
    if (request.method === 'GET' && tag !== undefined) {
      const found = releases.find((each) => each.tag_name === decodeURIComponent(tag) && !each.draft)
      return found ? send(response, 200, shown(found)) : send(response, 404, { message: 'Not Found' })
    }
    if (request.method === 'GET' && path === '/releases') return page(releases.map(shown))
    if (request.method === 'GET' && release) return page(release.assets.map(asset))
    if (!permitted) return send(response, 403, { message: 'Resource not accessible by integration' })
    if (request.method === 'DELETE' && assetId) {
      for (const each of releases) each.assets = each.assets.filter(({ id: known }) => known !== assetId)
      return void response.writeHead(204).end()
    }
    if (request.method === 'POST' && release) {
      const name = url.searchParams.get('name') ?? ''
      if (release.immutable && !release.draft)
        return send(response, 422, { message: 'Cannot upload assets to an immutable release.' })
      if (release.assets.some((each) => each.name === name))
        return send(response, 422, { message: 'Validation Failed: already_exists' })
      if (body.length !== Number(request.headers['content-length']))
        return send(response, 400, { message: 'Bad Content-Length' })
      const made: ReleaseAsset = {
        id: nextId++,
        name,
        state: fault === 'broken upload' ? 'starter' : 'uploaded',
        content_type: request.headers['content-type'] ?? '',
        bytes: body,
      }
      release.assets.push(made)
      if (fault === 'broken upload') return void request.socket.destroy()
      return send(response, 201, {
        ...asset(made),
        browser_download_url: `https://github.com/octo/pictures/releases/download/${release.tag_name}/${name}`,
      })
    }
    send(response, 404, { message: 'Not Found' })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const shown = ({ id, tag_name, draft, immutable }: DoubleRelease) => ({
    id,
    tag_name,
    draft,
    immutable,
    upload_url: `${api.uploadOrigin}/repos/octo/pictures/releases/${id}/assets{?name,label}`,
  })
  const asset = ({ id, name, state, content_type, bytes }: ReleaseAsset) => ({
    id,
    name,
    state,
    content_type,
    size: bytes.length,
  })

  const api: ReleasesApi = {
    token,
    env: { GITHUB_API_URL: origin },
    calls,
    uploadOrigin: origin,
    add(tag_name, more = {}) {
      const release = { id: nextId++, tag_name, draft: false, immutable: false, assets: [], ...more }
      releases.push(release)
      return release
    },
    fail: (call, ...more) => faults.push(...more.map((fault): [string, ReleaseFault] => [call, fault])),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
  return api
}

function send(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
