import { isIP, type Socket } from 'node:net'

/** Milliseconds after which the next address of a host is tried beside the first (RFC 8305, Happy Eyeballs). */
const NEXT_ADDRESS_MS = 250

/** IPv4 and IPv6 in turn, so that a network that lacks one of them costs one try. */
export function interleaved(addresses: readonly string[]): string[] {
  const first = isIP(addresses[0] ?? '')
  const [same, other] = [addresses.filter((a) => isIP(a) === first), addresses.filter((a) => isIP(a) !== first)]
  return same.flatMap((address, i) => [address, ...other.slice(i, i + 1)]).concat(other.slice(same.length))
}

/** Tries addresses one after the other, the next beside the last one if that takes long; the first connection counts. */
export function firstConnected(addresses: readonly string[], connect: (address: string) => Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const sockets = new Set<Socket>()
    const errors: Error[] = []
    const queue = addresses.values()
    let timer: NodeJS.Timeout | undefined
    const next = () => {
      clearTimeout(timer)
      const { value: address, done } = queue.next()
      if (done) {
        if (sockets.size === 0) reject(mostInformative(errors))
        return
      }
      const socket = connect(address)
      sockets.add(socket)
      timer = setTimeout(next, NEXT_ADDRESS_MS).unref()
      const failed = (error: Error) => {
        if (!sockets.delete(socket)) return
        errors.push(error)
        next()
      }
      socket.once('error', failed).once('close', () => failed(new Error('the connection was closed')))
      socket.once('connect', () => {
        clearTimeout(timer)
        sockets.delete(socket)
        const losers = [...sockets]
        // What they report now is no failure.
        sockets.clear()
        for (const loser of losers) loser.destroy()
        resolve(socket)
      })
    }
    next()
  })
}

/** That an address has no route says less than what another one of the same host answered. */
function mostInformative(errors: readonly Error[]): Error {
  const noRoute = /^(?:ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL)$/
  return (
    errors.find((error) => !noRoute.test((error as NodeJS.ErrnoException).code ?? '')) ??
    errors[0] ??
    Object.assign(new Error('the host name has no address'), { code: 'ENOTFOUND' })
  )
}
