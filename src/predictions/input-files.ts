import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { readBody } from './answer.ts'
import type { Api } from './apis/api.ts'
import { ApiError } from './errors.ts'
import type { Sender } from './sender.ts'
import { isRecord } from './text.ts'

/** A file to be uploaded. */
interface UploadedContent {
  /** The name that the API shows. */
  name: string
  /** MIME type. */
  type: string
  content: Buffer
}

/** A file that was uploaded. */
export interface UploadedFile {
  id: string
  /** What stands in the input of the model. */
  url: string
}

/** The calls about files that stand in inputs. */
export interface InputFileCalls {
  /**
   * Uploads a file that stands in an input.
   * @returns undefined if what was answered has no URL
   * @throws ApiError, or the signal's reason when it was aborted
   */
  upload(file: UploadedContent, signal: AbortSignal): Promise<UploadedFile | undefined>
  /** Deletes an uploaded file. Never throws because of the API: it deletes them by itself after a day. */
  deleteUpload(id: string, signal: AbortSignal): Promise<void>
}

export const inputFileCalls = (api: Api, { send, sendForText }: Sender): InputFileCalls => ({
  async upload(file, signal) {
    const { request, status, text } = await sendForText({ method: 'POST', path: '/files', ...multipart(file) }, signal)
    return status === 201 ? uploadedFile((await readBody(request, text, api)).body) : undefined
  },
  async deleteUpload(id, signal) {
    try {
      await send({ method: 'DELETE', path: `/files/${encodeURIComponent(id)}` }, signal)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
    }
  },
})

/** The body of a form with one file (RFC 7578). */
function multipart({ name, type, content }: UploadedContent): { body: Buffer; headers: Record<string, string> } {
  const boundary = randomUUID()
  const fileName = name.replaceAll(/["\\\r\n]/g, (character) => encodeURIComponent(character))
  const disposition = `form-data; name="content"; filename="${fileName}"`
  const head = `--${boundary}\r\ncontent-disposition: ${disposition}\r\ncontent-type: ${type}\r\n\r\n`
  return {
    body: Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  }
}

/** What `POST /files` answered; undefined if it has no URL to pass on. */
function uploadedFile({ id, urls }: Record<string, unknown>): UploadedFile | undefined {
  const url = isRecord(urls) ? urls.get : undefined
  return typeof id === 'string' && typeof url === 'string' && URL.canParse(url) ? { id, url } : undefined
}
