import type { Content } from './artifact-content.ts'
import type { ArtifactInputs } from './inputs.ts'

export interface ListedArtifact {
  id: number
  /** SHA-256 in hexadecimal; empty for an upload that was not completed, and on servers that keep none. */
  digest: string
  /** Bytes. */
  size: number
  created: Date
}

/** An artifact that was stored just now. */
export type StoredArtifact = Pick<ListedArtifact, 'id' | 'digest' | 'size'>

/** Calls, and calls again while that may help. */
export type Retry = <T>(call: () => Promise<T>) => Promise<T>

/**
 * Where artifacts go. It decides nothing: what a taken name means and when to retry is for its caller. Failures of the
 * service are ArtifactServiceErrors; the reason of the step's signal is thrown as soon as it is aborted.
 */
export interface ArtifactStore extends AsyncDisposable {
  /** @param retry is applied to every call that can be repeated by itself */
  upload(name: string, content: Content, retry: Retry): Promise<StoredArtifact>
  /** The newest artifact of the run that has the name. */
  newest(name: string): Promise<ListedArtifact | undefined>
  /** Whether an artifact holds this content already. */
  holds(artifact: ListedArtifact, content: Content): Promise<boolean>
  /** Deletes the newest artifact that has the name, if there is one. */
  remove(name: string): Promise<void>
}

/** What users may choose about every artifact, whatever its name. */
export type ArtifactSettings = Omit<ArtifactInputs, 'name' | 'archive' | 'overwrite'>

/** What a store has to know of an upload. Days are within the limit of the repository. */
export interface StoreOptions extends ArtifactSettings {
  /** Of the step. */
  signal: AbortSignal
}
