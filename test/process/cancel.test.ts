import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { type Simulator, type SimulatorOptions, startSimulator } from '../servers/simulator.ts'
import { eventually } from '../support/eventually.ts'
import { type RunResult, runAction, startAction } from '../support/run-action.ts'

/** Seconds for what GitHub grants 7.5 s, on a machine that is busy; what is not ended waits for minutes. */
const GRACE = 30

const RUNNING = { moments: [{ at: 0, status: 'processing' }] }

const inputs = (simulator: Simulator, id: string, more: Record<string, string> = {}) => ({
  'prediction-id': id,
  'api-key': simulator.key,
  'api-url': simulator.apiUrl,
  ...more,
})

const cancels = (simulator: Simulator) =>
  simulator
    .apiRequests()
    .filter(({ method }) => method === 'POST')
    .map(({ url }) => url.split('/').at(-2))
const levels = (run: RunResult) => run.annotations.map(({ level }) => level)

/** Starts the action, lets it see the prediction, ends it with a signal, and runs the post step on what it left. */
async function cutOff(simulator: Simulator, id: string, signal: NodeJS.Signals, more: Record<string, string> = {}) {
  const started = await startAction({ inputs: inputs(simulator, id, more) })
  await started.until('processing')
  const at = performance.now()
  started.child.kill(signal)
  const main = await started.result
  const took = (performance.now() - at) / 1000
  const post = await runAction({ step: 'post', inputs: inputs(simulator, id, more), state: main.state })
  return { main, post, took }
}

describe('a step that is cancelled', { concurrency: 4 }, () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`a step ends soon after ${signal} with its outputs set, and post cancels the running prediction`, async () => {
      await using simulator = await startSimulator()
      const id = simulator.add(RUNNING)
      const { main, post, took } = await cutOff(simulator, id, signal)
      assert.ok(took < GRACE, `${took} s`)
      assert.equal(main.exitCode, 1)
      assert.equal(main.outputs.status, 'processing')
      assert.match(main.summary, /Wait interrupted/)
      assert.match(
        main.errors[0] ?? '',
        /processing\. The post step cancels it, because cancel-on includes "cancelled"\.$/,
      )
      assert.equal(post.exitCode, 0, post.log)
      assert.match(post.log, /Predictions that were still running: \w+ canceled\./)
      assert.deepEqual(levels(post), [])
      assert.equal(simulator.statusOf(id), 'canceled')
    })
  }

  test('a canceled step ends soon even if the API hangs', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add(RUNNING)
    simulator.trick(id, 'pass', 'hang')
    const started = await startAction({ inputs: inputs(simulator, id) })
    await started.until('processing')
    await eventually('the request that hangs', () => simulator.apiRequests().length > 1)
    const at = performance.now()
    started.child.kill('SIGINT')
    const run = await started.result
    assert.ok(performance.now() - at < GRACE * 1000)
    assert.equal(run.outputs.status, 'processing')
  })

  test('a step is canceled by Ctrl-Break on Windows', async () => {
    await using simulator = await startSimulator()
    // Other systems do not know the signal, so a file stands for it.
    const preload = `import { existsSync } from 'node:fs'
      setInterval(() => existsSync('break') && process.emit('SIGBREAK', 'SIGBREAK'), 20).unref()`
    const started = await startAction({
      inputs: inputs(simulator, simulator.add(RUNNING)),
      env: { NODE_OPTIONS: `--import="data:text/javascript,${encodeURIComponent(preload)}"` },
    })
    await started.until('processing')
    await writeFile(path.join(started.workspace, 'break'), '')
    await using run = await started.result
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.status, 'processing')
    assert.match(run.log, /SIGBREAK: the step was canceled/)
  })

  test('the state for post is no longer than the IDs that the step was given', async () => {
    await using simulator = await startSimulator()
    const ids = [simulator.add(RUNNING), simulator.add(RUNNING)].join('\n')
    const { main, post } = await cutOff(simulator, ids, 'SIGKILL')
    assert.equal(main.state.open?.length, ids.length)
    assert.match(post.log, /\w+, \w+ canceled/)
  })

  test('post cancels the running prediction after SIGKILL', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add(RUNNING)
    const { main, post } = await cutOff(simulator, id, 'SIGKILL')
    assert.equal(main.signal, 'SIGKILL')
    assert.match(post.log, /\w+ canceled/)
    assert.deepEqual(cancels(simulator), [id])
  })

  test('a canceled step does not cancel predictions unless cancel-on includes cancelled', async () => {
    for (const cancelOn of ['never', 'timeout']) {
      await using simulator = await startSimulator()
      const id = simulator.add(RUNNING)
      const { post } = await cutOff(simulator, id, 'SIGKILL', { 'cancel-on': cancelOn })
      assert.match(post.log, /Not canceled, because/)
      assert.deepEqual(cancels(simulator), [])
    }
  })
})

