import { delayedSignal } from '../predictions/clock.ts'
import { withSuffix } from '../predictions/files/extensions.ts'
import type { SavedFile } from '../predictions/files/save.ts'
import { messageOf } from './failure.ts'
import {
  type Asset,
  type AssetContent,
  REPLICATION_LAG,
  type Release,
  ReleaseApi,
  type ReleaseSurroundings,
} from './release-api.ts'
import { ALREADY_EXISTS, ReleaseError } from './release-error.ts'

export interface AttachRequest {
  tag: string
  token: string
  files: readonly Pick<SavedFile, 'path' | 'name' | 'size' | 'type' | 'sha256'>[]
  /** Whether an asset of the same name is replaced. */
  overwrite: boolean
}

type AttachedFile = AttachRequest['files'][number]

/**
 * Attaches files to the release of a tag, draft or published. A file that cannot be attached does not keep the others
 * from it.
 * @param urls receives the URL of each file as soon as it is attached, so that those before a failure are known; undefined
 * for a file that is not there. They do not expire
 * @returns one message of whole sentences for each file that is not there
 * @throws ReleaseError if nothing can be attached at all
 */
export async function attachToRelease(
  request: AttachRequest,
  around: ReleaseSurroundings,
  urls: (string | undefined)[],
): Promise<string[]> {
  const { tag, token } = request
  if (token === '') throw new ReleaseError('github-token is empty, but it is required to change a release.')
  const api = await ReleaseApi.open(token, around)
  const release = await findRelease(api, tag, around)
  if (release.immutable) throw immutable(tag)
  using late = delayedSignal(around.clock, around.signal, FINISHING)
  const finisher = await ReleaseApi.open(token, { ...around, signal: late.signal })
  const session = new AttachSession({ api, finisher, release, assets: await api.assets(release), request, around })
  session.checkCount()
  return await attachAll(session, request, urls, around.signal)
}

/** @returns the failures */
async function attachAll(
  session: AttachSession,
  { tag, files }: AttachRequest,
  urls: (string | undefined)[],
  signal: AbortSignal,
): Promise<string[]> {
  const failures: string[] = []
  let areRefused = false
  let left = 0
  for (const file of files) {
    signal.throwIfAborted()
    if (areRefused && !session.attached(file)) {
      urls.push(undefined)
      left++
      continue
    }
    try {
      urls.push((await session.attach(file)).url)
    } catch (error) {
      signal.throwIfAborted()
      urls.push(undefined)
      failures.push(error instanceof ReleaseError ? error.message : notAttached(file, tag, error))
      areRefused ||= error instanceof ReleaseError && error.concernsAll
    }
  }
  return left === 0 ? failures : [...failures, othersNotAttached(left, tag)]
}

/** Seconds that a replacement which has begun has after a cancel. It is less than the process has. */
const FINISHING = 1

/** A release that the step before made is not found everywhere at once. */
async function findRelease(api: ReleaseApi, tag: string, around: ReleaseSurroundings): Promise<Release> {
  const { clock, signal, runner } = around
  const end = clock.now() + REPLICATION_LAG
  for (let pause = 1; ; pause++) {
    const release = await api.find(tag)
    if (release) return release
    const left = end - clock.now()
    if (left <= 0) {
      throw new ReleaseError(
        `There is no release for the tag ${tag} in ${runner.repository}. Create it first, optionally as a draft; drafts are visible only with the permission contents: write.`,
      )
    }
    await clock.sleep(Math.min(pause, left), signal)
  }
}

/** The assets of one release, and what is attached to it. */
class AttachSession {
  readonly #api: ReleaseApi
  /** For what must not be left half done by a cancel. */
  readonly #finisher: ReleaseApi
  readonly #release: Release
  readonly #request: AttachRequest
  readonly #around: ReleaseSurroundings
  /** As far as they are known: lists lag behind. */
  #assets: Asset[]

