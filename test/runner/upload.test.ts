import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { unzipSync } from 'fflate'
import { systemClock } from '../../src/predictions/clock.ts'
import type { SavedFile } from '../../src/predictions/files/save.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import { readContext } from '../../src/runner/context.ts'
import { type Uploads, uploadFiles } from '../../src/runner/upload.ts'
import { type ForgeArtifacts, startForgeArtifacts } from '../servers/forge-artifacts.ts'
import { startReleasesApi } from '../servers/releases-api.ts'
import { printed } from '../support/printed.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

type UploadInputs = Parameters<typeof uploadFiles>[2]

const ARTIFACT = { name: undefined, archive: true, retentionDays: undefined, compressionLevel: 0, overwrite: false }
const NOTHING: UploadInputs = { artifact: undefined, release: undefined, download: {} as UploadInputs['download'] }
const NO_SERVICE = 'This runner has no artifact service: ACTIONS_RUNTIME_TOKEN is not set.'

function judged(id: string, end: 'ended' | 'timeout' = 'ended') {
  const body = { id, status: 'succeeded', output: 'x' }
  const answer = end === 'ended' ? { prediction: Prediction.parse(body), body } : undefined
  const outcome: Outcome = { id, end, status: 'succeeded', answer, error: undefined, waited: 1 } as Outcome
  return { outcome, verdict: verdictOf(outcome, '30m') }
}

async function saved(folder: TemporaryFolder, name: string, text = name): Promise<SavedFile> {
  await writeFile(folder.file(name), text)
  const sha256 = createHash('sha256').update(text).digest('hex')
  const source = `https://files.example.com/${name}`
  return {
    predictionId: 'a',
    index: 0,
    source,
    path: folder.file(name),
    name,
    size: text.length,
    type: 'text/plain',
    sha256,
  }
}

interface Case {
  inputs: Partial<UploadInputs>
  files: readonly SavedFile[]
  predictions?: ReturnType<typeof judged>[]
  env?: Record<string, string>
  temp?: string
  signal?: AbortSignal
}

async function upload({ inputs, files, predictions = [judged('a')], env = {}, temp, signal }: Case) {
  const runner = readContext({
    GITEA_ACTIONS: 'true',
    GITHUB_REPOSITORY: 'octo/pictures',
    GITHUB_RUN_ID: '7',
    ...(temp === undefined ? {} : { RUNNER_TEMP: temp }),
    ...env,
  })
  const around = { clock: systemClock, signal: signal ?? new AbortController().signal, runner, random: () => 0 }
  let uploads: Uploads | undefined
  const text = await printed(async () => {
    uploads = await uploadFiles(predictions, files, { ...NOTHING, ...inputs }, around)
  })
  assert.ok(uploads)
  return { ...uploads, text }
}

const namesIn = (gitea: ForgeArtifacts, name: string) =>
  Object.keys(unzipSync(gitea.artifacts.find((each) => each.name === name)?.bytes ?? new Uint8Array())).sort()

