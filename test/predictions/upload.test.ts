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

  test('arrives whole, and its URL is what the model gets', async () => {
    const content = Buffer.alloc(300_000, 7)
    await withClient(simulator, async (client) => {
      const uploaded = await client.upload(file(content, 'a "cake"\r\n.png'), signal)
      assert.equal(uploaded?.url, `${simulator.apiUrl}/files/${uploaded?.id}`)
      assert.ok(simulator.uploaded[0]?.bytes.equals(content))
      await client.deleteUpload(uploaded?.id ?? '', signal)
      assert.equal(simulator.uploaded.length, 0)
    })
  })

  test('that is gone already is no error to delete', () =>
    withClient(simulator, (client) => client.deleteUpload('none', signal)))
})

test('an upload is not accepted if the answer has no URL, and its refusal is an error', async () => {
  await using simulator = await startSimulator({ uploads: false })
  await withClient(simulator, async (client) => {
    await assert.rejects(client.upload(file(Buffer.from('x')), signal), { name: 'RefusalError', status: 405 })
    simulator.trick('*', { status: 201, body: '{"id":"f"}' })
    assert.equal(await client.upload(file(Buffer.from('x')), signal), undefined)
  })
})
