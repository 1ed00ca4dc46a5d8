import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { after, before, describe, test } from 'node:test'
import { createClient } from '../../src/predictions/client.ts'
import { systemClock as clock } from '../../src/predictions/clock.ts'
import { createDispatcher } from '../../src/predictions/network/dispatcher.ts'
import { type Simulator, startSimulator } from '../servers/simulator.ts'

const { signal } = new AbortController()
const file = (content: Buffer, name = 'cake.png') => ({ name, type: 'image/png', content })

async function withClient<T>(
  simulator: Simulator,
  act: (client: ReturnType<typeof createClient>) => Promise<T>,
): Promise<T> {
  const dispatcher = createDispatcher({})
  try {
    return await act(createClient({ apiUrl: simulator.apiUrl, apiKey: simulator.key, dispatcher, clock }))
  } finally {
    await dispatcher.destroy()
  }
}

describe('an uploaded file', () => {
  let simulator: Simulator
  before(async () => {
    simulator = await startSimulator()
  })
  after(() => simulator[Symbol.asyncDispose]())

  test('an uploaded file arrives complete, gets a URL and can be deleted', async () => {
    const content = Buffer.alloc(300_000, 7)
    await withClient(simulator, async (client) => {
      const uploaded = await client.upload(file(content, 'a "cake"\r\n.png'), signal)
      assert.equal(uploaded?.url, `${simulator.apiUrl}/files/${uploaded?.id}`)
      assert.ok(simulator.uploaded[0]?.bytes.equals(content))
      await client.deleteUpload(uploaded?.id ?? '', signal)
      assert.equal(simulator.uploaded.length, 0)
    })
  })

  test('deleting an uploaded file that no longer exists is no error', async () => {
    await withClient(simulator, (client) => assert.doesNotReject(client.deleteUpload('none', signal)))
    const { method, url } = simulator.requests.at(-1) ?? {}
    assert.deepEqual([method, url?.endsWith('/files/none')], ['DELETE', true])
  })
})

test('an upload without a URL in the response is not accepted, and a refused one is an error', async () => {
  await using simulator = await startSimulator({ uploads: false })
  await withClient(simulator, async (client) => {
    await assert.rejects(client.upload(file(Buffer.from('x')), signal), { name: 'RefusalError', status: 405 })
    simulator.trick('*', { status: 201, body: '{"id":"f"}' })
    assert.equal(await client.upload(file(Buffer.from('x')), signal), undefined)
  })
})