describe('the upload of files as artifacts', () => {
  test('an archive has the files and the predictions, and is named after the only prediction', async () => {
    await using folder = await temporaryFolder()
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const files = [await saved(folder, 'a.txt'), await saved(folder, 'b.txt')]
    const { artifacts, failures } = await upload({
      inputs: { artifact: ARTIFACT },
      files,
      env: gitea.env,
      temp: folder.path,
    })
    assert.deepEqual(failures, [])
    assert.deepEqual(
      artifacts.map(({ name }) => name),
      ['prediction-a'],
    )
    assert.deepEqual(namesIn(gitea, 'prediction-a'), ['a.txt', 'b.txt', 'prediction.json'])
    assert.deepEqual((await readdir(folder.path)).sort(), ['a.txt', 'b.txt'], 'the copies are removed')
  })

  test('the name for several predictions has the run and the first of them, unless one is given', async () => {
    await using folder = await temporaryFolder()
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const files = [await saved(folder, 'a.txt')]
    const predictions = [judged('a'), judged('b')]
    await upload({ inputs: { artifact: ARTIFACT }, files, predictions, env: gitea.env, temp: folder.path })
    await upload({ inputs: { artifact: { ...ARTIFACT, name: 'mine' } }, files, predictions, env: gitea.env })
    assert.deepEqual(
      gitea.artifacts.map(({ name }) => name),
      ['predictions-7-a', 'mine'],
    )
  })

  test('prediction.json gives way to saved files of that name', async () => {
    await using folder = await temporaryFolder()
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const files = [await saved(folder, 'Prediction.json'), await saved(folder, 'prediction-1.json')]
    await upload({ inputs: { artifact: ARTIFACT }, files, env: gitea.env })
    assert.deepEqual(namesIn(gitea, 'prediction-a'), ['Prediction.json', 'prediction-1.json', 'prediction-2.json'])
  })

  test('without an archive every file is an artifact, and artifact-name has no effect', async () => {
    await using folder = await temporaryFolder()
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const files = [await saved(folder, 'a.txt'), await saved(folder, 'b.txt')]
    const artifact = { ...ARTIFACT, archive: false }
    const { text, artifacts } = await upload({
      inputs: { artifact: { ...artifact, name: 'x' } },
      files,
      env: gitea.env,
    })
    assert.deepEqual(
      artifacts.map(({ name }) => name),
      ['a.txt', 'b.txt'],
    )
    assert.match(text, /^::warning::artifact-name has no effect with archive: false:/)
    const { text: quiet } = await upload({ inputs: { artifact }, files: [await saved(folder, 'c')], env: gitea.env })
    assert.doesNotMatch(quiet, /artifact-name/)
  })

  test('a prediction that ended without files has an archive, one that did not end has none', async () => {
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const run = (archive: boolean, end: 'ended' | 'timeout') => {
      const inputs = { artifact: { ...ARTIFACT, archive } }
      return upload({ inputs, files: [], predictions: [judged('a', end)], env: gitea.env })
    }
    for (const [archive, end] of [
      [true, 'timeout'],
      [false, 'ended'],
    ] as const) {
      assert.deepEqual(await run(archive, end), { artifacts: [], releaseUrls: [], failures: [], text: '' })
    }
    assert.equal((await run(true, 'ended')).artifacts.length, 1)
    assert.deepEqual(namesIn(gitea, 'prediction-a'), ['prediction.json'])
  })

  test('a file that was deleted does not keep the others from being uploaded', async () => {
    await using folder = await temporaryFolder()
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const file = await saved(folder, 'a.txt')
    const files = [{ ...file, name: 'gone.txt', path: folder.file('gone.txt') }, file]
    const { failures, artifacts } = await upload({ inputs: { artifact: ARTIFACT }, files, env: gitea.env })
    assert.equal(artifacts.length, 1)
    assert.deepEqual(
      failures.map(({ title }) => title),
      ['File not uploaded'],
    )
    assert.match(failures[0]?.message ?? '', /^gone\.txt was saved, but can no longer be read: ENOENT/)
    assert.deepEqual(namesIn(gitea, 'prediction-a'), ['a.txt', 'prediction.json'])
  })

  test('files in the folder of the runner are lost without an artifact service, which fails the step', async () => {
    await using folder = await temporaryFolder()
    const files = [await saved(folder, 'a.txt')]
    const { failures, text } = await upload({ inputs: { artifact: ARTIFACT }, files })
    assert.deepEqual(failures, [
      {
        title: 'Artifact not uploaded',
        message: `${NO_SERVICE} Set output-dir or release-tag to keep the files.`,
      },
    ])
    assert.equal(
      text,
      `::warning::The saved files are only on this runner, until the job ends: ${folder.path}. A later step with if: always() can use the output files.\n`,
    )
  })

  test('files that are kept elsewhere make a missing artifact service a warning', async () => {
    await using folder = await temporaryFolder()
    const files = [await saved(folder, 'a.txt')]
    const download = { directory: folder.path } as UploadInputs['download']
    const kept = await upload({ inputs: { artifact: ARTIFACT, download }, files })
    assert.deepEqual(kept.failures, [])
    assert.equal(kept.text, `::warning::${NO_SERVICE} The files are on disk: ${folder.path}\n`)
    const none = await upload({ inputs: { artifact: ARTIFACT }, files: [] })
    assert.deepEqual([none.failures, none.text], [[], `::warning::${NO_SERVICE}\n`])
  })
})

