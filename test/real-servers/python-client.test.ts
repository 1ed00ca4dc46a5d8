/**
 * The simulated API judged by Replicate's own Python client: what it accepts is what an API answers like. Skipped where the
 * package cannot be had.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { type CreationRequest, type Moment, startSimulator } from '../servers/simulator.ts'
import { certificateAuthority } from '../support/certificate.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { findPython } from './programs.ts'

const PICTURE = Buffer.from('a picture of a cake')

const python = findPython('replicate', '1.0.7')
const skip = 'missing' in python && python.missing

test("Replicate's Python client runs, streams, uploads, cancels, deploys and lists", { skip }, async () => {
  assert.ok('program' in python)
  await using folder = await temporaryFolder('python')
  await using authority = await certificateAuthority()
  // The client makes files of https addresses only.
  await using simulator = await startSimulator({
    basePath: '/v1',
    tls: authority.certificate,
    onCreate: ({ model }: CreationRequest) => ({ moments: momentsOf(model) }),
  })
  const url = simulator.file('out-0.png', { body: PICTURE, type: 'image/png' })
  const momentsOf = (model = ''): Moment[] => {
    if (model === 'owner/slow') return [{ at: 0, status: 'processing' }]
    if (model === 'owner/fails') return [{ at: 0, status: 'failed', error: 'out of memory' }]
    if (model === 'owner/writer') return [{ at: 0, status: 'succeeded', output: ['Bake', ' a\n', 'cake.'] }]
    return [
      { at: 0, status: 'processing' },
      { at: 0.1, status: 'succeeded', output: [url] },
    ]
  }
  simulator.addStrangers(150)
  await writeFile(folder.file('sketch.txt'), 'a sketch')
  const env = {
    HOME: folder.path,
    REPLICATE_BASE_URL: simulator.origin,
    REPLICATE_API_TOKEN: simulator.key,
    REPLICATE_POLL_INTERVAL: '0.05',
    SSL_CERT_FILE: authority.caFile,
  }
  const script = path.join(import.meta.dirname, 'replicate_client.py')
  const child = spawn(python.program, [script, folder.file('sketch.txt')], { env, timeout: 60_000 })
  const [out, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  assert.equal(child.exitCode, 0, complaints)
  const created = simulator.requests.filter((each) => each.method === 'POST' && /\/predictions$/.test(each.url)).length
  assert.deepEqual(JSON.parse(out), {
    run: { url, bytes: PICTURE.length },
    'run with a version': [url],
    'run without Prefer: wait': [url],
    model: 'painter',
    failed: ['failed', 'out of memory'],
    stream: ['Bake', ' a\n', 'cake.', ''],
    cancel: 'canceled',
    deployment: 'succeeded',
    list: [100, 50 + created],
    'unknown id': 404,
  })
  const [uploaded] = simulator.uploaded
  assert.equal(uploaded?.bytes.toString(), 'a sketch')
  const inputs = simulator.requests.flatMap(({ body }) => (body.startsWith('{') ? [JSON.parse(body).input] : []))
  assert.ok(inputs.some(({ image }) => image === `${simulator.origin}/v1/files/${uploaded?.id}`))
})
