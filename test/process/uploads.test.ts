import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { unzipSync } from 'fflate'
import { cake } from '../fixtures/pictures.ts'
import { startReleasesApi } from '../servers/releases-api.ts'
import { OLD_FORGE, type ResultsService, startResultsService } from '../servers/results-service.ts'
import { type Simulator, startSimulator } from '../servers/simulator.ts'
import { eventually } from '../support/eventually.ts'
import { type RunResult, runAction, startAction } from '../support/run-action.ts'

function optionsOf(
  simulator: Simulator,
  ids: string,
  inputs: Record<string, string>,
  env: Record<string, string | undefined> = {},
) {
  const common = { 'prediction-id': ids, 'api-key': simulator.key, 'api-url': simulator.apiUrl, timeout: '50s' }
  return { inputs: { ...common, ...inputs }, env }
}
const wait = (
  simulator: Simulator,
  ids: string,
  inputs: Record<string, string>,
  { env = {} }: { env?: Record<string, string | undefined> } = {},
) => runAction(optionsOf(simulator, ids, inputs, env))

const messages = (run: RunResult, wanted: 'error' | 'warning' | 'notice') =>
  run.annotations.filter(({ level }) => level === wanted).map(({ message }) => message)
const errors = (run: RunResult) => messages(run, 'error')
const warnings = (run: RunResult) => messages(run, 'warning')

