import type { Connections } from '../predictions/network/dispatcher.ts'
import type { UntrustedNetwork } from '../predictions/network/untrusted-network.ts'
import { counted } from './format.ts'
import { info } from './print.ts'

/** How many requests a step has made so far, by what they are for. Those to GitHub, for artifacts and releases, are not among them. */
export interface RequestCounts {
  /** With the key: polls, pages of the list, creations, uploads of inputs, cancellations. */
  api: number
  streams: number
  /** Of the output; each redirect and each new attempt is one. */
  files: number
}

export const noRequests = (): RequestCounts => ({ api: 0, streams: 0, files: 0 })

/** Such as `9 requests to the API, 1 to event streams, 2 for files`; empty if there was none. */
export function requestsInWords({ api, streams, files }: RequestCounts): string {
  if (api === 0) return ''
  return [
    `${counted(api, 'request')} to the API`,
    streams > 0 ? `${streams} to event streams` : '',
    files > 0 ? `${files} for files` : '',
  ]
    .filter(Boolean)
    .join(', ')
}

/** Prints how many requests were made, if there was one. */
export function reportRequests(counts: RequestCounts): void {
  const words = requestsInWords(counts)
  if (words !== '') info(`${words}.`)
}

/** A network that calls back for each request over it. */
export function countedNetwork(network: UntrustedNetwork, count: () => void): UntrustedNetwork {
  const counted = (connections: Connections): Connections => ({
    request(options) {
      count()
      return connections.request(options)
    },
    destroy: () => connections.destroy(),
  })
  return { to: async (url, signal) => counted(await network.to(url, signal)), close: () => network.close() }
}
