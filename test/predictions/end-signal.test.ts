import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/predictions/clock.ts'
import { createEndSignals, listenToStream } from '../../src/predictions/end-signal.ts'
import { openUntrustedNetwork } from '../../src/predictions/network/untrusted-network.ts'
import { eventually } from '../support/eventually.ts'
import { listen } from '../support/listen.ts'

const HEAD = { 'content-type': 'text/event-stream' }
const DONE = 'event: done\ndata: {}\n\n'

/** @param heard resolves when the client has heard something of this connection */
type React = (response: ServerResponse, heard: Promise<void>) => void
type Connection = React | { status: number; type: string; react: React }

/** Each connection seems to last for so many seconds. */
const clockOf = (seconds: number) => {
  let now = 0
  return { now: () => (now += seconds), sleep: async () => {} }
}

/**
 * Listens to a server whose connections behave one after the other as given, until the stream is over or given up.
 * @returns how often it was connected to
 */
const hear = (...connections: Connection[]) => hearFor(0, ...connections)

async function hearFor(seconds: number, ...connections: Connection[]): Promise<{ opened: number; rang: number }> {
  let opened = 0
  let rang = 0
  let heard = Promise.withResolvers<void>()
  const endSignal = {
    set connected(isConnected: boolean) {
      if (isConnected) heard.resolve()
    },
  }
  await using server = await listen((_, response) => {
    const next = connections[opened++]
    heard = Promise.withResolvers<void>()
    if (typeof next === 'function') next(response.writeHead(200, HEAD), heard.promise)
    else next?.react(response.writeHead(next.status, { 'content-type': next.type }), heard.promise)
  })
  const network = openUntrustedNetwork({ apiUrl: server.origin, allowedHosts: [] }, {})
  const { signal } = new AbortController()
  const onEnd = () => rang++
  await listenToStream(new URL(`${server.origin}/stream`), endSignal, {
    network,
    clock: clockOf(seconds),
    signal,
    onEnd,
  }).catch(() => {})
  await network.close()
  return { opened, rang }
}

const speaksAndBreaks: React = (response, heard) => {
  response.write(': hi\n\n')
  heard.then(() => response.destroy())
}
const tellsTheEnd = (response: ServerResponse) => void response.end(DONE)

describe('a stream', () => {
  test('a stream that breaks off after it has spoken is opened again', async () => {
    assert.deepEqual(await hear(speaksAndBreaks, speaksAndBreaks, tellsTheEnd), { opened: 3, rang: 1 })
  })

  test('a stream that breaks off at once three times is no longer used', async () => {
    const { opened, rang } = await hear(speaksAndBreaks, speaksAndBreaks, speaksAndBreaks, tellsTheEnd)
    assert.deepEqual({ opened, rang }, { opened: 3, rang: 0 })
  })

  test('a stream that breaks off before it has spoken is left at once', async () => {
    assert.deepEqual(await hear((response) => response.destroy(), tellsTheEnd), { opened: 1, rang: 0 })
  })

  test('a stream that ends is opened again', async () => {
    assert.deepEqual(await hear((response) => response.end(': hi\n\n'), tellsTheEnd), { opened: 2, rang: 1 })
  })

  test('a stream of more than 64 MiB, or with an event of more than 1 MiB, is no longer used', async () => {
    const says = (bytes: number, end: string) => (response: ServerResponse) => {
      response.write(`data: ${'x'.repeat(bytes)}${end}`)
      tellsTheEnd(response)
    }
    assert.deepEqual(await hear(says(2 ** 20 - 100, '\n\n')), { opened: 1, rang: 1 })
    assert.deepEqual(await hear(says(2 ** 20 + 100, '\n'), tellsTheEnd), { opened: 1, rang: 0 })
    const floods = (response: ServerResponse) => {
      for (let i = 0; i < 700; i++) response.write(`data: ${'x'.repeat(10 ** 5)}\n\n`)
      tellsTheEnd(response)
    }
    assert.deepEqual(await hear(floods, tellsTheEnd), { opened: 1, rang: 0 })
  })

  test('a stream that keeps breaking off is opened at most sixty times', async () => {
    const connections = Array.from({ length: 61 }, () => (response: ServerResponse) => response.end(': hi\n\n'))
    assert.deepEqual(await hearFor(10, ...connections), { opened: 60, rang: 0 })
  })

  test('a stream is not opened if the maximum number of streams is open', async () => {
    let opened = 0
    await using server = await listen((_, response) => {
      opened++
      response.writeHead(200, HEAD).write(': hi\n\n')
    })
    const signals = createEndSignals(
      openUntrustedNetwork({ apiUrl: server.origin, allowedHosts: [] }, {}),
      systemClock,
      1,
    )
    const stop = new AbortController()
    const [first, second] = [1, 2].map((i) => signals.open(`${server.origin}/${i}`, stop.signal, () => {}))
    await eventually('the first connection', () => first?.connected === true)
    assert.deepEqual([first?.connected, second?.connected, opened], [true, false, 1])
    stop.abort(new Error('enough'))
    await signals.close()
  })

  test('a stream is requested as such, uncompressed and fresh, and without a key', async () => {
    const seen = Promise.withResolvers<IncomingHttpHeaders>()
    await using server = await listen((request, response) => {
      seen.resolve(request.headers)
      tellsTheEnd(response.writeHead(200, HEAD))
    })
    const network = openUntrustedNetwork({ apiUrl: server.origin, allowedHosts: [] }, {})
    const signals = createEndSignals(network, systemClock)
    const end = Promise.withResolvers<void>()
    signals.open(`${server.origin}/stream`, new AbortController().signal, end.resolve)
    await end.promise
    await signals.close()
    const { accept, 'accept-encoding': encoding, 'cache-control': cache, authorization } = await seen.promise
    assert.deepEqual([accept, encoding, cache, authorization], ['text/event-stream', 'identity', 'no-store', undefined])
  })

  test('a stream signals the end only once, by a done event or an error event', async () => {
    assert.deepEqual(await hear(tellsTheEnd), { opened: 1, rang: 1 })
    assert.deepEqual(await hear((response) => response.end('event: error\ndata: x\n\n')), { opened: 1, rang: 1 })
  })

  test('a stream is heard whatever the case and the parameters of its type', async () => {
    for (const type of ['Text/Event-Stream', 'text/event-stream;charset=UTF-8'])
      assert.deepEqual(await hear({ status: 200, type, react: tellsTheEnd }), { opened: 1, rang: 1 })
  })

  test('a stream of many events that together are longer than a megabyte is heard to its end', async () => {
    const talkative = (response: ServerResponse) => {
      for (let i = 0; i < 40; i++) response.write(`data: ${'x'.repeat(2 ** 15)}\n\n`)
      response.end(DONE)
    }
    assert.deepEqual(await hear(talkative), { opened: 1, rang: 1 })
  })

  test('a response that is not a stream, by its status or its type, is not used', async () => {
    for (const [status, type] of [
      [404, HEAD['content-type']],
      [200, 'text/html'],
      [200, 'x-text/event-stream'],
    ] as const) {
      const odd = (response: ServerResponse) => void response.end(DONE)
      assert.deepEqual(await hear({ status, type, react: odd }, tellsTheEnd), { opened: 1, rang: 0 })
    }
  })
})
