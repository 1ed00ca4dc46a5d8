import { lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

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

/** All of IPv6 that is given out to the internet so far (RFC 4291, IANA): what is not known to be public is not public. */
const GLOBAL_IPV6 = ['2000::', 3] as const

/** Reserved for benchmarks; local proxies map names to it, see {@link isMappedAddress}. */
const MAPPED = ['198.18.0.0', 15] as const

/** Ranges within those that are not the public internet, after the registries of special-purpose addresses (RFC 6890, IANA). */
const SPECIAL: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  MAPPED,
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  // The metadata service of Azure, at an address that is public by its looks.
  ['168.63.129.16', 32],
]

/** A list of networks. It is made at its first use: that takes milliseconds, and most steps only talk to their API. */
function lazyList(networks: readonly (readonly [string, number])[]): () => BlockList {
  let made: BlockList | undefined
  return () => {
    if (made) return made
    made = new BlockList()
    for (const [network, bits] of networks) made.addSubnet(network, bits, network.includes(':') ? 'ipv6' : 'ipv4')
    return made
  }
}

const special = lazyList(SPECIAL)
const globalIpv6 = lazyList([GLOBAL_IPV6])
const mapped = lazyList([MAPPED])

/** True for an address of the public internet, IPv4 or IPv6; IPv4 inside IPv6 (mapped, NAT64) is judged as IPv4. */
export function isPublicAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '')
  if (isIP(plain) === 4) return !special().check(plain, 'ipv4')
  if (isIP(plain) !== 6) return false
  // The URL parser writes every spelling of an IPv6 address in one way: hexadecimal groups.
  const normal = new URL(`http://[${plain}]`).hostname.slice(1, -1)
  const embedded = /^(?:::ffff:|64:ff9b::)(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})$/.exec(normal)
  if (!embedded) return globalIpv6().check(normal, 'ipv6') && !special().check(normal, 'ipv6')
  const high = Number.parseInt(embedded[1] ?? '0', 16)
  const low = Number.parseInt(embedded[2] ?? '0', 16)
  return isPublicAddress(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`)
}

/**
 * True for an address of 198.18.0.0/15, which is reserved: proxies on the machine itself (Clash, Surge, sing-box) answer
 * names with addresses of it, and resolve the names themselves.
 */
export const isMappedAddress = (address: string): boolean => isIP(address) === 4 && mapped().check(address, 'ipv4')

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
