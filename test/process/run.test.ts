import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import type { Simulator } from '../servers/simulator.ts'
import { creationsAt, gatewayInputs, startGateway } from '../support/gateway.ts'
import { runAction, startAction } from '../support/run-action.ts'

/** Predictions of the prompt `bad` fail, those of `slow` run on. */
const gateway = () =>
  startGateway({
    end(prompt) {
      if (prompt === 'bad') return { status: 'failed', error: 'NSFW' }
      return prompt === 'slow' ? { status: 'succeeded', seconds: 60 } : undefined
    },
  })

const creations = (simulator: Simulator) => creationsAt(simulator).length
const THREE = 'hero: {prompt: "a cake"}\nlogo: {prompt: "a pie"}\nicon: {prompt: "a bun"}'

describe('run', () => {
  test('run makes a file from one prompt', async () => {
    await using simulator = await gateway()
    const inputs = gatewayInputs(simulator, {
      input: 'prompt: "a cake"',
      'output-dir': 'pictures',
      'file-name': '{name}',
    })
    await using run = await runAction({ action: 'run', inputs })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(await readFile(path.join(run.workspace, 'pictures/cake.txt'), 'utf8'), 'a cake')
    assert.match(run.outputs.prediction_id ?? '', /^\w+$/)
    assert.equal(run.outputs.status, 'succeeded')
    assert.equal(creations(simulator), 1)
    assert.equal(run.state.open, '')
  })

  test('run saves the files of many inputs by name, and reports the result of each', async () => {
    await using simulator = await gateway()
    const inputs = gatewayInputs(simulator, { inputs: THREE, 'output-dir': 'pictures', 'file-name': '{name}' })
    await using run = await runAction({ action: 'run', inputs })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual((await readdir(path.join(run.workspace, 'pictures'))).sort(), ['hero.txt', 'icon.txt', 'logo.txt'])
    const results = JSON.parse(run.outputs.results ?? '')
    assert.deepEqual(Object.keys(results), ['hero', 'logo', 'icon'])
    assert.equal(results.logo.status, 'succeeded')
    assert.equal(run.outputs.prediction_id?.split(',').length, 3)
    assert.equal(run.lines.filter((line) => /\] hero: (started|done)/.test(line)).length, 2)
    assert.ok(!run.log.includes('a cake'), 'prompts stay out of the log')
  })

  test('run continues after a failed prediction, and fails with its reason', async () => {
    await using simulator = await gateway()
    await using run = await runAction({
      action: 'run',
      inputs: gatewayInputs(simulator, { inputs: 'hero: {prompt: "a cake"}\nlogo: {prompt: "bad"}' }),
    })
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.error, 'logo: NSFW')
    assert.deepEqual(
      JSON.parse(run.outputs.predictions ?? '').map(({ name, status }: Record<string, string>) => [name, status]),
      [
        ['hero', 'succeeded'],
        ['logo', 'failed'],
      ],
    )
  })

  test('run with dry-run prints what would be started, and starts nothing', async () => {
    await using simulator = await gateway()
    await using run = await runAction({
      action: 'run',
      inputs: gatewayInputs(simulator, { inputs: THREE, 'dry-run': 'true' }),
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(simulator.requests.length, 0)
    assert.ok(run.lines.includes('would start hero: model octo/cake with prompt'))
  })

  test('run succeeds with a notice if there are no inputs', async () => {
    await using simulator = await gateway()
    await using run = await runAction({ action: 'run', inputs: gatewayInputs(simulator, { inputs: '{}' }) })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(run.annotations[0]?.level, 'notice')
  })

  test('run refuses an entry that is not a mapping before any request', async () => {
    await using simulator = await gateway()
    await using run = await runAction({
      action: 'run',
      inputs: gatewayInputs(simulator, { inputs: 'prompt: "a cake"' }),
    })
    assert.equal(run.exitCode, 1)
    assert.equal(simulator.requests.length, 0)
    assert.match(run.errors[0] ?? '', /inputs\.prompt is not a mapping/)
  })

  test('post cancels the running predictions of run after SIGKILL', async () => {
    await using simulator = await gateway()
    const inputs = gatewayInputs(simulator, { inputs: 'a: {prompt: "slow"}\nb: {prompt: "slow"}' })
    const action = await startAction({ action: 'run', inputs })
    await action.until(/\] b: started/)
    action.child.kill('SIGKILL')
    await using killed = await action.result
    const post = await runAction({ action: 'run', step: 'post', inputs, state: killed.state })
    assert.match(post.log, /still running: \w+, \w+ canceled\./)
  })

  test('run cancels what still runs at the timeout', async () => {
    await using simulator = await gateway()
    await using run = await runAction({
      action: 'run',
      inputs: gatewayInputs(simulator, { input: 'prompt: "slow"', timeout: '2s' }),
    })
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.status, 'canceled')
  })

  test('run warns in a later attempt of the workflow run that it pays again', async () => {
    await using simulator = await gateway()
    await using run = await runAction({
      action: 'run',
      inputs: gatewayInputs(simulator, { input: 'prompt: "a cake"' }),
      env: { GITHUB_RUN_ATTEMPT: '2' },
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.match(
      run.warnings[0] ?? '',
      /^This is attempt 2 of the run: the predictions are started, and paid for, again/,
    )
  })
})