describe('an artifact', () => {
  let service: ResultsService
  before(async () => {
    service = await startResultsService()
  })
  after(() => service[Symbol.asyncDispose]())

  test('an artifact contains every file byte for byte, and prediction.json without input, logs and stream', async () => {
    await using simulator = await startSimulator()
    const picture = await cake('png')
    const id = simulator.add({
      input: { prompt: 'hidden-prompt' },
      moments: [
        { at: 0, status: 'processing', logs: 'hidden-log\n' },
        { at: 0.1, status: 'succeeded', output: [simulator.file('a.png', { body: picture })] },
      ],
    })
    await using run = await wait(simulator, id, { 'upload-artifact': 'true' }, { env: service.env })
    assert.equal(run.exitCode, 0, run.log)
    const zip = unzipSync(await service.download(`prediction-${id}`))
    assert.deepEqual(Object.keys(zip).sort(), [`${id}-0.png`, 'prediction.json'].sort())
    assert.deepEqual(Buffer.from(zip[`${id}-0.png`] ?? []), picture)
    const description = Buffer.from(zip['prediction.json'] ?? []).toString()
    assert.doesNotMatch(description, /hidden-|\/stream\//)
    assert.equal(JSON.parse(description).predictions[0].body.model, 'owner/model')
    const stored = service.artifacts.find(({ name }) => name === `prediction-${id}`)
    assert.equal(run.outputs.artifact_id, String(stored?.id))
    assert.equal(run.outputs.artifact_url, `https://github.com/octo/pictures/actions/runs/4711/artifacts/${stored?.id}`)
    assert.equal(`sha256:${run.outputs.artifact_digest}`, stored?.hash)
    assert.ok(run.summary.includes(`prediction-${id}</a>`))
    assert.ok((run.outputs.files ?? '').startsWith(run.home))
    assert.match(run.log, /^uploaded the artifact prediction-\w+ · [\d.]+ kB$/m)
  })

  test('an artifact with archive: false is the file itself, one for each file', async () => {
    await using simulator = await startSimulator()
    const pictures = [await cake('png', 1), await cake('webp', 2)]
    const id = simulator.ended({ output: pictures.map((body, i) => simulator.file(`${i}`, { body })) })
    await using run = await wait(
      simulator,
      id,
      { 'upload-artifact': 'true', archive: 'false', 'retention-days': '5', 'output-dir': 'out' },
      { env: service.env },
    )
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(await service.download(`${id}-0.png`), pictures[0])
    assert.deepEqual(await service.download(`${id}-1.webp`), pictures[1])
    assert.deepEqual(
      service.artifacts
        .filter(({ name }) => name.startsWith(id))
        .map(({ mimeType, expiresAt }) => [mimeType, typeof expiresAt]),
      [
        ['image/png', 'string'],
        ['image/webp', 'string'],
      ],
    )
  })

  test('an artifact is uploaded despite a reset, and an existing name is an error that says what to do', async () => {
    await using simulator = await startSimulator()
    const output = [simulator.file('a.png', { body: await cake('png') })]
    service.fail('CreateArtifact', 'reset', { status: 503, body: { msg: 'busy' } })
    await using first = await wait(
      simulator,
      simulator.ended({ output }),
      { 'upload-artifact': 'true', 'artifact-name': 'pictures' },
      { env: service.env },
    )
    assert.equal(first.exitCode, 0, first.log)
    await using second = await wait(
      simulator,
      simulator.ended({ output }),
      { 'upload-artifact': 'true', 'artifact-name': 'pictures' },
      { env: service.env },
    )
    assert.equal(second.exitCode, 1)
    assert.match(errors(second)[0] ?? '', /named pictures with other content already exists.*overwrite: true/)
    assert.equal(second.outputs.status, 'succeeded')
    assert.notEqual(second.outputs.files, '')
    await using third = await wait(
      simulator,
      simulator.ended({ output }),
      { 'upload-artifact': 'true', 'artifact-name': 'pictures', overwrite: 'true' },
      { env: service.env },
    )
    assert.equal(third.exitCode, 0, third.log)
  })

  test('an artifact can hold an output that is large and deeply nested', async () => {
    await using simulator = await startSimulator()
    let deep: unknown = Array.from({ length: 1_000_000 }, () => 1)
    for (let depth = 0; depth < 150; depth++) deep = [deep]
    const id = simulator.ended({ output: { deep, file: simulator.file('a.png', { body: await cake('png') }) } })
    await using run = await wait(simulator, id, { 'upload-artifact': 'true' }, { env: service.env })
    assert.equal(run.exitCode, 0, run.log)
    const description = unzipSync(await service.download(`prediction-${id}`))['prediction.json'] ?? []
    assert.equal(JSON.parse(Buffer.from(description).toString()).predictions[0].id, id)
  })

  test('an upload that hangs is abandoned if the step is canceled, with the outputs set and no release started', async () => {
    await using simulator = await startSimulator()
    await using releases = await startReleasesApi()
    releases.add('v1')
    service.fail('CreateArtifact', 'hang')
    const id = simulator.ended({ output: [simulator.file('a.png', { body: await cake('png') })] })
    const started = await startAction({
      inputs: {
        'prediction-id': id,
        'api-key': simulator.key,
        'api-url': simulator.apiUrl,
        'upload-artifact': 'true',
        'release-tag': 'v1',
        'github-token': releases.token,
      },
      env: { ...service.env, ...releases.env },
    })
    const before = service.calls.length
    await eventually('the upload', () => service.calls.slice(before).includes('CreateArtifact'))
    started.child.kill('SIGINT')
    await using run = await started.result
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.status, 'succeeded')
    assert.match(run.outputs.files ?? '', /-0\.png$/)
    assert.match(run.outputs.error ?? '', /canceled or timed out/)
    assert.deepEqual(releases.calls, [])
  })

  test('a second attempt has its artifact, whether or not the service keeps the first one', async () => {
    await using simulator = await startSimulator()
    const output = [simulator.file('a.png', { body: await cake('png') })]
    const id = simulator.ended({ output })
    for (const namesPer of ['run', 'attempt'] as const) {
      await using again = await startResultsService({ namesPer })
      await using first = await wait(simulator, id, { 'upload-artifact': 'true' }, { env: again.env })
      assert.equal(first.exitCode, 0, first.log)
      again.rerun('failed')
      const env = { ...again.env, GITHUB_RUN_ATTEMPT: '2' }
      await using second = await wait(simulator, id, { 'upload-artifact': 'true' }, { env })
      assert.equal(second.exitCode, 0, second.log)
      assert.equal(second.outputs.artifact_id === first.outputs.artifact_id, namesPer === 'run')
      assert.equal(second.annotations.length, 0, second.log)
    }
  })

  test('an artifact gets a name of its own and a warning if the first attempt used the name for other files', async () => {
    await using simulator = await startSimulator()
    await using again = await startResultsService({ namesPer: 'run' })
    const inputs = { 'upload-artifact': 'true', 'artifact-name': 'pictures' }
    await using first = await wait(simulator, simulator.ended({ output: 'one' }), inputs, { env: again.env })
    again.rerun('failed')
    const env = { ...again.env, GITHUB_RUN_ATTEMPT: '2' }
    await using second = await wait(simulator, simulator.ended({ output: 'two' }), inputs, { env })
    assert.deepEqual([first.exitCode, second.exitCode], [0, 0], second.log)
    assert.match(warnings(second)[0] ?? '', /this one is named pictures-attempt-2\. .*overwrite: true/)
    assert.deepEqual(
      again.artifacts.map(({ name }) => name),
      ['pictures', 'pictures-attempt-2'],
    )
  })

  test('an artifact without files has prediction.json with nothing private in it', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({
      ...{ output: null, status: 'failed', error: 'no', webhook: 'https://x/?token=secret', prompt: 'secret' },
      ...{ request: { input: 'secret' }, Input: 'secret', stream: 'https://secret/', logs: 'secret' },
    })
    await using run = await wait(simulator, id, { 'upload-artifact': 'true' }, { env: service.env })
    const text = Buffer.from(unzipSync(await service.download(`prediction-${id}`))['prediction.json'] ?? []).toString()
    assert.doesNotMatch(text, /secret/)
    assert.equal(JSON.parse(text).predictions[0].body.error, 'no')
    assert.notEqual(run.outputs.artifact_id, '')
  })

  test('a warning says that artifact-name has no effect with archive: false, and an error gives advice that works', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: 'text' })
    service.occupy(`${id}-text.txt`)
    const inputs = { 'upload-artifact': 'true', archive: 'false', 'artifact-name': 'x' }
    await using run = await wait(simulator, id, inputs, { env: service.env })
    assert.match(warnings(run)[0] ?? '', /artifact-name has no effect with archive: false/)
    assert.match(errors(run)[0] ?? '', /Set overwrite: true to replace it, or archive: true/)
  })

  test('files stay on the runner if the artifact cannot be uploaded, and a warning says where and for how long', async () => {
    await using simulator = await startSimulator()
    const output = [0, 1].map((i) => simulator.file(`${i}.txt`, { body: Buffer.from(`${i}`) }))
    const quota = { status: 403, body: { code: 'resource_exhausted', msg: 'Artifact storage quota has been hit.' } }
    const id = simulator.ended({ output })
    service.fail('CreateArtifact', quota)
    await using run = await wait(simulator, id, { 'upload-artifact': 'true' }, { env: service.env })
    assert.match(errors(run).join(), /Artifact storage quota has been hit/)
    const [first = ''] = (run.outputs.files ?? '').split('\n')
    assert.deepEqual(warnings(run), [
      `The saved files are only on this runner, until the job ends: ${path.dirname(first)}. A later step with if: always() can use the output files.`,
    ])
    assert.equal(await readFile(first, 'utf8'), '0')
    service.fail('CreateArtifact', quota)
    await using kept = await wait(
      simulator,
      id,
      { 'upload-artifact': 'true', 'output-dir': 'out' },
      { env: service.env },
    )
    const other = simulator.ended({ output })
    service.occupy(`${other}-0.txt`)
    const unzipped = { 'upload-artifact': 'true', archive: 'false' }
    await using partly = await wait(simulator, other, unzipped, { env: service.env })
    assert.deepEqual([kept.exitCode, partly.exitCode], [1, 1])
    assert.deepEqual([warnings(kept).length, warnings(partly).length], [0, 1])
  })

  test('a server without artifacts causes a warning if the files are kept on disk, and an error if they are not', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: [simulator.file('a.png', { body: await cake('png') })] })
    for (const env of [
      { ...service.env, GITHUB_SERVER_URL: 'https://github.example.com' },
      { ...service.env, ACTIONS_RUNTIME_TOKEN: undefined },
      { ...service.env, GITEA_ACTIONS: 'true', GITHUB_SERVER_URL: 'https://git.example.com' },
    ]) {
      service.fail('CreateArtifact', ...('GITEA_ACTIONS' in env ? [OLD_FORGE] : []))
      await using run = await wait(simulator, id, { 'upload-artifact': 'true', 'output-dir': 'pictures' }, { env })
      assert.equal(run.exitCode, 0, run.log)
      assert.match(warnings(run).join(), /The files are on disk/)
      assert.doesNotMatch(run.log, /::group::Upload|Trying again/)
      assert.equal((await readFile(run.outputs.files ?? '')).subarray(1, 4).toString(), 'PNG')
    }
    const env = { ...service.env, GITHUB_SERVER_URL: 'https://github.example.com' }
    await using lost = await wait(simulator, id, { 'upload-artifact': 'true' }, { env })
    assert.equal(lost.exitCode, 1)
    assert.deepEqual(errors(lost), [
      'GitHub Enterprise Server does not support the artifact service that this action needs. Set output-dir or release-tag to keep the files.',
    ])
    assert.equal((await readFile(lost.outputs.files ?? '')).subarray(1, 4).toString(), 'PNG')
    const failed = simulator.ended({ status: 'failed' })
    await using nothing = await wait(simulator, failed, { 'upload-artifact': 'true' }, { env })
    assert.deepEqual(warnings(nothing), [
      'GitHub Enterprise Server does not support the artifact service that this action needs.',
    ])
  })
})

