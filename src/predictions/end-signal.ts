import type { Clock } from './clock.ts'
import { discard, requestTarget, USER_AGENT } from './http.ts'
import type { Connections } from './network/dispatcher.ts'
import { CONNECTIONS } from './network/origin-pool.ts'
import type { UntrustedNetwork } from './network/untrusted-network.ts'
import { unpacked } from './unpack.ts'

/**
 * A connection to `urls.stream` that signals when a prediction ends. Only a hint: the decision is made by the next
 * answer of the API. It is opened without the key, its texts are counted and discarded, and its errors are ignored.
 */
export interface EndSignal {
  /** True while the connection is open and has sent something, so that its signal can be waited for. */
  readonly connected: boolean
}

export interface EndSignals {
  /**
   * Opens one; if too many are open already, or the address is not allowed, one that is never connected.
   * @param onEnd called when the stream reports the end
   */
  open(url: string, signal: AbortSignal, onEnd: () => void): EndSignal
  close(): Promise<void>
}

/** The API ends a stream after a quiet half minute; a prediction can be quiet for longer. */
const RECONNECTS = 60
/** Seconds. A connection that ends sooner counts as useless; after this many of those in a row, the stream is given up. */
const SHORTEST = 5
const SHORT_ONES = 3
/** Bytes of one connection, and of one event, after which it is left. */
const LONGEST_STREAM = 64 * 2 ** 20
const LONGEST_EVENT = 2 ** 20
/** Seconds without a byte: a bit more than the server's own quiet half minute. */
const SILENCE = 45

/**
 * EndSignals over one network, whose hosts follow the same rules as those of files.
 * @param most streams that are open at once; each keeps a connection of the network
 */
export function createEndSignals(network: UntrustedNetwork, clock: Clock, most = CONNECTIONS): EndSignals {
  let open = 0
  return {
    open(url, signal, onEnd) {
      const endSignal = { connected: false }
      if (open >= most || !URL.canParse(url)) return endSignal
      open++
      listenToStream(new URL(url), endSignal, { network, clock, signal, onEnd })
        // Refused, reset, not allowed, aborted: the wait polls as it does without a stream.
        .catch(() => {})
        .finally(() => {
          endSignal.connected = false
          open--
        })
      return endSignal
    },
    close: () => network.close(),
  }
}

interface Listening {
  network: UntrustedNetwork
  clock: Clock
  signal: AbortSignal
  onEnd: () => void
}

/**
 * Connects as long as that is of use. A stream that has said something is opened again if it breaks off.
 * @throws what ends a stream before it has said anything, or the reason of the signal
 */
export async function listenToStream(url: URL, endSignal: { connected: boolean }, listening: Listening): Promise<void> {
  const { network, clock, signal, onEnd } = listening
  const connections = await network.to(url, signal)
  let hasSpoken = false
  for (let opened = 0, short = 0; opened < RECONNECTS && short < SHORT_ONES; opened++) {
    const start = clock.now()
    const onData = () => {
      endSignal.connected = true
      hasSpoken = true
    }
    let end: 'over' | 'ended' | 'useless'
    try {
      end = await follow(await connect(connections, url, signal), onData)
    } catch (error) {
      if (signal.aborted || !hasSpoken) throw error
      end = 'ended'
    } finally {
      endSignal.connected = false
    }
    if (end === 'over') return onEnd()
    if (end === 'useless') return
    short = clock.now() - start < SHORTEST ? short + 1 : 0
    await clock.sleep(1, signal)
  }
}

const connect = (connections: Connections, url: URL, signal: AbortSignal) =>
  connections.request({
    ...requestTarget(url),
    method: 'GET',
    headers: {
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
      'cache-control': 'no-store',
      'user-agent': USER_AGENT,
    },
    signal,
    headersTimeout: SILENCE * 1000,
    bodyTimeout: SILENCE * 1000,
  })

/**
 * Reads one connection until the stream reports the end or the connection ends.
 * @param onData called whenever data is received
 * @returns `useless` if it is no stream, or one that says too much
 */
async function follow(
  { statusCode, headers, body }: Awaited<ReturnType<typeof connect>>,
  onData: () => void,
): Promise<'over' | 'ended' | 'useless'> {
  try {
    if (statusCode !== 200 || !/^text\/event-stream\b/i.test(String(headers['content-type']))) return 'useless'
    let over = false
    let sinceEvent = 0
    const heard = () => {
      sinceEvent = 0
      onData()
    }
    const { createParser } = await import('eventsource-parser')
    const parser = createParser({
      onComment: heard,
      onEvent({ event }) {
        heard()
        if (event === 'done' || event === 'error') over = true
      },
    })
    const decoder = new TextDecoder()
    let bytes = 0
    for await (const chunk of unpacked(body, headers)) {
      bytes += chunk.length
      sinceEvent += chunk.length
      if (bytes > LONGEST_STREAM || sinceEvent > LONGEST_EVENT) return 'useless'
      parser.feed(decoder.decode(chunk, { stream: true }))
      if (over) return 'over'
    }
    return 'ended'
  } finally {
    discard(body)
  }
}
