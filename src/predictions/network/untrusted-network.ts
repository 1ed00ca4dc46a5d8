import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { unlessAborted } from '../promises.ts'
import { HTTP1 } from './connector.ts'
import { type Connections, createDispatcher } from './dispatcher.ts'
import { allowedAddresses, checkUrl, type HostPolicy, publicLookup } from './host-policy.ts'
import { CONNECTIONS } from './origin-pool.ts'
import { type ProxyEnvironment, proxiesOf } from './proxy.ts'

/**
 * Connections to hosts that the API chose: those of files and of streams. The key is sent over them only to the API's own
 * address of a file.
 */
export interface UntrustedNetwork {
  /** The way to a URL. @throws HostRefusal if the policy forbids it, or the reason of the signal */
  to(url: URL, signal?: AbortSignal): Promise<Connections>
  close(): Promise<void>
}

export interface UntrustedNetworkOptions {
  /** To one origin at once; more requests wait for one of them. */
  connections?: number
  /** Resolves the names of what goes through a proxy. */
  resolve?: (hostname: string) => Promise<LookupAddress[]>
  /** Whether HTTP/2 is offered to the servers; true unless given. */
  http2?: boolean
}

export function openUntrustedNetwork(
  policy: HostPolicy,
  env: ProxyEnvironment,
  {
    connections = CONNECTIONS,
    resolve = (name) => lookup(name, { all: true }),
    http2 = true,
  }: UntrustedNetworkOptions = {},
): UntrustedNetwork {
  const proxyOf = proxiesOf(env)
  const connect = http2 ? {} : { ALPNProtocols: HTTP1 }
  const open = createDispatcher(env, { connect, connections })
  // What is connected to directly is checked at its socket, also if there is a proxy for other hosts.
  const guarded = createDispatcher(env, { connect: { ...connect, lookup: publicLookup(policy) }, connections })
  return {
    async to(url, signal) {
      if (checkUrl(url, policy).trusted) return open
      // A proxy resolves by itself; what resolves here to a private address is refused all the same.
      if (proxyOf(url) !== undefined && isIP(url.hostname) === 0) {
        const found = resolve(url.hostname).catch(() => [])
        // A look-up cannot be stopped, and may take longer than anyone waits for it.
        const addresses = await (signal ? unlessAborted(found, signal) : found)
        allowedAddresses(url.hostname, addresses, policy)
      }
      return guarded
    },
    async close() {
      await Promise.all([open.destroy(), guarded.destroy()])
    },
  }
}
