import { createHash } from 'node:crypto'
import { createDispatcher } from '../predictions/network/dispatcher.ts'
import { blocksOf, type Content, digestOf, openContent } from './artifact-content.ts'
import { ArtifactServiceError } from './artifact-error.ts'
import {
  type ArtifactService,
  type ArtifactServiceSettings,
  blockIds,
  createArtifactService,
} from './artifact-service.ts'
import type { ArtifactStore, Retry, StoreOptions } from './artifact-store.ts'
import type { RunnerContext } from './context.ts'

/** Blocks of one blob that are under way at once. */
const PARALLEL_BLOCKS = 4

/** The artifacts of Gitea and Forgejo, whose hosts `@actions/artifact` refuses. */
export function openTransport(
  settings: Omit<ArtifactServiceSettings, 'dispatcher'>,
  { compressionLevel, retentionDays, signal }: StoreOptions,
  { env }: RunnerContext,
): ArtifactStore {
  const dispatcher = createDispatcher(env, { connections: PARALLEL_BLOCKS })
  const service = createArtifactService({ ...settings, dispatcher })
  const open = (content: Content) => openContent(content, compressionLevel)
  return {
    async upload(name, content, retry) {
      const { mediaType } = content
      const expires = expiryAfter(retentionDays)
      const url = await retry(() => service.create(name, { mediaType, expires }, signal))
      const blob = await uploadBlob(service, { url, mediaType, blocks: blocksOf(open(content)) }, retry, signal)
      return { id: await retry(() => service.finalize(name, blob, signal)), ...blob }
    },
    newest: async (name) => (await service.list(name, signal))[0],
    holds: async ({ digest }, content) => digest !== '' && digest === (await digestOf(open(content))),
    remove: (name) => service.remove(name, signal).catch(ignoreNotFound),
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  }
}

const expiryAfter = (days: number | undefined): Date | undefined =>
  days === undefined ? undefined : new Date(Date.now() + days * 86_400_000)

interface Blob {
  url: string
  mediaType: string
  blocks: AsyncIterable<Buffer>
}

/** Uploads the bytes block by block, each block retried by itself. */
async function uploadBlob(
  service: ArtifactService,
  { url, mediaType, blocks }: Blob,
  retry: Retry,
  signal: AbortSignal,
): Promise<{ size: number; digest: string }> {
  const hash = createHash('sha256')
  const idOf = blockIds()
  const puts: Promise<void>[] = []
  const running = new Set<Promise<unknown>>()
  let size = 0
  let failed = false
  for await (const block of blocks) {
    hash.update(block)
    size += block.length
    const id = idOf(puts.length)
    const put = retry(() => service.putBlock(url, id, block, signal))
    puts.push(put)
    // A failure is thrown where all are waited for.
    const settled = put
      .catch(() => {
        failed = true
      })
      .finally(() => running.delete(settled))
    running.add(settled)
    if (running.size >= PARALLEL_BLOCKS) await Promise.race(running)
    if (failed) break
  }
  await Promise.all(puts)
  const ids = puts.map((_, index) => idOf(index))
  await retry(() => service.commitBlocks(url, ids, mediaType, signal))
  return { size, digest: hash.digest('hex') }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof ArtifactServiceError && error.status === 404)) throw error
}
