import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { type ListManner, startSimulator } from '../servers/simulator.ts'
import { runAction } from '../support/run-action.ts'

/** Waits for predictions that have ended. */
async function waitFor(count: number, manner: ListManner, inputs: Record<string, string> = {}) {
  const simulator = await startSimulator({ list: manner })
  const ids = Array.from({ length: count }, () => simulator.ended({ output: 'x'.repeat(100) }))
  const run = await runAction({
    inputs: { 'prediction-id': ids.join('\n'), 'api-key': simulator.key, 'api-url': simulator.apiUrl, ...inputs },
  })
  await simulator[Symbol.asyncDispose]()
  assert.equal(run.exitCode, 0, run.log.slice(-2000))
  return { run, lists: simulator.requests.filter(({ url }) => /\/predictions(\?|$)/.test(url)), ...simulator }
}

describe('a thousand predictions in one step', () => {
  test('a thousand predictions take ten pages of the list and a few polls', async () => {
    const { run, requests, lists } = await waitFor(1000, {})
    assert.ok(lists.length >= 10 && lists.length <= 20, `${lists.length}`)
    assert.ok(requests.length <= 40, `${requests.length}`)
    const warning = run.annotations.find(({ level }) => level === 'warning')?.message ?? ''
    assert.match(warning, /longer than 32 kB were omitted: .*predictions.*result_file/)
    assert.equal(JSON.parse(await readFile(run.outputs.result_file ?? '', 'utf8')).predictions.length, 1000)
    assert.ok(run.lines.includes('1000 predictions: only the logs of failed ones are shown.'))
  })

  test('a thousand predictions share one rate limiter if the API has no list', async () => {
    const { requests, lists } = await waitFor(1000, { answer: 'missing' })
    assert.ok(lists.length <= 3, `${lists.length}`)
    assert.equal(requests.length, 1000 + lists.length)
    const times = requests.map(({ at }) => at)
    // 40 a second; a machine that stalls for a second sends what it has missed at once.
    for (const [i, at] of times.entries()) {
      assert.ok(i < 200 || at - (times[i - 200] ?? 0) > 4, 'more than 200 requests within four seconds')
    }
  })
})

test('list: never turns the list off', async () => {
  assert.equal((await waitFor(10, {}, { list: 'never' })).lists.length, 0)
})

test('predictions of others in the list are never printed or stored', async () => {
  const simulator = await startSimulator()
  await using _ = simulator
  const ids = Array.from({ length: 10 }, () => simulator.ended({ output: 'a cake' }))
  const strangers = simulator.addStrangers(50)
  await using run = await runAction({
    inputs: { 'prediction-id': ids.join(), 'api-key': simulator.key, 'api-url': simulator.apiUrl },
    env: { RUNNER_DEBUG: '1' },
  })
  assert.equal(run.exitCode, 0, run.log)
  const kept =
    run.log + run.summary + JSON.stringify(run.outputs) + (await readFile(run.outputs.result_file ?? '', 'utf8'))
  for (const id of strangers) assert.ok(!kept.includes(id), id)
})
