/** The action against Replicate's own model server, on dist. Skipped where its Python package cannot be had. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isOver } from '../servers/simulated-prediction.ts'
import { runAction } from '../support/run-action.ts'
import { startCogStore } from './cog-store.ts'
import { startCog } from './programs.ts'

const KEY = 'sk-cog-0123456789abcdef'

describe("cog, Replicate's model server", { timeout: 180_000 }, async () => {
  const cog = await startCog()
  if ('missing' in cog) return test('the action runs a prediction on cog', { skip: cog.missing }, () => {})
  let store: Awaited<ReturnType<typeof startCogStore>>
  before(async () => {
    store = await startCogStore(cog.url, KEY)
  })
  after(async () => {
    await store.close()
    await cog[Symbol.asyncDispose]()
  })
  const gateway = () => ({ 'api-key': KEY, 'api-url': `${store.origin}/v1` })

  async function create(input: string): Promise<string> {
    const inputs = { ...gateway(), version: 'a'.repeat(64), input }
    await using run = await runAction({ from: 'dist', action: 'create', inputs })
    assert.equal(run.exitCode, 0, run.log)
    return run.outputs.prediction_id ?? ''
  }

  /** The status of a prediction once it is over. */
  async function endOf(id: string): Promise<string> {
    const headers = { authorization: `Bearer ${KEY}` }
    for (;;) {
      const answer = await fetch(`${store.origin}/v1/predictions/${id}`, { headers })
      const { status } = (await answer.json()) as { status: string }
      if (isOver(status)) return status
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  test('a prediction on cog is created, waited for and read, and commands in its log have no effect', async () => {
    const id = await create('{"prompt": "a cake", "seconds": 2}')
    await using run = await runAction({ from: 'dist', inputs: { ...gateway(), 'prediction-id': id, timeout: '1m' } })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual([run.outputs.status, run.outputs.output_text], ['succeeded', 'a picture of a cake'])
    assert.match(run.log, /Using seed: 4711/)
    // Its clock measures only the model.
    assert.ok(Number(run.outputs.predict_time) >= 2 && Number(run.outputs.predict_time) < 60, run.outputs.predict_time)
  })

  test('run saves a file that cog returns as a data: URI', async () => {
    const target = { version: 'a'.repeat(64), input: '{"prompt": "draw"}' }
    await using run = await runAction({
      from: 'dist',
      action: 'run',
      inputs: { ...gateway(), ...target, 'output-dir': 'out', timeout: '1m' },
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(await readFile(path.resolve(run.workspace, run.outputs.files ?? ''), 'utf8'), 'a cake')
  })

  test('a failed prediction on cog has the message of its exception, in which commands have no effect', async () => {
    const id = await create('{"prompt": "refuse"}')
    await using run = await runAction({ from: 'dist', inputs: { ...gateway(), 'prediction-id': id, timeout: '1m' } })
    assert.equal(run.exitCode, 1)
    assert.match(run.outputs.error ?? '', /ValueError: the prompt is not allowed/)
    assert.deepEqual([run.errors.length, run.outputs.status], [1, 'failed'])
  })

  test('a busy cog refuses a second prediction in its own words, and the post step cancels the first', async () => {
    const id = await create('{"prompt": "a cake", "seconds": 60}')
    const inputs = { ...gateway(), version: 'a'.repeat(64), input: '{"prompt": "a pie"}' }
    await using second = await runAction({ from: 'dist', action: 'create', inputs })
    assert.equal(second.exitCode, 1)
    assert.match(second.errors.join(), /409 Conflict: At capacity - all prediction slots busy/)
    await using post = await runAction({
      from: 'dist',
      step: 'post',
      inputs: { ...gateway(), 'prediction-id': id },
      state: { open: id },
    })
    assert.equal(post.exitCode, 0, post.log)
    assert.deepEqual([post.warnings, await endOf(id)], [[], 'canceled'], post.log)
  })

  test('a cog that is polled itself does not support the call, which is reported at once', async () => {
    await using run = await runAction({
      from: 'dist',
      inputs: { 'prediction-id': 'abc', 'api-key': KEY, 'api-url': cog.url },
    })
    assert.equal(run.exitCode, 1)
    assert.match(run.outputs.error ?? '', /405 Method Not Allowed.*does not support the call/)
    assert.doesNotMatch(run.log, /retrying/)
  })

  test('a failed prediction on cog without a reason has the last line of its log as its error', async () => {
    const id = await create('{"prompt": "fail", "seconds": 0.2}')
    await using run = await runAction({ from: 'dist', inputs: { ...gateway(), 'prediction-id': id, timeout: '1m' } })
    assert.equal(run.exitCode, 1)
    assert.match(run.outputs.error ?? '', /MemoryError/)
  })

  test('an empty object from cog counts as a cancellation', async () => {
    const id = await create('{"prompt": "a cake", "seconds": 60}')
    await using run = await runAction({
      from: 'dist',
      inputs: { ...gateway(), 'prediction-id': id, timeout: '2s', 'cancel-on': 'timeout' },
    })
    assert.equal(run.exitCode, 1)
    assert.doesNotMatch(run.log, /could not be cancell?ed|may still succeed/i)
    assert.equal(await endOf(id), 'canceled')
  })
})
