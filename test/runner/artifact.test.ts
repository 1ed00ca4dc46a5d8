import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { unzipSync } from 'fflate'
import type { Clock } from '../../src/predictions/clock.ts'
import {
  ArtifactsUnavailable,
  UploadError,
  type UploadedArtifact,
  type UploadRequest,
  uploadArtifacts,
} from '../../src/runner/artifact.ts'
import { readContext } from '../../src/runner/context.ts'
import { artifactNameFault } from '../../src/runner/input-values.ts'
import { cake } from '../fixtures/pictures.ts'
import { type ResultsService, startResultsService } from '../servers/results-service.ts'

describe('uploading', () => {
  let service: ResultsService
  let folder: string
  let picture: Buffer
  let files: string[]
  let count = 0

  before(async () => {
    service = await startResultsService()
    // The client of the toolkit reads the environment of the process.
    Object.assign(process.env, service.env)
    folder = await mkdtemp(path.join(tmpdir(), 'upload-'))
    picture = await cake('png')
    files = ['a.png', 'b.json'].map((name) => path.join(folder, name))
    await writeFile(files[0] ?? '', picture)
    await writeFile(files[1] ?? '', '{"b":1}')
  })
  after(async () => {
    for (const name of Object.keys(service.env)) delete process.env[name]
    await service[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const instant: Clock = { now: () => 0, sleep: async () => {} }
  const upload = (more: Partial<UploadRequest> = {}, uploaded?: UploadedArtifact[], env = process.env) =>
    uploadArtifacts(
      {
        name: `artifact-${++count}`,
        files,
        archive: true,
        retentionDays: undefined,
        compressionLevel: 0,
        overwrite: false,
        ...more,
      },
      { clock: instant, runner: readContext(env) },
      uploaded,
    )

  test('makes one zip that holds every file byte for byte', async () => {
    const [artifact] = await upload({ name: '图片 1' })
    const zip = unzipSync(await service.download('图片 1'))
    assert.deepEqual(Object.keys(zip).sort(), ['a.png', 'b.json'])
    assert.deepEqual(Buffer.from(zip['a.png'] ?? []), picture)
    assert.equal(Buffer.from(zip['b.json'] ?? []).toString(), '{"b":1}')
    const stored = service.artifacts.find(({ name }) => name === '图片 1')
    assert.equal(artifact?.id, stored?.id)
    assert.equal(`sha256:${artifact?.digest}`, stored?.hash)
    assert.match(artifact?.url ?? '', new RegExp(`/actions/runs/\\d*/artifacts/${stored?.id}$`))
  })

  test('without an archive makes every file an artifact that is the file itself', async () => {
    const uploaded = await upload({ archive: false, retentionDays: 3 })
    assert.deepEqual(
      uploaded.map(({ name }) => name),
      ['a.png', 'b.json'],
    )
    assert.deepEqual(await service.download('a.png'), picture)
    const stored = service.artifacts.find(({ name }) => name === 'a.png')
    assert.equal(stored?.mimeType, 'image/png')
    assert.ok(stored?.expiresAt !== undefined)
    await assert.rejects(upload({ archive: false }), UploadError)
    assert.equal((await upload({ archive: false, overwrite: true })).length, 2)
  })

  test('is tried again after faults of the network that the client gives up on', async () => {
    service.fail('CreateArtifact', 'reset', 'reset')
    service.fail('FinalizeArtifact', 'reset')
    const [artifact] = await upload({ name: 'again' })
    assert.equal(artifact?.name, 'again')
    assert.equal(service.artifacts.filter(({ name }) => name === 'again').length, 1)
  })

  test('fails for good where the network stays away', async () => {
    service.fail('CreateArtifact', 'reset', 'reset', 'reset', 'reset')
    await assert.rejects(
      upload({ name: 'away' }),
      /The artifact away could not be uploaded: .*ECONNRESET|socket hang up/s,
    )
  })

  test('under a taken name says what to do, and never deletes what an earlier step made', async () => {
    service.occupy('taken')
    await assert.rejects(upload({ name: 'taken' }), /named taken exists.*artifact-name.*overwrite: true/)
    service.fail('ListArtifacts', 'reset')
    service.fail('CreateArtifact', 'reset')
    await assert.rejects(upload({ name: 'taken' }), /named taken exists/)
    assert.equal(service.artifacts.filter(({ name }) => name === 'taken').length, 1)
  })

  test('that fails half-way tells of what is there by then', async () => {
    const two = ['first.png', 'second.png'].map((name) => path.join(folder, name))
    for (const file of two) await writeFile(file, picture)
    service.occupy('second.png')
    const uploaded: UploadedArtifact[] = []
    await assert.rejects(upload({ archive: false, files: two }, uploaded), /named second.png exists/)
    assert.deepEqual(
      uploaded.map(({ name }) => name),
      ['first.png'],
    )
  })

  test('under a taken name replaces it with overwrite', async () => {
    service.occupy('replaced')
    await upload({ name: 'replaced', overwrite: true })
    assert.deepEqual(Object.keys(unzipSync(await service.download('replaced'))).sort(), ['a.png', 'b.json'])
  })

  test('falls back to a zip where the service does not take a type', async () => {
    service.fail('CreateArtifact', {
      status: 400,
      body: { code: 'invalid_argument', msg: 'mime_type is not supported' },
    })
    const [artifact] = await upload({ archive: false, files: files.slice(1), overwrite: true })
    assert.deepEqual(Object.keys(unzipSync(await service.download(artifact?.name ?? ''))), ['b.json'])
  })

  test('of more files than a job can have artifacts is refused before the first', async () => {
    const before = service.calls.length
    await assert.rejects(
      upload({ archive: false, files: Array.from({ length: 501 }, (_, i) => `/x/${i}`) }),
      /501 artifacts.*archive: true/,
    )
    assert.equal(service.calls.length, before)
  })

  test('of a file that cannot be read is an error, not a crash', async () => {
    await assert.rejects(upload({ files: [path.join(folder, 'missing')] }), /ENOENT/)
  })

  test('is unavailable on GHES and without a service', async () => {
    for (const [name, value] of [
      ['GITHUB_SERVER_URL', 'https://github.example.com'],
      ['ACTIONS_RUNTIME_TOKEN', ''],
      ['ACTIONS_RESULTS_URL', ''],
    ] as const) {
      await assert.rejects(upload({}, [], { ...process.env, [name]: value }), ArtifactsUnavailable)
    }
  })
})

test('a name is at fault where it holds what no artifact name may', () => {
  for (const name of ['a:b', 'a/b', 'a\\b', 'a*', 'a?', '"', '<', '>', '|', 'a\nb', 'a\rb', 'x'.repeat(256)])
    assert.notEqual(artifactNameFault(name), undefined, name)
  for (const name of ['prediction-abc', '图片 1', 'a.b_c']) assert.equal(artifactNameFault(name), undefined)
})
