import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import Replicate, { type FileOutput } from 'replicate'
import { Agent } from 'undici'
import { certificateAuthority } from '../support/certificate.ts'
import { type Moment, type Simulator, startSimulator } from './simulator.ts'

const connect = (simulator: { key: string; apiUrl: string }) =>
  new Replicate({ auth: simulator.key, baseUrl: simulator.apiUrl, useFileOutput: false })

test('the official client creates, gets, waits for and cancels a prediction', async () => {
  await using simulator = await startSimulator()
  const replicate = connect(simulator)
  const created = await replicate.predictions.create({ model: 'owner/painter', input: { prompt: 'a cake' } })
  assert.match(created.id, /^[a-z0-9]{26}$/)
  assert.equal(created.status, 'starting')
  assert.equal((await replicate.predictions.get(created.id)).model, 'owner/painter')
  const done = await replicate.wait(created, { interval: 50 })
  assert.equal(done.status, 'succeeded')
  assert.ok((done.metrics?.predict_time ?? 0) > 0)
  const picture = await fetch(done.output[0])
  assert.equal(picture.headers.get('content-type'), 'image/png')
  assert.equal(
    Buffer.from(await picture.arrayBuffer())
      .subarray(1, 4)
      .toString(),
    'PNG',
  )

  const other = await replicate.predictions.create({ version: 'f'.repeat(64), input: { prompt: 'another' } })
  assert.equal((await replicate.predictions.cancel(other.id)).status, 'canceled')
  assert.equal((await replicate.predictions.get(other.id)).status, 'canceled')
})

test('the official client runs a model and a deployment', async () => {
  await using simulator = await startSimulator()
  const replicate = connect(simulator)
  const output = await replicate.run('owner/painter', { input: { prompt: 'a cake' } })
  assert.match(String((output as string[])[0]), /out-0\.png$/)
  assert.equal((await replicate.deployments.get('owner', 'mine')).current_release?.model, 'owner/painter')
  const deployed = await replicate.deployments.predictions.create('owner', 'mine', { input: { prompt: 'x' } })
  assert.equal(deployed.status, 'starting')
})

test('the official client streams a text piece by piece, and makes a file of a data: URI', async () => {
  const moments: Record<string, Moment[]> = {
    'owner/writer': [
      { at: 0, status: 'processing', output: ['Bake'] },
      { at: 0.1, status: 'succeeded', output: ['Bake', ' a\n', 'cake.'] },
    ],
    'owner/painter': [{ at: 0, status: 'succeeded', output: 'data:text/plain;base64,YSBjYWtl' }],
  }
  await using simulator = await startSimulator({ onCreate: ({ model = '' }) => ({ moments: moments[model] ?? [] }) })
  const replicate = new Replicate({ auth: simulator.key, baseUrl: simulator.apiUrl })
  const told: string[] = []
  for await (const { event, data } of replicate.stream('owner/writer', { input: {} }))
    if (event === 'output') told.push(data)
  assert.deepEqual(told, ['Bake', ' a\n', 'cake.'])
  const file = (await replicate.run('owner/painter', { input: {} })) as FileOutput
  assert.equal(await (await file.blob()).text(), 'a cake')
})

test('the official client throws the error of a failed prediction', async () => {
  await using simulator = await startSimulator({
    onCreate: () => ({ moments: [{ at: 0, status: 'failed', error: 'out of memory' }] }),
  })
  await assert.rejects(connect(simulator).run('owner/painter', { input: {} }), /out of memory/)
})

test('a wrong key, ID or input is refused as by the real API', async () => {
  await using simulator = await startSimulator()
  const status = (error: { response?: Response }) => error.response?.status
  const wrongKey = connect({ ...simulator, key: 'sk-wrong' })
  await assert.rejects(wrongKey.predictions.get('x'), (error: { response?: Response }) => status(error) === 401)
  await assert.rejects(
    connect(simulator).predictions.get('x'),
    (error: { response?: Response }) => status(error) === 404,
  )
  await assert.rejects(
    connect(simulator).predictions.create({ model: 'a/b', input: { steps: 'many' } }),
    (error: { response?: Response }) => status(error) === 422,
  )
})

