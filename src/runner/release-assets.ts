import { createReadStream } from 'node:fs'
import type { Clock } from '../predictions/clock.ts'
import type { SavedFile } from '../predictions/files/save.ts'
import type { RunnerContext } from './context.ts'
import { messageOf } from './failure.ts'

/** Files could not be attached to a release. The message is whole sentences. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError'
}

export interface AttachRequest {
  tag: string
  token: string
  files: readonly Pick<SavedFile, 'path' | 'name' | 'size' | 'type'>[]
  /** Whether an asset of the same name is replaced. */
  overwrite: boolean
}

/** GitHub refuses larger assets, and more of them. */
const LARGEST_ASSET = 2 * 2 ** 30
const MOST_ASSETS = 1000
const TRIES = 5
/** Seconds that a rate limit is waited out at the most. */
const LONGEST_WAIT = 300

/** The part of octokit that is used here. */
type Octokit = ReturnType<typeof import('@actions/github')['getOctokit']>
interface Release {
  id: number
  uploadUrl: string
  immutable: boolean
}

/**
 * Attaches files to the release of a tag, draft or published. Loads octokit, which is large, only now.
 * @param urls gets each as soon as it is there, so that those before a failure are known; it is what is returned
 * @returns the files' URLs on the release, in the order of the files; they do not expire
 * @throws ReleaseError
 */
export async function attachToRelease(
  request: AttachRequest,
  { clock, runner }: { clock: Clock; runner: RunnerContext },
  urls: string[] = [],
): Promise<string[]> {
  const { tag, token, files, overwrite } = request
  const [owner = '', repo = ''] = runner.repository.split('/')
  if (token === '') throw new ReleaseError('github-token is empty, and without it no release can be changed.')
  const { getOctokit } = await import('@actions/github')
  const context: ReleaseContext = {
    octokit: getOctokit(token, { baseUrl: runner.apiUrl }),
    clock,
    runner,
    repository: { owner, repo },
    tag,
  }
  const release = await findRelease(context)
  if (release.immutable) throw immutable(tag)
  const assets = await persist('list its assets', context, () =>
    context.octokit.paginate(context.octokit.rest.repos.listReleaseAssets, {
      owner,
      repo,
      release_id: release.id,
      per_page: 100,
    }),
  )
  const byName = new Map(assets.map((asset) => [asset.name, asset]))
  const taken = files.filter(({ name }) => byName.get(name)?.state === 'uploaded')
  if (taken.length > 0 && !overwrite) {
    throw new ReleaseError(
      `The release ${tag} already has ${taken.map(({ name }) => name).join(', ')}. Nothing was attached; with overwrite: true they are replaced.`,
    )
  }
  const large = files.find(({ size }) => size >= LARGEST_ASSET)
  if (large)
    throw new ReleaseError(
      `The file ${large.name} has ${large.size} bytes; an asset of a release must have less than 2 GiB.`,
    )
  if (byName.size + files.length - taken.length > MOST_ASSETS) {
    throw new ReleaseError(
      `The release ${tag} would have more than ${MOST_ASSETS} assets, which GitHub does not allow.`,
    )
  }
  for (const file of files) {
    const old = byName.get(file.name)
    if (old) await removeAsset(context, old.id)
    urls.push(await uploadAsset(context, release, file))
  }
  return urls
}

interface ReleaseContext {
  octokit: Octokit
  clock: Clock
  runner: RunnerContext
  repository: { owner: string; repo: string }
  tag: string
}

/** A draft is not found by its tag, only among all releases. */
async function findRelease(context: ReleaseContext): Promise<Release> {
  const { octokit, repository, tag } = context
  const published = await persist(`find the release ${tag}`, context, () =>
    octokit.rest.repos.getReleaseByTag({ ...repository, tag }).catch(absentAsUndefined),
  )
  if (published) return describe(published.data)
  const all = await persist('list releases', context, () =>
    octokit.paginate(octokit.rest.repos.listReleases, { ...repository, per_page: 100 }),
  )
  const draft = all.find((release) => release.tag_name === tag)
  if (draft) return describe(draft)
  throw new ReleaseError(
    `There is no release for the tag ${tag} in ${repository.owner}/${repository.repo}. Create it first, as a draft if you like; drafts are seen only with the permission contents: write.`,
  )
}

