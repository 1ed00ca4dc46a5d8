import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/predictions/clock.ts'
import { createEndSignals } from '../../src/predictions/end-signal.ts'
import { openUntrustedNetwork } from '../../src/predictions/network/dispatcher.ts'
import { listen } from '../support/listen.ts'

const HEAD = { 'content-type': 'text/event-stream' }
const DONE = 'event: done\ndata: {}\n\n'

/** Listens to a server whose connections behave one after the other as given. @returns how often it was connected to */
async function hear(...connections: ((response: ServerResponse) => void)[]): Promise<{ opened: number; rang: number }> {
  let opened = 0
  let rang = 0
  await using server = await listen((_, response) => connections[opened++]?.(response.writeHead(200, HEAD)))
  const signals = createEndSignals(openUntrustedNetwork({ apiUrl: server.origin, allowedHosts: [] }, {}), systemClock)
  const stop = new AbortController()
  signals.open(`${server.origin}/stream`, stop.signal, () => rang++)
  for (let i = 0; i < 80 && rang === 0 && opened <= connections.length; i++) await sleep(50)
  stop.abort(new Error('enough'))
  await signals.close()
  return { opened, rang }
}

const speaksAndBreaks = (response: ServerResponse) => {
  response.write(': hi\n\n', () => setTimeout(() => response.destroy(), 20))
}
const tellsTheEnd = (response: ServerResponse) => void response.end(DONE)

describe('a stream', { concurrency: 4 }, () => {
  test('that breaks off after it has spoken is opened again', async () => {
    assert.deepEqual(await hear(speaksAndBreaks, speaksAndBreaks, tellsTheEnd), { opened: 3, rang: 1 })
  })

  test('that breaks off three times at once is left', async () => {
    const { opened, rang } = await hear(speaksAndBreaks, speaksAndBreaks, speaksAndBreaks, tellsTheEnd)
    assert.deepEqual({ opened, rang }, { opened: 3, rang: 0 })
  })

  test('that breaks off before it has spoken is left at once', async () => {
    assert.deepEqual(await hear((response) => response.destroy(), tellsTheEnd), { opened: 1, rang: 0 })
  })

  test('that ends is opened again', async () => {
    assert.deepEqual(await hear((response) => response.end(': hi\n\n'), tellsTheEnd), { opened: 2, rang: 1 })
  })
})