  constructor(parts: {
    api: ReleaseApi
    finisher: ReleaseApi
    release: Release
    assets: Asset[]
    request: AttachRequest
    around: ReleaseSurroundings
  }) {
    this.#api = parts.api
    this.#finisher = parts.finisher
    this.#release = parts.release
    this.#assets = parts.assets
    this.#request = parts.request
    this.#around = parts.around
  }

  /** @throws ReleaseError before anything is attached of too many files */
  checkCount(): void {
    const limits = this.#around.runner.forge.assetLimits
    const more = this.#request.files.filter((file) => this.#named(file).length === 0)
    if (limits && this.#assets.length + more.length > limits.count) {
      throw new ReleaseError(
        `The release ${this.#release.tag} would have more than ${limits.count} assets, which GitHub does not allow. Nothing was attached.`,
      )
    }
  }

  /** The asset that is the file already; undefined if there is none. */
  attached(file: AttachedFile): Asset | undefined {
    const isSame = (asset: Asset) =>
      asset.complete && hasContent(asset, file) && (asset.digest !== undefined || !this.#request.overwrite)
    return this.#named(file).find(isSame)
  }

  /** @throws ReleaseError, or why the file cannot be read */
  async attach(file: AttachedFile): Promise<Asset> {
    try {
      return await this.#attach(file)
    } catch (error) {
      if (!(error instanceof ReleaseError && error.codes.includes(ALREADY_EXISTS))) throw error
      // The list lagged behind, or someone else attached it in the meantime.
      this.#assets = await this.#api.assets(this.#release)
      return this.#attach(file)
    }
  }

  async #attach(file: AttachedFile): Promise<Asset> {
    const { tag, overwrite } = this.#request
    const limit = this.#around.runner.forge.assetLimits?.bytes ?? Number.POSITIVE_INFINITY
    if (file.size >= limit) {
      throw new ReleaseError(
        `The file ${file.name} has ${file.size} bytes; a release asset must be smaller than ${limit / 2 ** 30} GiB.`,
      )
    }
    const same = this.attached(file)
    if (same) return same
    const old = this.#named(file).filter(({ complete }) => complete)
    if (old.length > 0 && !overwrite) {
      throw new ReleaseError(
        `The release ${tag} already has ${file.name} with other content. It was not attached. Set overwrite: true to replace it.`,
      )
    }
    const content = this.#contentOf(file)
    return old.length === 0 ? this.#upload(file, content) : this.#replace(old, file, content)
  }

  /** The new asset is uploaded under another name before the old one is removed, so that a cancel leaves an asset of the name. */
  async #replace(old: readonly Asset[], file: AttachedFile, content: AssetContent): Promise<Asset> {
    const added = await this.#upload(file, { ...content, name: await this.#temporaryName(file, content), label: '' })
    this.#around.signal.throwIfAborted()
    try {
      for (const asset of old) await this.#remove(asset, this.#finisher)
      const renamed = await this.#finisher.rename(this.#release, added, content.name, content.label)
      this.#assets = this.#assets.map((asset) => (asset.id === added.id ? renamed : asset))
      return renamed
    } catch (error) {
      const isOldThere = old.some(({ id }) => this.#assets.some((asset) => asset.id === id))
      if (isOldThere) await this.#remove(added, this.#finisher).catch(() => {})
      throw error
    }
  }

  /** Removes what an earlier run left under it; what somebody else attached under it keeps it. */
  async #temporaryName(file: AttachedFile, { name }: AssetContent): Promise<string> {
    const wanted = `${name}.new`
    const isOurs = ({ complete, digest }: Asset) => !complete || digest === file.sha256
    for (const asset of this.#assets.filter((each) => each.name === wanted && isOurs(each))) await this.#remove(asset)
    return this.#freeName(wanted)
  }

