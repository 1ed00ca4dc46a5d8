import { BlockList, isIP } from 'node:net'

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
    made ??= blockList(networks)
    return made
  }
}

function blockList(networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, bits] of networks) list.addSubnet(network, bits, network.includes(':') ? 'ipv6' : 'ipv4')
  return list
}

const special = lazyList(SPECIAL)
const globalIpv6 = lazyList([GLOBAL_IPV6])
const mapped = lazyList([MAPPED])

/** True for an address of the public internet, IPv4 or IPv6; IPv4 inside IPv6 (mapped, NAT64) is judged as IPv4. */
export function isPublicAddress(address: string): boolean {
  const plain = address.replace(/%.*/, '')
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
