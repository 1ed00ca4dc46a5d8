import { Buffer, isUtf8 } from 'node:buffer'
import type { Dispatcher } from 'undici'
import { discard, headerOf, REDIRECT_STATUSES, requestTarget, USER_AGENT } from '../http.ts'
import { HostRefusal } from '../network/host-policy.ts'
import {
  adviceForNetworkError,
  causeOf,
  describeNetworkError,
  isBug,
  settingErrorOf,
} from '../network/network-errors.ts'
import type { UntrustedNetwork } from '../network/untrusted-network.ts'
import { InterruptedTransfer } from './file-answer.ts'
import { PermanentError } from './file-error.ts'

const REDIRECTS = 5

/** What a file is requested with. */
export interface FileRequest {
  network: UntrustedNetwork
  /** Sent to the origin of the URL, and to no other that it redirects to; most files are fetched without it. */
  authorization: string | undefined
  /** The part that is wanted, and what identifies the file that the beginning is of; undefined for the whole file. */
  rest: { from: number; validator: string } | undefined
  signal: AbortSignal
  /** Aborted when nothing comes, so that the connection is not used again. */
  silence: AbortSignal
}

/** An answer to the last of the requests that a link took. */
export interface Responded {
  answer: Dispatcher.ResponseData
  url: URL
  /** Whether it was requested with the key. */
  keyed: boolean
}

/**
 * Requests a file, or the rest of it, and follows redirects by hand: each hop is a host that the server chose.
 * @throws InterruptedTransfer, PermanentError, HostRefusal, or the reason of the signal
 */
export async function requestFile(link: URL, request: FileRequest): Promise<Responded> {
  let url = link
  let { authorization } = request
  for (let hop = 0; hop <= REDIRECTS; hop++) {
    const answer = await requestOne(url, { ...request, authorization })
    if (!REDIRECT_STATUSES.has(answer.statusCode)) return { answer, url, keyed: authorization !== undefined }
    discard(answer.body)
    const location = headerOf(answer.headers, 'location')
    const next = location === undefined ? null : URL.parse(decodeHeader(location), url.href)
    if (!next) throw new PermanentError(`it was redirected (${answer.statusCode}) without a target`)
    // It remains dropped if a later redirect leads back: another server chose that path.
    if (next.origin !== url.origin) authorization = undefined
    url = next
  }
  throw new PermanentError(`it was redirected more than ${REDIRECTS} times`)
}

async function requestOne(
  url: URL,
  { network, authorization, rest, signal, silence }: FileRequest,
): Promise<Dispatcher.ResponseData> {
  try {
    const dispatcher = await network.to(url, signal)
    return await dispatcher.request({
      ...requestTarget(url),
      method: 'GET',
      headers: {
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': USER_AGENT,
        ...(authorization === undefined ? {} : { authorization }),
        ...(rest ? { range: `bytes=${rest.from}-`, 'if-range': rest.validator } : {}),
      },
      signal,
      silence,
    })
  } catch (error) {
    throw signal.aborted ? error : failureOf(error, url)
  }
}

/** What an error of the network means for the file: whether it is transient, permanent, or an error of a program. */
function failureOf(error: unknown, { hostname }: URL): unknown {
  if (isBug(error)) return error
  const refusal = causeOf(error, HostRefusal)
  if (refusal) return refusal
  if (settingErrorOf(error) === undefined) return new InterruptedTransfer(describeNetworkError(error))
  return new PermanentError(
    [`${hostname}: ${describeNetworkError(error)}`, adviceForNetworkError(error)].filter(Boolean).join('. '),
  )
}

/** undici gives headers as latin1; some servers send UTF-8, which browsers read as such. */
function decodeHeader(value: string): string {
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : value
}
