import assert from 'node:assert/strict'
import { test } from 'node:test'
import Replicate from 'replicate'
import { startSimulator } from './simulator.ts'

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
  const deployed = await replicate.deployments.predictions.create('owner', 'mine', { input: { prompt: 'x' } })
  assert.equal(deployed.status, 'starting')
})

test('a wrong key, a wrong id and a wrong input are refused as by the real API', async () => {
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

test('the stream of a prediction tells its log and its end', async () => {
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

test('a file can be had in parts, and breaks off on demand', async () => {
  await using simulator = await startSimulator()
  const url = simulator.file('a.bin', { body: Buffer.from('0123456789'), tricks: [{ cutAfter: 4 }] })
  await assert.rejects(fetch(url).then((response) => response.arrayBuffer()))
  const rest = await fetch(url, { headers: { range: 'bytes=4-' } })
  assert.equal(rest.status, 206)
  assert.equal(await rest.text(), '456789')
})
