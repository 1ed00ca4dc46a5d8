import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { isMappedAddress, isPublicAddress } from './addresses.ts'

/** Which hosts files and streams may come from. */
export interface HostPolicy {
  /** Its origin is trusted (scheme, host and port), also on a private address and over plain http. */
  apiUrl: string
  /**
   * Hosts such as `cdn.example.com` and `*.example.com` (its subdomains), on any port. Trusted in the same way; if there
   * are any, no other host is allowed, unless the word `public` is among them: then every public host is, over https.
   */
  allowedHosts: readonly string[]
  /** Called for each name that a local proxy maps to an address of its own, see {@link isMappedAddress}. */
  onMappedName?: ((host: string, address: string) => void) | undefined
}

/** Stands for every public host in `allowedHosts`. */
const PUBLIC_HOSTS = 'public'

/** A URL is not requested, and why: the rest of a sentence that begins with the file or the stream. */
export class HostRefusal extends Error {
  override readonly name = 'HostRefusal'
}

/**
 * Decides about one URL before it is requested, the first one and each redirect alike.
 * @returns whether its host is trusted, so that the address it resolves to need not be public
 * @throws HostRefusal
 */
export function checkUrl(url: URL, policy: HostPolicy): { trusted: boolean } {
  const host = hostOf(url)
  const trusted = isOwnOrigin(url, policy) || policy.allowedHosts.some((entry) => isCovered(host, entry))
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new HostRefusal(`its scheme is ${url.protocol.slice(0, -1)}, and only https is allowed`)
  }
  if (url.username !== '' || url.password !== '') throw new HostRefusal('it contains a user name or a password')
  if (trusted) return { trusted }
  if (policy.allowedHosts.length > 0 && !policy.allowedHosts.includes(PUBLIC_HOSTS)) {
    throw new HostRefusal(`its host ${host} is not in allowed-hosts${remedy(host, policy)}`)
  }
  if (url.protocol === 'http:') {
    throw new HostRefusal(`its scheme is http, and only https is allowed${remedy(host, policy)}`)
  }
  if (isIP(literalOf(host)) !== 0 && !isPublicAddress(literalOf(host))) {
    throw new HostRefusal(`its host ${host} is not a public address${remedy(host, policy)}`)
  }
  return { trusted }
}

/** In lower case, and without the dot that may end a name. */
const hostOf = (url: URL) => url.hostname.toLowerCase().replace(/\.$/, '')
const literalOf = (host: string) => (host.startsWith('[') ? host.slice(1, -1) : host)

function isOwnOrigin(url: URL, { apiUrl }: HostPolicy): boolean {
  const own = new URL(apiUrl)
  return url.protocol === own.protocol && hostOf(url) === hostOf(own) && url.port === own.port
}

function isCovered(host: string, entry: string): boolean {
  if (entry === PUBLIC_HOSTS) return false
  const name = entry.toLowerCase()
  return name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name
}

/** The line that would allow a host, as the end of a sentence. Without `public` it would keep every other host out. */
function remedy(host: string, { allowedHosts }: HostPolicy): string {
  const hosts = [...(allowedHosts.length === 0 ? [PUBLIC_HOSTS] : allowedHosts), host].join(', ')
  return `. If you trust it, add the line "allowed-hosts: ${/^[*[]/.test(hosts) ? `'${hosts}'` : hosts}"`
}

/**
 * Resolves a name for a socket and lets only public addresses through: the check is on the very address that is
 * connected to, so that a name cannot answer one thing to the check and another to the connection.
 */
export const publicLookup = (policy: HostPolicy): LookupFunction => {
  return (hostname, options, callback) => {
    systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0)
      let allowed: typeof addresses
      try {
        allowed = allowedAddresses(hostname, addresses, policy)
      } catch (refusal) {
        return callback(refusal as HostRefusal, '', 0)
      }
      const [first] = allowed
      if (options.all) callback(null, allowed)
      else callback(null, first?.address ?? '', first?.family ?? 0)
    })
  }
}

/**
 * The addresses of a name that may be connected to: all of them if they are public; if a local proxy maps the name, only
 * those of the proxy.
 * @throws HostRefusal
 */
export function allowedAddresses<T extends { address: string }>(host: string, addresses: T[], policy: HostPolicy): T[] {
  const blocked = addresses.find(({ address }) => !isPublicAddress(address))
  if (blocked === undefined) return addresses
  const own = addresses.filter(({ address }) => isMappedAddress(address))
  const [first] = own
  if (first === undefined) {
    throw new HostRefusal(
      `its host ${host} resolves to ${blocked.address}, which is not a public address${remedy(host, policy)}`,
    )
  }
  policy.onMappedName?.(host, first.address)
  return own
}
