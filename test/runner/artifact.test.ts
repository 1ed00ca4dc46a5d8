import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, stat, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type Unzipped, unzipSync } from 'fflate'
import { uploadArtifacts } from '../../src/runner/artifact.ts'
import type { ArtifactFile } from '../../src/runner/artifact-content.ts'
import { ArtifactsUnavailable, UploadError } from '../../src/runner/artifact-error.ts'
import type { UploadedArtifact, UploadRequest } from '../../src/runner/artifact-upload.ts'
import { readContext } from '../../src/runner/context.ts'
import { artifactNameProblem } from '../../src/runner/input-values.ts'
import { cake } from '../fixtures/pictures.ts'
import { startForgeArtifacts } from '../servers/forge-artifacts.ts'
import {
  FROM_INTERMEDIARY,
  MIME_TYPE_REFUSED,
  OLD_FORGE,
  type ResultsService,
  startResultsService,
} from '../servers/results-service.ts'
import { eventually } from '../support/eventually.ts'
import { printed } from '../support/printed.ts'
import { testFolder } from '../support/temporary-folder.ts'

/** Uploads by our own transport, to a service that answers as GitHub's. */
const TRANSPORT = { GITEA_ACTIONS: 'true' }

describe('uploading', () => {
  let service: ResultsService
  let folder: string
  let picture: Buffer
  let files: ArtifactFile[]
  let count = 0
  const slept: number[] = []
  const clock = { now: () => 0, sleep: async (seconds: number) => void slept.push(seconds) }

  before(async () => {
    service = await startResultsService({ namesPer: 'run' })
    folder = await testFolder('upload')
    picture = await cake('png')
    files = [await file('a.png', picture, 'image/png'), await file('b.json', '{"b":1}', 'application/json')]
  })
  after(async () => {
    await service[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    slept.length = 0
  })

  async function file(
    name: string,
    content: string | Buffer,
    type = 'application/octet-stream',
  ): Promise<ArtifactFile> {
    await writeFile(path.join(folder, name), content)
    return { name, path: path.join(folder, name), type }
  }

  const around = (env: Record<string, string> = {}, signal = new AbortController().signal) => ({
    clock,
    signal,
    runner: readContext({ ...service.env, GITHUB_REPOSITORY: 'octo/pictures', GITHUB_RUN_ID: '7', ...env }),
    random: () => 0.5,
  })
  const attempt = async (
    more: Partial<UploadRequest>,
    env: Record<string, string>,
    uploaded: UploadedArtifact[],
    signal?: AbortSignal,
  ) => {
    const request = {
      ...{ name: `artifact-${++count}`, nameGiven: false, files, archive: true },
      ...{ retentionDays: undefined, compressionLevel: 0, overwrite: false },
      ...more,
    }
    const surroundings = around(env, signal)
    // The client reads the environment of the process.
    const before = { ...process.env }
    Object.assign(process.env, surroundings.runner.env)
    try {
      return await uploadArtifacts(request, surroundings, uploaded)
    } finally {
      process.env = before
    }
  }
  /** Throws what fails, also for a single file. */
  const upload = async (more: Partial<UploadRequest> = {}, env: Record<string, string> = {}) => {
    const uploaded: UploadedArtifact[] = []
    const failures = await attempt(more, env, uploaded)
    if (failures.length > 0) throw new Error(failures.join('\n'))
    return uploaded
  }
  /** Sorted: the client gives them an order of its own, which can be another one each time. */
  const namesIn = (zip: Unzipped) => Object.keys(zip).sort()
  const named = (name: string) => service.artifacts.filter((artifact) => artifact.name === name)
  const callsOf = async (act: () => Promise<unknown>) => {
    const before = service.calls.length
    await act()
    return service.calls.slice(before)
  }

  test('an upload makes one zip that holds every file byte for byte', async () => {
    const [artifact] = await upload({ name: '图片 1' })
    const zip = unzipSync(await service.download('图片 1'))
    assert.deepEqual(namesIn(zip), ['a.png', 'b.json'])
    assert.deepEqual(Buffer.from(zip['a.png'] ?? []), picture)
    assert.equal(Buffer.from(zip['b.json'] ?? []).toString(), '{"b":1}')
    const [stored] = named('图片 1')
    assert.deepEqual(artifact, {
      id: stored?.id,
      name: '图片 1',
      url: `https://github.com/octo/pictures/actions/runs/7/artifacts/${stored?.id}`,
      digest: stored?.hash.replace('sha256:', ''),
      size: stored?.size,
    })
    assert.equal(stored?.mimeType, 'application/zip')
  })

  test('an upload sends a file of several blocks whole', async () => {
    const large = await file('large.bin', Buffer.alloc(20 * 2 ** 20, 'x'))
    await upload({ files: [large], archive: false })
    assert.equal((await service.download('large.bin')).length, 20 * 2 ** 20)
  })

  test('an upload without an archive makes every file an artifact of its own', async () => {
    const uploaded = await upload({ archive: false, retentionDays: 3 })
    assert.deepEqual(
      uploaded.map(({ name }) => name),
      ['a.png', 'b.json'],
    )
    assert.deepEqual(await service.download('a.png'), picture)
    const [stored] = named('a.png')
    assert.equal(stored?.mimeType, 'image/png')
    assert.ok(Math.abs(Date.parse(stored?.expiresAt ?? '') - Date.now() - 3 * 86_400_000) < 60_000)
  })

  test('an artifact is kept no longer than the repository allows', async () => {
    await upload({ name: 'short', retentionDays: 90 }, { GITHUB_RETENTION_DAYS: '2' })
    assert.ok(Date.parse(named('short')[0]?.expiresAt ?? '') - Date.now() < 3 * 86_400_000)
  })

  test('the artifact transport makes the same zip of the same files, in any order and at any time', async () => {
    const [first] = await upload({ compressionLevel: 6 }, TRANSPORT)
    await utimes(files[0]?.path ?? '', new Date(0), new Date(0))
    const [second] = await upload({ compressionLevel: 6, files: files.toReversed() }, TRANSPORT)
    assert.equal(first?.digest, second?.digest)
  })

  test('the artifact client makes the same zip of a file with other times and permissions, and does not change it', async () => {
    const one = await file('one.bin', 'x'.repeat(1000))
    const [first] = await upload({ compressionLevel: 6, files: [one] })
    await utimes(one.path, new Date(0), new Date(86_400_000))
    await chmod(one.path, 0o600)
    const [second] = await upload({ compressionLevel: 6, files: [one] })
    assert.equal(first?.digest, second?.digest)
    assert.equal((await stat(one.path)).mtimeMs, 86_400_000)
  })

  test('the output of the artifact client is in a group that ends before the next line of this action', async () => {
    const text = await printed(() => upload({ name: 'quiet' }))
    assert.match(text, /^::group::Uploading quiet\n[\s\S]*\n::endgroup::\nuploaded the artifact quiet · /)
    assert.equal(text.match(/::group::/g)?.length, 1)
    assert.doesNotMatch(await printed(() => upload({ name: 'loud' }, TRANSPORT)), /::group::/)
  })

  test('the artifact transport sends exactly what the artifact client sends', async () => {
    const one = await file('one.webp', picture, 'image/webp')
    const sent = async (env: Record<string, string>) => {
      const before = service.bodies.length
      const calls = await callsOf(() => upload({ archive: false, files: [one], retentionDays: 3 }, env))
      // Both compute the same day a moment apart.
      const withoutTime = (_: string, value: unknown) => (/^\d{4}-\d\d-\d\dT/.test(String(value)) ? 'a time' : value)
      const bodies = JSON.parse(JSON.stringify(service.bodies.slice(before), withoutTime))
      return { calls, bodies, hash: service.artifacts.pop()?.hash }
    }
    assert.deepEqual(await sent(TRANSPORT), await sent({}))
  })

  test('an upload by the artifact client is retried after transient errors, with growing pauses', async () => {
    service.fail('CreateArtifact', 'reset', FROM_INTERMEDIARY)
    service.fail('FinalizeArtifact', FROM_INTERMEDIARY, { status: 404, body: { code: 'not_found', msg: 'no such' } })
    const [artifact] = await upload({ name: 'again' })
    assert.equal(artifact?.name, 'again')
    assert.deepEqual(
      named('again').map(({ id, finalized }) => [id, finalized]),
      [[artifact?.id, true]],
    )
    assert.deepEqual(slept, [2, 4, 8, 4])
  })

  test('an upload by the artifact transport is retried after transient errors, with growing pauses', async () => {
    service.fail('CreateArtifact', 'reset', FROM_INTERMEDIARY, { status: 502, body: '<html><title>Bad</title>' })
    service.fail('FinalizeArtifact', FROM_INTERMEDIARY, { status: 404, body: { code: 'not_found', msg: 'no such' } })
    const [artifact] = await upload({ name: 'again and again' }, TRANSPORT)
    assert.equal(artifact?.name, 'again and again')
    assert.equal(named('again and again').length, 1)
    assert.deepEqual(slept, [2, 4, 8, 2, 4])
  })

  test('an upload that the service never finalizes fails after five attempts, with the last response', async () => {
    const missing = { status: 404, body: { code: 'not_found', msg: 'no such' } }
    service.fail('FinalizeArtifact', missing, missing, missing, missing, missing)
    await assert.rejects(upload({ name: 'endless' }), /FinalizeArtifact returned 404 Not Found: no such\./)
    assert.deepEqual(slept, [2, 4, 8, 16])
  })

  test('an upload waits for a rate limit of up to a minute, and fails at a longer one', async () => {
    const limited = (retry_after: number) => ({
      status: 429,
      body: { code: 'resource_exhausted', msg: 'x', retry_after },
    })
    service.fail('CreateArtifact', limited(20))
    await upload({}, TRANSPORT)
    assert.deepEqual(slept, [20])
    service.fail('CreateArtifact', limited(3600))
    await assert.rejects(
      upload({ name: 'limited' }, TRANSPORT),
      /limited could not be uploaded: CreateArtifact returned 429/,
    )
    assert.deepEqual(slept, [20])
  })

  test('an upload fails after five attempts or at a permanent error, with the reason in the message', async () => {
    service.fail('CreateArtifact', 'reset', 'reset', 'reset', 'reset', 'reset')
    await assert.rejects(
      upload({ name: 'away' }),
      /^UploadError: The artifact away could not be uploaded: CreateArtifact failed: /,
    )
    assert.equal(slept.length, 4)
    service.fail('CreateArtifact', { status: 403, body: { code: 'permission_denied', msg: 'no right to it' } })
    await assert.rejects(upload({ name: 'denied' }), /CreateArtifact returned 403 Forbidden: no right to it\./)
    service.fail('CreateArtifact', { status: 403, body: { code: 'permission_denied', msg: 'insufficient usage' } })
    await assert.rejects(upload({ name: 'quota' }), /CreateArtifact failed: Artifact storage quota has been hit\./)
    assert.equal(slept.length, 4)
  })

  test('an upload succeeds if the response to the last call was lost', async () => {
    service.fail('FinalizeArtifact', 'lost')
    const [artifact] = await upload({ name: 'lost' })
    assert.equal(artifact?.id, named('lost')[0]?.id)
  })

  test('an upload takes its name again if the response to the first call was lost', async () => {
    service.fail('CreateArtifact', 'lost')
    const [artifact] = await upload({ name: 'mine' })
    assert.deepEqual(
      named('mine').map(({ id, finalized }) => [id, finalized]),
      [[artifact?.id, true]],
    )
  })

  test('an upload fails if the service keeps refusing the name that the first call took', async () => {
    const deleted = { status: 200, body: { ok: true, artifact_id: '1' } }
    service.fail('CreateArtifact', 'lost')
    service.fail('DeleteArtifact', deleted, deleted, deleted, deleted, deleted)
    const calls = await callsOf(() => assert.rejects(upload({ name: 'stuck' }, TRANSPORT), /named stuck .*exists/))
    assert.equal(calls.filter((call) => call === 'DeleteArtifact').length, 5)
    assert.deepEqual(slept, [2, 2, 4, 8, 16])
  })

  test('an upload never deletes an artifact of somebody else with the same name', async () => {
    service.occupy('theirs')
    service.fail('CreateArtifact', 'reset')
    await assert.rejects(upload({ name: 'theirs' }), /named theirs with other content already exists/)
    assert.equal(named('theirs').length, 1)
  })

  test('an upload under a taken name succeeds if the bytes are the same', async () => {
    const [first] = await upload({ name: 'same' })
    const [second] = await upload({ name: 'same' })
    assert.deepEqual(second, first)
    const [unzipped] = await upload({ archive: false, files: files.slice(0, 1) })
    assert.equal(unzipped?.id, named('a.png')[0]?.id)
  })

  test('an upload under a taken name succeeds if the files are the same, in whatever order they were zipped', async () => {
    const many = await Promise.all(Array.from({ length: 12 }, (_, i) => file(`${i}.txt`, `${i}`.repeat(500))))
    for (const compressionLevel of [0, 9]) {
      const name = `many-${compressionLevel}`
      const [first] = await upload({ name, files: many, compressionLevel })
      for (let again = 0; again < 3; again++) {
        const [next] = await upload({ name, files: many, compressionLevel })
        assert.equal(next?.id, first?.id)
      }
    }
    const other = many.with(3, await file('3.txt', '4'.repeat(500)))
    await assert.rejects(upload({ name: 'many-9', files: other, compressionLevel: 9 }), /with other content/)
    await assert.rejects(upload({ name: 'many-9', files: many.slice(1), compressionLevel: 9 }), /with other content/)
  })

  test('an artifact that is too large to be the same is not downloaded for a comparison', async () => {
    await upload({ name: 'large', files: [await file('large.bin', Buffer.alloc(100_000))] })
    const calls = await callsOf(() => assert.rejects(upload({ name: 'large', files: files.slice(1) })))
    assert.deepEqual(calls, ['CreateArtifact', 'ListArtifacts'])
  })

  test('an upload under a taken name with other bytes fails with what to do', async () => {
    service.occupy('taken')
    await assert.rejects(
      upload({ name: 'taken' }),
      /named taken with other content already exists in this run\. Set another artifact-name, or set overwrite: true/,
    )
    const other = [await file('a.png', 'other')]
    await assert.rejects(
      upload({ archive: false, files: other }),
      /named a\.png .*Set overwrite: true to replace it, or archive: true to upload all files as one artifact/,
    )
    await writeFile(path.join(folder, 'a.png'), picture)
  })

  for (const listed of ['all', 'failed'] as const) {
    test(`a later attempt takes a name of its own if an earlier one has other bytes (jobs run again: ${listed})`, async () => {
      await using again = await startResultsService({ namesPer: 'run' })
      again.occupy('prediction-abc')
      again.occupy('b.json')
      again.rerun(listed)
      const env = { ...again.env, GITHUB_RUN_ATTEMPT: '2' }
      const [zip] = await upload({ name: 'prediction-abc' }, env)
      assert.equal(zip?.name, 'prediction-abc-attempt-2')
      const [json] = await upload({ archive: false, files: files.slice(1) }, env)
      assert.equal(json?.name, 'b-attempt-2.json')
      assert.equal(again.artifacts.length, 4)
    })
  }

  test('a later attempt keeps its artifact name if the service counts only that attempt', async () => {
    await using again = await startResultsService({ namesPer: 'attempt' })
    again.occupy('prediction-abc')
    again.rerun('failed')
    const [artifact] = await upload({ name: 'prediction-abc' }, { ...again.env, GITHUB_RUN_ATTEMPT: '2' })
    assert.equal(artifact?.name, 'prediction-abc')
  })

  test('the other files are uploaded if one has a taken name or cannot be read', async () => {
    const gone = { name: 'gone.png', path: path.join(folder, 'gone'), type: 'image/png' }
    const three = [await file('second.png', picture), gone, await file('first.png', picture)]
    service.occupy('second.png')
    const uploaded: UploadedArtifact[] = []
    const failures = await attempt({ archive: false, files: three }, {}, uploaded)
    assert.deepEqual(
      uploaded.map(({ name }) => name),
      ['first.png'],
    )
    assert.match(failures[0] ?? '', /named second.png with other content/)
    assert.match(failures[1] ?? '', /gone\.png could not be uploaded: ENOENT/)
  })

  test('no other file is uploaded if the service fails', async () => {
    const refusal = { status: 403, body: { code: 'permission_denied', msg: 'no' } }
    service.fail('CreateArtifact', refusal)
    const calls = await callsOf(() =>
      assert.rejects(attempt({ archive: false }, {}, []), (error) => error instanceof UploadError),
    )
    assert.deepEqual(calls, ['CreateArtifact'])
  })

  test('an upload stops sending blocks when one cannot be stored', async () => {
    await using broken = await startForgeArtifacts({ knowsMediaTypes: true, full: true })
    const large = await file('large.bin', Buffer.alloc(80 * 2 ** 20))
    await assert.rejects(
      upload({ files: [large] }, { ...broken.env, GITEA_ACTIONS: 'true' }),
      /Put Block returned 507 Insufficient Storage/,
    )
    assert.ok(broken.calls.filter((call) => call === 'UploadArtifact block').length <= 4 * 5 + 4, broken.calls.join())
  })

  test('an upload with overwrite replaces a taken name, and deletes nothing before the name is refused', async () => {
    service.occupy('replaced')
    const calls = await callsOf(() => upload({ name: 'replaced', overwrite: true }))
    assert.deepEqual(calls, [
      'CreateArtifact',
      'ListArtifacts',
      // The client looks for what it deletes.
      'ListArtifacts',
      'DeleteArtifact',
      'CreateArtifact',
      'FinalizeArtifact',
    ])
    assert.deepEqual(namesIn(unzipSync(await service.download('replaced'))), ['a.png', 'b.json'])
  })

  test('an upload falls back to a zip if the service refuses the media type', async () => {
    const sheet = [await file('c.xlsx', 'x', 'application/vnd.ms-excel')]
    service.fail('CreateArtifact', MIME_TYPE_REFUSED)
    const [artifact] = await upload({ archive: false, files: sheet })
    assert.deepEqual(Object.keys(unzipSync(await service.download(artifact?.name ?? ''))), ['c.xlsx'])
  })

  test('an upload of more files than a job can have artifacts is refused before the first call', async () => {
    const many = Array.from({ length: 501 }, (_, i) => ({ name: `${i}`, path: `/x/${i}`, type: '' }))
    const calls = await callsOf(() =>
      assert.rejects(upload({ archive: false, files: many }), /501 artifacts.*archive: true/),
    )
    assert.deepEqual(calls, [])
  })

  test('an upload of a file that cannot be read is an error, not a crash', async () => {
    const missing = [{ name: 'missing', path: path.join(folder, 'missing'), type: '' }]
    for (const archive of [true, false]) await assert.rejects(upload({ archive, files: missing }), /ENOENT/)
  })

  test('an upload ends at once when the step is canceled', async () => {
    service.fail('CreateArtifact', 'hang')
    const cancel = new AbortController()
    const before = service.calls.length
    const canceled = assert.rejects(attempt({ name: 'canceled' }, {}, [], cancel.signal), /the step was canceled/)
    await eventually('the call', () => service.calls.length > before)
    cancel.abort(new Error('the step was canceled'))
    await canceled
  })

  test('an upload is unavailable on GHES, without a service, and on an old server, which is called once', async () => {
    await assert.rejects(upload({}, { GITHUB_SERVER_URL: 'https://github.example.com' }), ArtifactsUnavailable)
    for (const name of ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL'])
      await assert.rejects(upload({}, { [name]: '' }), new RegExp(`no artifact service: ${name} is not set`))
    service.fail('CreateArtifact', OLD_FORGE)
    const calls = await callsOf(() =>
      assert.rejects(upload({}, { GITEA_ACTIONS: 'true' }), /This Gitea server is too old/),
    )
    assert.deepEqual(calls, ['CreateArtifact'])
  })

  test('an artifact on Gitea is sent in blocks to Gitea itself, and has the URL of its page there', async () => {
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const large = await file('large.bin', Buffer.alloc(9 * 2 ** 20, 'x'))
    const env = { ...gitea.env, GITEA_ACTIONS: 'true' }
    const [zip] = await upload({ name: 'pictures 1', files: [large, ...files] }, env)
    assert.equal(zip?.url, 'https://git.example.com/octo/pictures/actions/runs/7/artifacts/pictures%201')
    const stored = gitea.artifacts.find(({ name }) => name === 'pictures 1')
    assert.deepEqual(Object.keys(unzipSync(stored?.bytes ?? new Uint8Array())), ['a.png', 'b.json', 'large.bin'])
    assert.equal(stored?.version, 7)
    assert.deepEqual(gitea.calls, [
      'CreateArtifact',
      'UploadArtifact block',
      'UploadArtifact block',
      'UploadArtifact blocklist',
      'FinalizeArtifact',
    ])
    // Blocks are kept by run there: those of one artifact must not be taken for those of another.
    const unzipped = await upload({ archive: false }, env)
    assert.deepEqual(
      unzipped.map(({ name }) => gitea.artifacts.find((each) => each.name === name)?.bytes?.length),
      [picture.length, 7],
    )
  })

  test('an upload to Forgejo uses the older protocol, which has zips only', async () => {
    await using forgejo = await startForgeArtifacts({ knowsMediaTypes: false })
    const env = { ...forgejo.env, GITEA_ACTIONS: 'true', FORGEJO_ACTIONS: 'true' }
    for (const archive of [true, false]) await upload({ archive, files: files.slice(0, 1) }, env)
    for (const { bytes, version } of forgejo.artifacts) {
      assert.deepEqual(Object.keys(unzipSync(bytes ?? new Uint8Array())), ['a.png'])
      assert.equal(version, 4)
    }
  })

  test('an upload to a server that is too old is given up at the first response', async () => {
    for (const options of [{ knowsMediaTypes: false }, { knowsMediaTypes: true, present: false }]) {
      await using old = await startForgeArtifacts(options)
      await assert.rejects(upload({}, { ...old.env, GITEA_ACTIONS: 'true' }), ArtifactsUnavailable)
      assert.deepEqual(old.calls, ['CreateArtifact'])
    }
    assert.deepEqual(slept, [])
  })

  test('an upload is unavailable with a token that names no job', async () => {
    await assert.rejects(upload({}, { ACTIONS_RUNTIME_TOKEN: 'x' }), ArtifactsUnavailable)
  })

  test('an uploaded file has the SHA-256 of its bytes as its digest', async () => {
    const [artifact] = await upload({ archive: false, files: files.slice(0, 1) })
    assert.equal(artifact?.digest, createHash('sha256').update(picture).digest('hex'))
  })
})

test('an artifact name is invalid with a forbidden character or more than 255 characters', () => {
  for (const name of ['a:b', 'a/b', 'a\\b', 'a*', 'a?', '"', '<', '>', '|', 'a\nb', 'a\rb', 'x'.repeat(256)])
    assert.notEqual(artifactNameProblem(name), undefined, name)
  for (const name of ['prediction-abc', '图片 1', 'a.b_c']) assert.equal(artifactNameProblem(name), undefined)
})
