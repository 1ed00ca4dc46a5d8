import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unzipSync } from 'fflate'
import { startReleasesApi } from '../servers/releases-api.ts'
import { startResultsService } from '../servers/results-service.ts'
import { startSimulator } from '../servers/simulator.ts'
import { runAction } from '../support/run-action.ts'

test('a prediction is created, waited for, uploaded and released, each step with the outputs of the one before', async () => {
  await using simulator = await startSimulator()
  await using service = await startResultsService()
  await using api = await startReleasesApi()
  const release = api.add('v1.2.3', { draft: true })
  const gateway = { 'api-key': simulator.key, 'api-url': simulator.apiUrl }
  await using created = await runAction({
    action: 'create',
    inputs: { ...gateway, model: 'owner/painter', input: 'prompt: a cake' },
  })
  assert.equal(created.exitCode, 0, created.log)
  const id = created.outputs.prediction_id ?? ''
  await using waited = await runAction({
    action: 'wait',
    inputs: {
      ...gateway,
      'prediction-id': id,
      'upload-artifact': 'true',
      'release-tag': 'v1.2.3',
      'github-token': api.token,
    },
    env: { ...service.env, ...api.env },
  })
  assert.equal(waited.exitCode, 0, waited.log)
  const name = `${id}-0.png`
  const [asset] = release.assets
  assert.equal(asset?.name, name)
  assert.deepEqual(Buffer.from(unzipSync(await service.download(`prediction-${id}`))[name] ?? []), asset?.bytes)
  const url = `https://github.com/octo/pictures/releases/download/v1.2.3/${name}`
  assert.deepEqual(JSON.parse(waited.outputs.release_urls ?? ''), [url])
  assert.ok(waited.summary.includes(`<img src="${url}"`), 'the summary shows the picture by its lasting address')
  assert.ok(!waited.summary.includes(`<img src="http:`), 'and not by the one that expires')
  assert.deepEqual(waited.masks.slice(0, 2), [simulator.key, api.token])
  // The key goes only to the API, the token only to GitHub.
  assert.ok(simulator.requests.every(({ headers }) => !JSON.stringify(headers).includes(api.token)))
})

test('an immutable release fails the step after the files have been saved', async () => {
  await using simulator = await startSimulator()
  await using api = await startReleasesApi()
  api.add('v1', { immutable: true })
  const id = simulator.ended({ output: 'a text' })
  await using run = await runAction({
    inputs: {
      'api-key': simulator.key,
      'api-url': simulator.apiUrl,
      'prediction-id': id,
      'output-dir': 'out',
      'release-tag': 'v1',
      'github-token': api.token,
    },
    env: api.env,
  })
  assert.equal(run.exitCode, 1)
  assert.match(run.annotations[0]?.message ?? '', /v1 is immutable/)
  assert.match(run.outputs.files ?? '', /-text\.txt$/)
})