describe('a file for a release', () => {
  test('a saved file that is deleted before it is attached fails alone, and the step ends with its outputs', async () => {
    await using simulator = await startSimulator()
    await using releases = await startReleasesApi()
    const release = releases.add('v1')
    const id = simulator.ended({ output: [0, 1].map((i) => simulator.file(`${i}.txt`, { body: Buffer.from(`${i}`) })) })
    const inputs = { 'output-dir': 'out', 'release-tag': 'v1', 'github-token': releases.token }
    releases.fail('GET /releases/tags/', { status: 502, message: 'away' })
    const started = await startAction(optionsOf(simulator, id, inputs, releases.env))
    for (const each of [/saved .*-0\.txt/, /saved .*-1\.txt/]) await started.until(each)
    await rm(path.join(started.workspace, 'out', `${id}-0.txt`))
    await using run = await started.result
    assert.equal(run.exitCode, 1)
    assert.match(errors(run).join(), new RegExp(`^Could not attach ${id}-0.txt to the release v1 .*ENOENT`))
    assert.doesNotMatch(run.log, /^\s+at /m)
    assert.equal(run.outputs.status, 'succeeded')
    assert.deepEqual(JSON.parse(run.outputs.release_urls ?? ''), [
      `https://github.com/octo/pictures/releases/download/v1/${id}-1.txt`,
    ])
    assert.equal(release.assets.length, 1)
    assert.notEqual(run.summary, '')
  })

  test('an asset of a draft has a URL that works once it is published, and the same in a second attempt', async () => {
    await using simulator = await startSimulator()
    await using releases = await startReleasesApi()
    const release = releases.add('v1', { draft: true })
    const id = simulator.ended({ output: 'text' })
    const inputs = { 'release-tag': 'v1', 'github-token': releases.token }
    await using first = await wait(simulator, id, inputs, { env: releases.env })
    await using second = await wait(simulator, id, inputs, { env: { ...releases.env, GITHUB_RUN_ATTEMPT: '2' } })
    assert.deepEqual([first.exitCode, second.exitCode], [0, 0], second.log)
    assert.equal(first.outputs.release_urls, second.outputs.release_urls)
    assert.doesNotMatch(first.summary, /untagged/)
    releases.publish(release)
    for (const url of JSON.parse(first.outputs.release_urls ?? '')) assert.ok(releases.download(url), url)
  })
})
