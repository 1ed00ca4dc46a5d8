import type { Clock } from './clock.ts'
import { discard, requestTarget, USER_AGENT } from './http.ts'
import { CONNECTIONS, type UntrustedNetwork } from './network/dispatcher.ts'

/**
 * A connection to `urls.stream` that rings when a prediction comes to its end. Only a hint: what counts is the next
 * answer of the API. It carries no key, its texts are counted and thrown away, and its faults are nobody's business.
 */
export interface EndSignal {
  /** True while the connection is open and has said something, so that its ringing can be waited for. */
  readonly connected: boolean
}

export interface EndSignals {
  /**
   * Opens one; where too many are open already, or the address is not allowed, one that is never connected.
   * @param ring called when the stream tells the end, a few times at the most
   */
  open(url: string, signal: AbortSignal, ring: () => void): EndSignal
  close(): Promise<void>
}

/** The API ends a stream after a quiet half minute; a prediction can be quiet for longer. */
const RECONNECTS = 60
/** A connection that ends sooner than this has nothing to say; so many of those in a row and it is left. */
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
    open(url, signal, ring) {
      const endSignal = { connected: false }
      if (open >= most || !URL.canParse(url)) return endSignal
      open++
      listen(new URL(url), endSignal, { network, clock, signal, ring })
        // Refused, reset, not allowed, aborted: without it the wait asks as it would have asked.
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
  ring: () => void
}

async function listen(
  url: URL,
  endSignal: { connected: boolean },
  { network, clock, signal, ring }: Listening,
): Promise<void> {
  const { createParser } = await import('eventsource-parser')
  const dispatcher = await network.to(url)
  for (let connections = 0, short = 0; connections < RECONNECTS && short < SHORT_ONES; connections++) {
    const start = clock.now()
    const { statusCode, headers, body } = await dispatcher.request({
      ...requestTarget(url),
      method: 'GET',
      headers: { accept: 'text/event-stream', 'cache-control': 'no-store', 'user-agent': USER_AGENT },
      signal,
      headersTimeout: SILENCE * 1000,
      bodyTimeout: SILENCE * 1000,
    })
    let over = false
    let sinceEvent = 0
    try {
      if (statusCode !== 200 || !String(headers['content-type']).startsWith('text/event-stream')) return
      const spoke = () => {
        endSignal.connected = true
        sinceEvent = 0
      }
      const parser = createParser({
        onComment: spoke,
        onEvent({ event }) {
          spoke()
          if (event === 'done' || event === 'error') over = true
        },
      })
      const decoder = new TextDecoder()
      let bytes = 0
      for await (const chunk of body as AsyncIterable<Buffer>) {
        bytes += chunk.length
        sinceEvent += chunk.length
        if (bytes > LONGEST_STREAM || sinceEvent > LONGEST_EVENT) return
        parser.feed(decoder.decode(chunk, { stream: true }))
        if (over) break
      }
    } finally {
      endSignal.connected = false
      discard(body)
    }
    if (over) return ring()
    short = clock.now() - start < SHORTEST ? short + 1 : 0
    await clock.sleep(1, signal)
  }
}