test('create starts many inputs, and the root action waits for the IDs that it outputs', async () => {
  await using simulator = await gateway()
  await using created = await runAction({
    action: 'create',
    inputs: gatewayInputs(simulator, { inputs: THREE }),
  })
  assert.equal(created.exitCode, 0, created.log)
  await using waited = await runAction({
    inputs: {
      'prediction-id': created.outputs.prediction_id ?? '',
      'api-key': simulator.key,
      'api-url': simulator.apiUrl,
    },
  })
  assert.equal(waited.exitCode, 0, waited.log)
  assert.equal(JSON.parse(waited.outputs.predictions ?? '').length, 3)
})

test('a file that is too large for an API without uploads is refused, and the other inputs are started', async () => {
  await using simulator = await startGateway({ uploads: false })
  const inputs = gatewayInputs(simulator, { inputs: 'a: {image: "@large.bin"}\nb: {prompt: "a cake"}' })
  await using first = await runAction({ action: 'create', inputs: { ...inputs, inputs: '{}' } })
  await writeFile(path.join(first.workspace, 'large.bin'), Buffer.alloc(2 ** 20 + 1))
  const run = await runAction({ action: 'create', inputs, home: first.home })
  assert.equal(run.exitCode, 1)
  assert.match(
    run.errors[0] ?? '',
    /^a: inputs\.a\.image: The file large\.bin has 1048577 bytes\. This API did not accept it as an upload.*Put it on a server/,
  )
  assert.equal(run.outputs.prediction_id?.split(',').length, 1)
})

/** Starts the prediction of an input with a file that is large enough to be uploaded. */
async function startWithLargeFile(simulator: Simulator) {
  const inputs = gatewayInputs(simulator, { input: '{"prompt": "a cake", "image": "@large.bin"}' })
  const { home } = await runAction({ action: 'run', inputs: { ...inputs, 'dry-run': 'true' } })
  await writeFile(path.join(home, 'workspace/large.bin'), Buffer.alloc(300_000, 1))
  return await startAction({ action: 'run', inputs, home })
}

describe('a file above 256 kB', () => {
  test('a file above 256 kB is uploaded, and deleted at the end', async () => {
    await using simulator = await gateway()
    await using run = await (await startWithLargeFile(simulator)).result
    assert.equal(run.exitCode, 0, run.log)
    assert.match(run.log, /uploaded large\.bin/)
    assert.equal(simulator.uploaded.length, 0)
  })

  test('an uploaded file is kept while a prediction with an unknown ID may run', async () => {
    await using simulator = await startGateway({ refuse: () => ({ status: 504 }) })
    await using run = await (await startWithLargeFile(simulator)).result
    assert.match(run.errors[0] ?? '', /may have been started anyway/)
    assert.equal(simulator.uploaded.length, 1)
  })

  test('a step that is canceled while it deletes an uploaded file still sets its outputs', async () => {
    const deleting = Promise.withResolvers<void>()
    const over = Promise.withResolvers<void>()
    await using simulator = await startGateway({
      async onMoment(moment, { method }) {
        if (method !== 'DELETE' || moment !== 'arrived') return
        deleting.resolve()
        await over.promise
      },
    })
    const started = await startWithLargeFile(simulator)
    await deleting.promise
    started.child.kill('SIGINT')
    await using run = await started.result
    over.resolve()
    assert.equal(run.outputs.status, 'succeeded', run.log)
  })
})