describe('the post step', { concurrency: 4 }, () => {
  const post = (simulator: Simulator, ids: string[]) =>
    runAction({ step: 'post', inputs: inputs(simulator, ids.join()), state: { open: ids.join() } })

  test('the post step requests and prints nothing if main has finished', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: 'x' })
    await using main = await runAction({ inputs: inputs(simulator, id) })
    await using after = await runAction({ step: 'post', inputs: inputs(simulator, id), state: main.state })
    assert.equal(after.log, '')
    assert.equal(after.exitCode, 0)
    assert.equal(simulator.requests.length, 1)
  })

  test('the post step reports a prediction that ended in the meantime, and does not cancel it', async () => {
    await using simulator = await startSimulator()
    const ids = [simulator.ended({ output: 'x' }), simulator.add(RUNNING)]
    await using run = await post(simulator, ids)
    assert.match(run.log, /\w+ canceled; \w+ had already ended \(succeeded\)/)
    assert.deepEqual(cancels(simulator), [ids[1]])
  })

  for (const cancelRefusal of [404, 405, 501]) {
    test(`the post step reports in one line that the API cannot cancel (${cancelRefusal})`, async () => {
      const options: SimulatorOptions = { cancelRefusal }
      await using simulator = await startSimulator(options)
      await using run = await post(simulator, [simulator.add(RUNNING)])
      assert.equal(run.exitCode, 0)
      assert.deepEqual(run.annotations, [])
      assert.match(run.log, /\w+ cannot be canceled: the API does not support it/)
    })
  }

  test('the post step retries after transient errors', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add(RUNNING)
    simulator.trick(id, 'reset', 'pass', { status: 503 })
    await using run = await post(simulator, [id])
    assert.match(run.log, /\w+ canceled/)
  })

  test('the post step only warns if it cannot cancel', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add(RUNNING)
    simulator.trick(id, { status: 401, body: '{"detail":"revoked"}' })
    await using run = await post(simulator, [id])
    assert.equal(run.exitCode, 0)
    assert.deepEqual(levels(run), ['warning'])
    assert.match(run.annotations[0]?.message ?? '', /\w+ could not be canceled.*revoked/)
    await using odd = await runAction({
      step: 'post',
      inputs: { 'prediction-id': '', 'api-key': '' },
      state: { open: 'abc' },
    })
    assert.equal(odd.exitCode, 0)
    assert.deepEqual(levels(odd), ['warning'])
  })
})

describe('the timeout', { concurrency: 4 }, () => {
  test('a step cancels running predictions at the timeout if cancel-on includes timeout, and leaves nothing to post', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add(RUNNING)
    await using run = await runAction({
      inputs: inputs(simulator, id, { timeout: '1s', 'cancel-on': 'timeout, cancelled' }),
    })
    assert.equal(run.exitCode, 1)
    assert.deepEqual(cancels(simulator), [id])
    assert.match(run.log, new RegExp(`Predictions that were still running: ${id} canceled`))
    assert.equal(run.state.open, '')
  })

  for (const cancelAnswer of ['prediction', 'empty'] as const) {
    test(`a prediction canceled at the timeout is reported as canceled${cancelAnswer === 'empty' ? ', even after an empty response' : ''}`, async () => {
      await using simulator = await startSimulator({ cancelAnswer })
      const id = simulator.add(RUNNING)
      await using run = await runAction({ inputs: inputs(simulator, id, { timeout: '1s', 'cancel-on': 'timeout' }) })
      assert.deepEqual(levels(run), ['error'])
      assert.match(run.annotations[0]?.message ?? '', /when the timeout of 1s was reached, and was canceled\./)
      assert.equal(run.outputs.status, 'canceled')
      for (const text of [run.annotations[0]?.message, run.outputs.error, run.summary]) {
        assert.match(text ?? '', /canceled/)
        assert.doesNotMatch(text ?? '', /may still succeed/)
      }
    })
  }

  test('a step does not cancel predictions at the timeout unless cancel-on includes timeout', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add(RUNNING)
    await using run = await runAction({ inputs: inputs(simulator, id, { timeout: '1s' }) })
    assert.equal(run.exitCode, 1)
    assert.deepEqual(cancels(simulator), [])
  })
})

test('a cancel-on with never and another value is an error', async () => {
  await using run = await runAction({
    inputs: { 'prediction-id': 'abc', 'api-key': 'sk-secret-0123456789', 'cancel-on': 'never, timeout' },
  })
  assert.match(run.annotations[0]?.message ?? '', /cancel-on: "never, timeout" is neither/)
})
