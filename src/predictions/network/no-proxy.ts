import { BlockList, isIP } from 'node:net'

/** One entry of `no_proxy`. A port of 0 stands for all. */
interface Exemption {
  port: number
  covers(host: string): boolean
}

/**
 * Reads `no_proxy`: hosts with their sub-domains (`example.com`, `.example.com`), sub-domains only (`*.example.com`),
 * `*`, addresses and networks of IPv4 and IPv6 (`10.0.0.0/8`, `fd00::/8`), each with a port or without.
 * Networks cover the addresses that URLs hold; names are not looked up for them.
 */
export function exemptions(noProxy: string): (url: URL) => boolean {
  const entries = noProxy
    .split(/[,\s]/)
    .filter(Boolean)
    .map((entry) => readExemption(entry.toLowerCase()))
  return (url) => {
    const host = url.hostname
      .toLowerCase()
      .replace(/^\[|\]$/g, '')
      .replace(/\.$/, '')
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    return entries.some((entry) => (entry.port === 0 || entry.port === port) && entry.covers(host))
  }
}

function readExemption(entry: string): Exemption {
  // `[::1]:443` and `host:443`; a bare IPv6 address has more than one colon.
  const withPort = /^(?:\[(?<address>.+)\]|(?<name>[^:]+))(?::(?<port>\d+))?$/.exec(entry)?.groups
  const name = withPort?.address ?? withPort?.name ?? entry
  const port = Number(withPort?.port ?? 0)
  const network = networkOf(name)
  if (network) {
    return { port, covers: (host) => isIP(host) !== 0 && network.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4') }
  }
  if (name === '*') return { port, covers: () => true }
  const domain = name.replace(/^\*?\./, '').replace(/\.$/, '')
  const apex = !name.startsWith('*')
  return { port, covers: (host) => (apex && host === domain) || host.endsWith(`.${domain}`) }
}

/** The network that `10.0.0.0/8` or a single address stands for; undefined for anything else. */
function networkOf(text: string): BlockList | undefined {
  const { address = '', prefix } = /^(?<address>[\d.a-f:]+)(?:\/(?<prefix>\d{1,3}))?$/.exec(text)?.groups ?? {}
  const family = isIP(address)
  if (family === 0) return undefined
  const [type, longest] = family === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
  const bits = Number(prefix ?? longest)
  if (bits > longest) return undefined
  const list = new BlockList()
  list.addSubnet(address, bits, type)
  return list
}
