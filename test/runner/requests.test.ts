import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { predictions } from '../../src/predictions/apis/predictions.ts'
import { systemClock } from '../../src/predictions/clock.ts'
import { ApiError } from '../../src/predictions/errors.ts'
import type { Connections } from '../../src/predictions/network/dispatcher.ts'
import type { UntrustedNetwork } from '../../src/predictions/network/untrusted-network.ts'

import { openApi } from '../../src/runner/api.ts'
import { readContext } from '../../src/runner/context.ts'
import { countedNetwork, noRequests, reportRequests, requestsInWords } from '../../src/runner/requests.ts'
import { startSimulator } from '../servers/simulator.ts'
import { printed } from '../support/printed.ts'

describe('the requests of a step', () => {
  test('requests are reported in one line, each kind only if there was one', () => {
    assert.equal(requestsInWords({ api: 1, streams: 0, files: 0 }), '1 request to the API')
    assert.equal(requestsInWords({ api: 9, streams: 0, files: 2 }), '9 requests to the API, 2 for files')
    assert.equal(
      requestsInWords({ api: 2, streams: 1, files: 3 }),
      '2 requests to the API, 1 to event streams, 3 for files',
    )
  })

  test('the requests of a step are printed unless there were none', async () => {
    assert.equal(
      await printed(() => reportRequests({ api: 2, streams: 0, files: 1 })),
      '2 requests to the API, 1 for files.\n',
    )
    assert.equal(await printed(() => reportRequests(noRequests())), '')
  })

  test('requests to the API are counted whether they succeed or fail', async () => {
    await using simulator = await startSimulator()
    const requests = noRequests()
    const inputs = { api: predictions, apiUrl: simulator.apiUrl, apiKey: simulator.key }
    const id = simulator.ended({ output: 'a text' })
    const { signal } = new AbortController()
    {
      await using api = openApi(inputs, { runner: readContext({}), clock: systemClock, requests })
      await api.client.get(id, signal)
      await assert.rejects(api.client.get('nobody', signal), ApiError)
    }
    assert.deepEqual(requests, { api: 2, streams: 0, files: 0 })
    assert.equal(simulator.apiRequests().length, 2)
  })

  test('requests over a counted network are counted, but not its connections', async () => {
    let destroyed = 0
    let closed = 0
    let heard: AbortSignal | undefined
    const connections = {
      request: async () => 'an answer',
      destroy: async () => {
        destroyed++
      },
    } as unknown as Connections
    const network: UntrustedNetwork = {
      to: async (_, signal) => {
        heard = signal
        return connections
      },
      close: async () => {
        closed++
      },
    }
    let count = 0
    const counted = countedNetwork(network, () => count++)
    const { signal } = new AbortController()
    const way = await counted.to(new URL('https://files.example.com/a'), signal)
    assert.equal(count, 0)
    assert.equal(heard, signal)
    const options = { origin: 'https://files.example.com', path: '/a', method: 'GET' } as const
    assert.equal(await way.request(options as never), 'an answer')
    await way.request(options as never)
    await way.destroy()
    await counted.close()
    assert.deepEqual({ count, destroyed, closed }, { count: 2, destroyed: 1, closed: 1 })
  })
})
