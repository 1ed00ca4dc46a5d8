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
      assert.equal(simulator.uploaded[0]?.name, 'a "cake"\r\n.png')
      assert.equal(simulator.uploaded[0]?.contentType, 'image/png')
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
    const url = 'https://files.example.com/f'
    for (const [status, body] of [
      [201, { id: 'f' }],
      [201, { id: 'f', urls: { get: 'files/f' } }],
      [201, { id: 'f', urls: { get: 7 } }],
      [201, { urls: { get: url } }],
      [200, { id: 'f', urls: { get: url } }],
    ] as const) {
      simulator.trick('*', { status, body: JSON.stringify(body) })
      assert.equal(await client.upload(file(Buffer.from('x')), signal), undefined, JSON.stringify(body))
    }
    simulator.trick('*', { status: 201, body: JSON.stringify({ id: 'f', urls: { get: url } }) })
    assert.deepEqual(await client.upload(file(Buffer.from('x')), signal), { id: 'f', url })
  })
})

test('deleting an uploaded file ignores every failure of the API, but no bug', async () => {
  const clientWith = (error: Error) =>
    createClient({
      apiUrl: 'https://api.test',
      apiKey: 'sk-test-key',
      clock,
      dispatcher: { request: () => Promise.reject(error) },
    })
  await clientWith(Object.assign(new Error('reset'), { code: 'ECONNRESET' })).deleteUpload('f', signal)
  await assert.rejects(clientWith(new TypeError('a bug')).deleteUpload('f', signal), TypeError)
})
