import type { Client } from '../predictions/client.ts'
import { type Clock, deadlineSignal } from '../predictions/clock.ts'
import { ApiError, ConnectionError, RefusalError } from '../predictions/errors.ts'
import type { UploadedFile } from '../predictions/input-files.ts'
import { sentences } from '../predictions/text.ts'
import { contentOf, type LargeFile, type UploadResult } from './embedded-files.ts'
import { info } from './print.ts'

export interface InputUploadsOptions {
  client: Pick<Client, 'upload' | 'deleteUpload'>
  clock: Clock
  /** Ends uploads. */
  signal: AbortSignal
}

/** Seconds before an upload that failed is tried once more. */
const UPLOAD_PAUSE = 2
/** Seconds that a hint of the API delays that at most. */
const LONGEST_UPLOAD_HINT = 30
/** Seconds that deleting uploads takes at most. */
const DELETE_LIMIT = 10

/** Uploads the large files of inputs, and deletes them in the end. */
export class InputUploads {
  readonly #options: InputUploadsOptions
  /** Of the files that were uploaded. */
  readonly #ids: string[] = []
  /** False once an upload has failed twice before any has succeeded: the API has none, probably. */
  #takesUploads = true
  /** What became of uploads, by the paths of their files: one that is mentioned twice is uploaded once. */
  readonly #results = new Map<string, Promise<UploadResult>>()

  constructor(options: InputUploadsOptions) {
    this.#options = options
  }

  /** Uploads a file, unless that was done before. @throws ModelInputError, or the reason of the signal */
  upload(file: LargeFile): Promise<UploadResult> {
    const known = this.#results.get(file.path)
    if (known) return known
    const result = this.#uploadAndRetry(file)
    this.#results.set(file.path, result)
    return result
  }

  /** Deletes what was uploaded, as far as that is possible within a few seconds and before the signal. */
  async deleteAll(signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options
    using limit = deadlineSignal(clock, DELETE_LIMIT, 'deleting uploads took too long')
    const stop = AbortSignal.any([signal, limit.signal])
    await Promise.allSettled(this.#ids.map((id) => client.deleteUpload(id, stop)))
  }

  async #uploadAndRetry(file: LargeFile): Promise<UploadResult> {
    const { client, clock, signal } = this.#options
    const content = await contentOf(file)
    const attempt = () =>
      client.upload({ name: file.name, type: file.type, content }, signal).catch((error: unknown) => {
        if (error instanceof ApiError) return error
        throw error
      })
    let uploaded = await attempt()
    // What was answered does not say whether the API has no uploads, or only failed for a moment.
    if (!isUploaded(uploaded) && this.#takesUploads) {
      await clock.sleep(Math.max(UPLOAD_PAUSE, Math.min(LONGEST_UPLOAD_HINT, uploaded?.retryAfter ?? 0)), signal)
      uploaded = await attempt()
    }
    if (!isUploaded(uploaded)) {
      if (this.#ids.length === 0) this.#takesUploads = false
      else this.#results.delete(file.path)
      return { refusal: uploadAdvice(uploaded) }
    }
    this.#takesUploads = true
    this.#ids.push(uploaded.id)
    info(`uploaded ${file.name}`)
    return { url: uploaded.url }
  }
}

const isUploaded = (result: UploadedFile | ApiError | undefined): result is UploadedFile =>
  result !== undefined && !(result instanceof ApiError)

/** What to say of a file that could not be uploaded: why, unless the API seems to have no uploads, and what to do. */
function uploadAdvice(error: ApiError | undefined): string {
  if (error instanceof RefusalError && error.scope === 'account') return error.message
  const isFault = error instanceof ConnectionError || error?.retryability === 'transient'
  return sentences(isFault && error.message, 'Put it on a server and use its URL.')
}