test('the stream of a prediction has its log and its end', async () => {
  await using simulator = await startSimulator()
  const id = simulator.add({
    moments: [
      { at: 0.1, status: 'processing', logs: 'half\n' },
      { at: 0.2, status: 'succeeded', output: 'x' },
    ],
  })
  const text = await (await fetch(`${simulator.origin}/stream/${id}`)).text()
  assert.match(text, /^: hi\n\nevent: logs\n[\s\S]*event: output\n[\s\S]*event: done\nid: \S+\ndata: \{\}\n\n$/)
})

test('a file of the simulator can be read in parts, and breaks off on demand', async () => {
  await using simulator = await startSimulator()
  const url = simulator.file('a.bin', { body: Buffer.from('0123456789'), tricks: [{ cutAfter: 4 }] })
  await assert.rejects(fetch(url).then((response) => response.arrayBuffer()))
  const rest = await fetch(url, { headers: { range: 'bytes=4-' } })
  assert.equal(rest.status, 206)
  assert.equal(await rest.text(), '456789')
})

/** Gets a path below the API's base address with the key. */
async function get(simulator: Simulator, path: string, init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${simulator.key}`, ...init.headers }
  const response = await fetch(simulator.apiUrl + path, { ...init, headers })
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text }
}

describe('the list of predictions', () => {
  test('the list has every prediction once, newest first, a hundred a page, without logs', async () => {
    await using simulator = await startSimulator()
    const ids = Array.from({ length: 250 }, () => simulator.ended({ output: 'x', logs: 'a log' }))
    const listed: string[] = []
    const sizes: number[] = []
    for (let path: string | null = '/predictions'; path !== null; ) {
      const { body } = await get(simulator, path)
      sizes.push(body.results.length)
      listed.push(...body.results.map(({ id }: { id: string }) => id))
      assert.deepEqual([body.results[0].output, 'logs' in body.results[0]], ['x', false])
      path = body.next === null ? null : body.next.slice(simulator.apiUrl.length)
      if (path !== null) assert.match(path, /^\/predictions\?cursor=/)
    }
    assert.deepEqual(sizes, [100, 100, 50])
    assert.deepEqual(listed, ids.reverse())
  })

  test('the official client reads the list page by page', async () => {
    await using simulator = await startSimulator()
    simulator.addStrangers(150)
    const replicate = connect(simulator)
    let count = 0
    for await (const page of replicate.paginate(replicate.predictions.list)) count += page.length
    assert.equal(count, 150)
  })

  test('the list begins at created_after and ends before created_before', async () => {
    await using simulator = await startSimulator()
    const ids = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'].map((created_at) =>
      simulator.ended({ created_at }),
    )
    const query = 'created_after=2026-01-02T00:00:00Z&created_before=2026-01-03T00:00:00Z'
    const { body } = await get(simulator, `/predictions?${query}`)
    assert.deepEqual(
      body.results.map(({ id }: { id: string }) => id),
      [ids[1]],
    )
  })

  test('the list is behind, incomplete or missing on demand', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: 'x' })
    const seen = async () => (await get(simulator, '/predictions')).body.results.length
    assert.equal(await seen(), 1)
    simulator.list.lag = 60
    assert.equal(await seen(), 0)
    Object.assign(simulator.list, { lag: 0, hides: (each: string) => each === id })
    assert.equal(await seen(), 0)
    simulator.list.answer = 'missing'
    assert.equal((await get(simulator, '/predictions')).status, 404)
    simulator.list.answer = 'page'
    assert.match((await get(simulator, '/predictions')).body, /<title>Gateway/)
  })
})

test('the simulator can cancel with an empty object, as cog does', async () => {
  await using simulator = await startSimulator({ cancelAnswer: 'empty' })
  const id = simulator.add({ moments: [{ at: 0, status: 'processing' }] })
  assert.deepEqual(await get(simulator, `/predictions/${id}/cancel`, { method: 'POST' }), { status: 200, body: {} })
  assert.equal(simulator.statusOf(id), 'canceled')
  assert.deepEqual(await get(simulator, '/predictions/x/cancel', { method: 'POST' }), { status: 404, body: {} })
})

test('Cancel-After cancels what runs at the deadline and aborts what has not started', async (t) => {
  await using simulator = await startSimulator({
    onCreate: ({ input }) => ({ moments: input.slow ? [] : [{ at: 0, status: 'processing' }] }),
  })
  const create = async (input: object, cancelAfter: string) => {
    const init = {
      method: 'POST',
      headers: { 'cancel-after': cancelAfter },
      body: JSON.stringify({ version: 'v', input }),
    }
    return get(simulator, '/predictions', init)
  }
  const [running, slow] = [await create({}, '1m5s'), await create({ slow: true }, '5')]
  assert.equal(Date.parse(running.body.deadline) - Date.parse(running.body.created_at), 65_000)
  const later = performance.now() + 100_000
  t.mock.method(performance, 'now', () => later)
  assert.equal(simulator.statusOf(running.body.id), 'canceled')
  assert.equal(simulator.statusOf(slow.body.id), 'aborted')
  for (const wrong of ['4s', '', 'soon']) assert.equal((await create({}, wrong)).status, 422, wrong)
})

test('a community model runs only with a version, which its page names', async () => {
  await using simulator = await startSimulator({ communityModels: ['someone/painter'] })
  const replicate = connect(simulator)
  const input = { prompt: 'a cake' }
  await assert.rejects(
    replicate.predictions.create({ model: 'someone/painter', input }),
    (error: { response?: Response }) => error.response?.status === 404,
  )
  const { latest_version: latest } = await replicate.models.get('someone', 'painter')
  assert.match(latest?.id ?? '', /^[0-9a-f]{64}$/)
  assert.equal((await replicate.models.versions.get('someone', 'painter', latest?.id ?? '')).id, latest?.id)
  assert.equal((await replicate.predictions.create({ version: latest?.id ?? '', input })).status, 'starting')
})

test('the official client uploads a file, reads it and deletes it', async () => {
  await using simulator = await startSimulator()
  const { files } = connect(simulator)
  const made = await files.create(new File(['a cake \xff'], 'cake.txt', { type: 'text/plain' }))
  assert.deepEqual([simulator.uploaded[0]?.name, made.content_type, made.size], ['cake.txt', 'text/plain', 9])
  assert.equal(made.urls.get, `${simulator.apiUrl}/files/${made.id}`)
  assert.equal(simulator.uploaded[0]?.bytes.toString(), 'a cake \xff')
  assert.deepEqual((await files.get(made.id)).checksums, made.checksums)
  assert.equal(await files.delete(made.id), true)
  await assert.rejects(files.get(made.id), (error: { response?: Response }) => error.response?.status === 404)
})

test('an API and its files are served over https and HTTP/2', async () => {
  await using authority = await certificateAuthority()
  await using simulator = await startSimulator({ tls: authority.certificate, http2: true })
  const id = simulator.ended({ output: [simulator.file('a.txt', { body: Buffer.from('a cake') })] })
  const dispatcher = new Agent({ allowH2: true, connect: { ca: await readFile(authority.caFile, 'utf8') } })
  const read = async (url: string) => {
    const { origin, pathname: path } = new URL(url)
    const headers = { authorization: `Bearer ${simulator.key}` }
    const { body } = await dispatcher.request({ origin, path, method: 'GET', headers })
    return body.text()
  }
  const [file] = JSON.parse(await read(`${simulator.apiUrl}/predictions/${id}`)).output
  assert.equal(await read(file), 'a cake')
  await dispatcher.close()
  assert.deepEqual(
    simulator.requests.map(({ httpVersion }) => httpVersion),
    ['2.0', '2.0'],
  )
})
