import { lookup as resolve } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** Which hosts files are fetched from. */
export interface HostPolicy {
  /** Its host is trusted, also on a private address and over plain http. */
  apiUrl: string
  /**
   * Hosts such as `cdn.example.com` and `*.example.com` (its sub-domains). Trusted in the same way; where there are
   * any, no other host but that of `apiUrl` is asked.
   */
  allowedHosts: readonly string[]
}

/** Ranges that are not the public internet, after the registries of special-purpose addresses (RFC 6890, IANA). */
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
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
  // The metadata service of Azure, at an address that is public by its looks.
  ['168.63.129.16', 32],
]

const special = new BlockList()
for (const [network, bits] of SPECIAL) special.addSubnet(network, bits, network.includes(':') ? 'ipv6' : 'ipv4')

/** True for an address of the public internet, IPv4 or IPv6; IPv4 inside IPv6 (mapped, NAT64) is judged as IPv4. */
export function isPublicAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '')
  if (isIP(plain) === 4) return !special.check(plain, 'ipv4')
  if (isIP(plain) !== 6) return false
  // The URL parser writes every spelling of an IPv6 address in one way: hexadecimal groups.
  const normal = new URL(`http://[${plain}]`).hostname.slice(1, -1)
  const embedded = /^(?:::ffff:|64:ff9b::)(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})$/.exec(normal)
  if (!embedded) return !special.check(normal, 'ipv6')
  const high = Number.parseInt(embedded[1] ?? '0', 16)
  const low = Number.parseInt(embedded[2] ?? '0', 16)
  return isPublicAddress(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`)
}

/** A URL is not asked, and why. */
export class HostRefusal extends Error {
  override readonly name = 'HostRefusal'
}

/**
 * Decides about one URL before it is asked, the first one and each redirect alike.
 * @returns whether its host is trusted, so that the address it resolves to need not be public
 * @throws HostRefusal
 */
export function checkUrl(url: URL, policy: HostPolicy): { trusted: boolean } {
  const host = url.hostname.toLowerCase().replace(/\.$/, '')
  const named = policy.allowedHosts.some((entry) =>
    entry.startsWith('*.') ? host.endsWith(entry.slice(1).toLowerCase()) : host === entry.toLowerCase(),
  )
  const trusted = named || host === new URL(policy.apiUrl).hostname
  if (url.protocol !== 'https:' && !(trusted && url.protocol === 'http:')) {
    throw new HostRefusal(`it has the scheme ${url.protocol.slice(0, -1)}, and files are fetched over https alone`)
  }
  if (url.username !== '' || url.password !== '') throw new HostRefusal('it holds a user name or a password')
  if (trusted) return { trusted }
  if (policy.allowedHosts.length > 0) {
    throw new HostRefusal(`its host ${host} is not in allowed-hosts (${policy.allowedHosts.join(', ')})`)
  }
  const literal = host.startsWith('[') ? host.slice(1, -1) : host
  if (isIP(literal) !== 0 && !isPublicAddress(literal)) throw privateAddress(host, literal)
  return { trusted }
}

/**
 * Resolves a name for a socket and lets only public addresses through: the check is on the very address that is
 * connected to, so that a name cannot answer one thing to the check and another to the connection.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0)
    const blocked = addresses.find(({ address }) => !isPublicAddress(address))
    const [first] = addresses
    if (blocked) callback(privateAddress(hostname, blocked.address), '', 0)
    else if (options.all) callback(null, addresses)
    else callback(null, first?.address ?? '', first?.family ?? 0)
  })
}

function privateAddress(host: string, address: string): HostRefusal {
  const is = host.includes(address) ? 'is' : `resolves to ${address},`
  return new HostRefusal(
    `its host ${host} ${is} no address of the public internet. If it is a host of yours, name it in allowed-hosts`,
  )
}