describe('the upload of files to a release', () => {
  const release = (token: string) => ({ tag: 'v1', token, overwrite: false })

  test('attached files have their URLs, and one line names them', async () => {
    await using folder = await temporaryFolder()
    await using api = await startReleasesApi()
    api.add('v1')
    const files = [await saved(folder, 'a.txt'), await saved(folder, 'b.txt')]
    const { releaseUrls, failures, text } = await upload({
      inputs: { release: release(api.token), artifact: ARTIFACT },
      files,
      env: { GITEA_ACTIONS: '', ...api.env, GITHUB_SERVER_URL: 'https://git.example.com' },
    })
    assert.deepEqual(
      releaseUrls.map((url) => url?.split('/').at(-1)),
      ['a.txt', 'b.txt'],
    )
    assert.deepEqual(failures, [])
    assert.match(text, /^::warning::.* The files are on disk: .*\nattached to the release v1: a\.txt, b\.txt\n$/)
  })

  test('a file that is not attached is a failure, and the line names the others', async () => {
    await using folder = await temporaryFolder()
    await using api = await startReleasesApi()
    api.add('v1')
    const inputs = { release: release(api.token) }
    const env = { GITEA_ACTIONS: '', ...api.env }
    await upload({ inputs, files: [await saved(folder, 'a.txt', 'old')], env })
    const files = [await saved(folder, 'a.txt', 'new'), await saved(folder, 'b.txt')]
    const { failures, text, releaseUrls } = await upload({ inputs, files, env })
    assert.deepEqual(
      failures.map(({ title }) => title),
      ['File not attached to the release'],
    )
    assert.equal(releaseUrls[0], undefined)
    assert.match(text, /^attached to the release v1: b\.txt\n::warning::The saved files are only on this runner/)
  })

  test('a release that is missing fails the step, and nothing is said to be attached', async () => {
    await using folder = await temporaryFolder()
    const files = [await saved(folder, 'a.txt')]
    const download = { directory: folder.path } as UploadInputs['download']
    const { failures, text } = await upload({ inputs: { release: release(''), download }, files })
    assert.deepEqual(failures, [
      {
        title: 'Files not attached to the release',
        message: 'github-token is empty, but it is required to change a release.',
      },
    ])
    assert.equal(text, '')
    assert.deepEqual((await upload({ inputs: { release: release('') }, files: [] })).failures, [])
  })

  test('files in an artifact are not said to be lost', async () => {
    await using folder = await temporaryFolder()
    await using gitea = await startForgeArtifacts({ knowsMediaTypes: true })
    const files = [await saved(folder, 'a.txt'), await saved(folder, 'b.txt')]
    for (const archive of [true, false]) {
      const { failures, text } = await upload({
        inputs: { release: release(''), artifact: { ...ARTIFACT, archive } },
        files,
        env: gitea.env,
      })
      assert.equal(failures.length, 1)
      assert.doesNotMatch(text, /only on this runner/)
    }
  })
})

test('an interrupted step uploads nothing', async () => {
  await using folder = await temporaryFolder()
  const files = [await saved(folder, 'a.txt')]
  const inputs = { artifact: ARTIFACT, release: { tag: 'v1', token: 'x', overwrite: false } }
  const signal = AbortSignal.abort(new Error('The step was canceled.'))
  assert.deepEqual(await upload({ inputs, files, signal }), {
    artifacts: [],
    releaseUrls: [],
    failures: [
      { title: 'Artifact not uploaded', message: 'The step was canceled.' },
      { title: 'Files not attached to the release', message: 'The step was canceled.' },
    ],
    text: '',
  })
})