  async #upload(file: AttachedFile, content: AssetContent): Promise<Asset> {
    const { tag } = this.#release
    // What an upload that broke off left, perhaps in an earlier run, blocks the name.
    const leftovers = this.#assets.filter(({ name, complete }) => name === content.name && !complete)
    for (const asset of leftovers) await this.#remove(asset)
    const known = new Set(this.#assets.map(({ id }) => id))
    const asset = await this.#api.withRetries(
      `attach ${file.name} to the release ${tag}`,
      async (attempt) => {
        if (attempt === 1) return this.#uploadOnce(file, content)
        if ((await this.#api.find(tag))?.immutable) throw immutable(tag)
        return (await this.#clearLeftover(file, content.name, known)) ?? this.#uploadOnce(file, content)
      },
      { lag: true, unprocessable: true },
    )
    this.#assets.push(asset)
    return asset
  }

  /** @throws ReleaseError for a permanent refusal, or what `withRetries` judges */
  async #uploadOnce(file: AttachedFile, content: AssetContent): Promise<Asset> {
    const asset = await this.#api.upload(this.#release, content)
    if (asset.digest === undefined || asset.digest === file.sha256) return asset
    // Retried: the next attempt removes it.
    throw new Error(`${file.name} does not have the content that was sent`)
  }

  /** An upload may have been completed although its answer was lost. @returns the asset if it did */
  async #clearLeftover(file: AttachedFile, name: string, known: ReadonlySet<number>): Promise<Asset | undefined> {
    const added = (await this.#api.assets(this.#release)).filter((asset) => asset.name === name && !known.has(asset.id))
    const whole = added.find((asset) => asset.complete && hasContent(asset, file))
    for (const asset of added) if (asset !== whole) await this.#api.remove(this.#release, asset)
    return whole
  }

  async #remove(asset: Asset, api = this.#api): Promise<void> {
    await api.remove(this.#release, asset)
    this.#assets = this.#assets.filter(({ id }) => id !== asset.id)
  }

  /** The assets that stand for a file: on Gitea a name can occur twice. */
  #named({ name }: Pick<AttachedFile, 'name'>): Asset[] {
    // GitHub leaves nothing of the letters of other scripts, so such an asset can be that of another file.
    const isTelling = this.#around.runner.forge.renamesAssets && /^[\x20-\x7e]+$/.test(name)
    return this.#assets.filter((asset) => {
      if (asset.name === name || asset.label === name) return true
      return isTelling && asset.label === '' && asset.name === plainName(name)
    })
  }

  /** GitHub would turn two Chinese names into the same name: each gets a plain name, and the original as its label. */
  #contentOf({ name, path: file, type, size }: AttachedFile): AssetContent {
    const content = { mediaType: type || 'application/octet-stream', size, path: file }
    if (!this.#around.runner.forge.renamesAssets || plainName(name) === name) return { ...content, name, label: '' }
    const [own] = this.#named({ name })
    return { ...content, name: own?.name ?? this.#freeName(plainName(name)), label: name }
  }

  #freeName(wanted: string): string {
    const taken = new Set(this.#assets.map(({ name }) => name))
    let free = wanted
    for (let i = 1; taken.has(free); i++) free = withSuffix(wanted, `-${i}`)
    return free
  }
}

/** Without a digest the size must do: the names are the same, too. */
const hasContent = (asset: Asset, { sha256, size }: AttachedFile): boolean =>
  asset.digest === undefined ? asset.size === size : asset.digest === sha256

/** The name that GitHub gives an asset of that name, as its own client predicts it (cli/cli, `sanitizeFileName`). */
function plainName(name: string): string {
  const plain = name
    .normalize('NFD')
    .replace(/\p{Mn}+/gu, '')
    .replace(/^\./, 'default.')
    .replace(/[^\w+@-]+/g, '.')
    .replace(/^\.+|\.+$/g, '')
  // Else only the extension would be left of a name in another script.
  return plain === name || plain.includes('.') ? plain : `default.${plain}`
}

const notAttached = ({ name }: AttachedFile, tag: string, error: unknown): string =>
  `Could not attach ${name} to the release ${tag}: ${messageOf(error)}`

const othersNotAttached = (count: number, tag: string): string =>
  `For the same reason, ${count === 1 ? '1 other file was' : `${count} other files were`} not attached to the release ${tag}.`

const immutable = (tag: string) =>
  new ReleaseError(
    `The release ${tag} is immutable: files can no longer be attached to it. Attach files to a draft, then publish it.`,
    { concernsAll: true },
  )
