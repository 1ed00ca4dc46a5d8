/** The action against Replicate's own model server, on dist. Skipped where its Python package cannot be had. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { runAction } from '../support/run-action.ts'
import { startCogStore } from './cog-store.ts'
import { startCog } from './programs.ts'

const KEY = 'sk-cog-0123456789abcdef'

describe("cog, Replicate's model server", async () => {
  const cog = await startCog()
  if ('missing' in cog) return test('runs a prediction', { skip: cog.missing }, () => {})
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

  test('runs a prediction that is created, followed and read, and its log does not act', async () => {
    const id = await create('{"prompt": "a cake", "seconds": 2}')
    await using run = await runAction({ from: 'dist', inputs: { ...gateway(), 'prediction-id': id, timeout: '1m' } })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual([run.outputs.status, run.outputs.output_text], ['succeeded', 'a picture of a cake'])
    assert.match(run.log, /Using seed: 4711/)
  })

  test('fails without a reason: the last line of the log stands for it', async () => {
    const id = await create('{"prompt": "fail", "seconds": 0.2}')
    await using run = await runAction({ from: 'dist', inputs: { ...gateway(), 'prediction-id': id, timeout: '1m' } })
    assert.equal(run.exitCode, 1)
    assert.match(run.outputs.error ?? '', /MemoryError/)
  })

  test('cancels with an empty object, which is a cancel', async () => {
    const id = await create('{"prompt": "a cake", "seconds": 60}')
    await using run = await runAction({
      from: 'dist',
      inputs: { ...gateway(), 'prediction-id': id, timeout: '2s', 'cancel-on': 'timeout' },
    })
    assert.equal(run.exitCode, 1)
    assert.doesNotMatch(run.log, /could not be cancell?ed|may still succeed/i)
    const headers = { authorization: `Bearer ${KEY}` }
    const status = async () => {
      const answer = await fetch(`${store.origin}/v1/predictions/${id}`, { headers })
      return ((await answer.json()) as { status: string }).status
    }
    while ((await status()) === 'processing') await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(await status(), 'canceled')
  })
})