const describe = (release: { id: number; upload_url: string }): Release => ({
  id: release.id,
  uploadUrl: release.upload_url.replace(/\{.*$/, ''),
  immutable: 'immutable' in release && release.immutable === true && !('draft' in release && release.draft === true),
})

async function uploadAsset(
  context: ReleaseContext,
  release: Release,
  file: AttachRequest['files'][number],
): Promise<string> {
  const { octokit, repository, runner } = context
  checkUploadHost(release.uploadUrl, runner.apiUrl)
  const { data } = await persist(`attach ${file.name}`, context, async (tries) => {
    // A broken upload leaves an asset that blocks its name.
    if (tries > 1) await removeLeftover(context, release, file.name)
    return octokit.request<'POST {url}'>({
      method: 'POST',
      url: `${release.uploadUrl}?name=${encodeURIComponent(file.name)}`,
      headers: { 'content-type': file.type, 'content-length': file.size },
      data: createReadStream(file.path),
    } as never)
  })
  const { browser_download_url: url } = data as { browser_download_url?: unknown }
  return typeof url === 'string'
    ? url
    : `${runner.serverUrl}/${repository.owner}/${repository.repo}/releases/download/${encodeURIComponent(context.tag)}/${encodeURIComponent(file.name)}`
}

/** The token goes to the API and to the host that GitHub uploads to, whatever an answer names. */
function checkUploadHost(uploadUrl: string, apiUrl: string): void {
  const api = new URL(apiUrl)
  const upload = new URL(uploadUrl)
  const allowed = [api.hostname, api.hostname.replace(/^api\./, 'uploads.')]
  if (!allowed.includes(upload.hostname) || upload.protocol !== api.protocol) {
    throw new ReleaseError(
      `GitHub named ${upload.host} as the place to upload to, which is not ${allowed.join(' or ')}. Nothing was sent there.`,
    )
  }
}

async function removeLeftover(context: ReleaseContext, release: Release, name: string): Promise<void> {
  const { octokit, repository } = context
  const assets = await octokit.paginate(octokit.rest.repos.listReleaseAssets, {
    ...repository,
    release_id: release.id,
    per_page: 100,
  })
  const leftover = assets.find((asset) => asset.name === name)
  if (leftover) await removeAsset(context, leftover.id)
}

async function removeAsset(context: ReleaseContext, id: number): Promise<void> {
  const { octokit, repository } = context
  await persist('remove an old asset', context, () =>
    octokit.rest.repos.deleteReleaseAsset({ ...repository, asset_id: id }).catch(absentAsUndefined),
  )
}

function absentAsUndefined(error: unknown): undefined {
  if (statusOf(error) === 404) return undefined
  throw error
}

const statusOf = (error: unknown): number | undefined => (error as { status?: number }).status

/** Repeats a call while what stands in its way may pass; waits out rate limits. `tries` counts from 1. */
async function persist<T>(what: string, context: ReleaseContext, call: (tries: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call(tries)
    } catch (error) {
      if (error instanceof ReleaseError) throw error
      const pause = pauseAfter(error, tries)
      if (pause === undefined || tries === TRIES || pause > LONGEST_WAIT) throw explain(what, error, context)
      await context.clock.sleep(pause)
    }
  }
}

/** Seconds after which a failed call may be repeated; undefined where that is no use. */
function pauseAfter(error: unknown, tries: number): number | undefined {
  const status = statusOf(error)
  const backOff = 2 ** (tries - 1) * (0.75 + 0.5 * Math.random())
  const { headers = {} } = (error as { response?: { headers?: Record<string, string | undefined> } }).response ?? {}
  if (status === 403 || status === 429) {
    const after = Number(headers['retry-after'] ?? Number.NaN)
    if (after >= 0) return after
    const reset =
      headers['x-ratelimit-remaining'] === '0' ? Number(headers['x-ratelimit-reset']) - Date.now() / 1000 : Number.NaN
    return reset >= 0 ? reset + 1 : status === 429 ? backOff : undefined
  }
  // Without an answer octokit says 500 too.
  return status === undefined || status >= 500 ? backOff : undefined
}

function explain(what: string, error: unknown, { tag, repository }: ReleaseContext): ReleaseError {
  const message = messageOf(error)
  if (/immutable/i.test(message)) return immutable(tag)
  const status = statusOf(error)
  const intro = `Could not ${what} of ${repository.owner}/${repository.repo}`
  if (status === 401) return new ReleaseError(`${intro}: github-token is not valid (401).`, { cause: error })
  if (status === 403 || status === 404) {
    return new ReleaseError(
      `${intro}: github-token may not do that (${status}: ${message}). The job needs the permission contents: write.`,
      { cause: error },
    )
  }
  if (status === 422 && /already_exists/.test(message)) {
    return new ReleaseError(`${intro}: an asset of that name is there by now. With overwrite: true it is replaced.`, {
      cause: error,
    })
  }
  return new ReleaseError(`${intro}: ${message}${status === undefined ? '' : ` (${status})`}.`, { cause: error })
}

const immutable = (tag: string) =>
  new ReleaseError(
    `The release ${tag} is immutable: nothing can be attached to it any more. Attach files to a draft, and publish it then.`,
  )
