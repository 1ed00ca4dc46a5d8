import type { Clock } from './clock.ts'
import { CONNECTIONS, type ForeignNetwork } from './network/dispatcher.ts'

/**
 * A connection to `urls.stream` that rings when a prediction comes to its end. Only a hint: what counts is the next
 * answer of the API. It carries no key, its texts are counted and thrown away, and its faults are nobody's business.
 */
export interface Alarm {
  /** True while the connection is open and has said something, so that its ringing can be waited for. */
  readonly alive: boolean
}

export interface Alarms {
  /**
   * Opens one; where too many are open already, or the address is not allowed, an alarm that never lives.
   * @param ring called when the stream tells the end, a few times at the most
   */
  open(url: string, signal: AbortSignal, ring: () => void): Alarm
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
 * Alarms over one network, whose hosts follow the same rules as those of files.
 * @param most streams that are open at once; each keeps a connection of the network
 */
export function createAlarms(network: ForeignNetwork, clock: Clock, most = CONNECTIONS): Alarms {
  let open = 0
  return {
    open(url, signal, ring) {
      const alarm = { alive: false }
      if (open >= most || !URL.canParse(url)) return alarm
      open++
      listen(new URL(url), alarm, { network, clock, signal, ring })
        // Refused, reset, not allowed, aborted: without it the wait asks as it would have asked.
        .catch(() => {})
        .finally(() => {
          alarm.alive = false
          open--
        })
      return alarm
    },
    close: () => network.close(),
  }
}

interface Listening {
  network: ForeignNetwork
  clock: Clock
  signal: AbortSignal
  ring: () => void
}

async function listen(url: URL, alarm: { alive: boolean }, { network, clock, signal, ring }: Listening): Promise<void> {
  const { createParser } = await import('eventsource-parser')
  const dispatcher = await network.to(url)
  for (let connections = 0, short = 0; connections < RECONNECTS && short < SHORT_ONES; connections++) {
    const start = clock.now()
    const { statusCode, headers, body } = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { accept: 'text/event-stream', 'cache-control': 'no-store', 'user-agent': 'await-prediction/1' },
      signal,
      headersTimeout: SILENCE * 1000,
      bodyTimeout: SILENCE * 1000,
    })
    let over = false
    let sinceEvent = 0
    try {
      if (statusCode !== 200 || !String(headers['content-type']).startsWith('text/event-stream')) return
      const spoke = () => {
        alarm.alive = true
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
      alarm.alive = false
      body.on('error', () => {}).destroy()
    }
    if (over) return ring()
    short = clock.now() - start < SHORTEST ? short + 1 : 0
    await clock.sleep(1, signal)
  }
}
