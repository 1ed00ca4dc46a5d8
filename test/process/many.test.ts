import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { startSimulator } from '../servers/simulator.ts'
import { runAction } from '../support/run-action.ts'

test('a thousand predictions in one step share one rate limiter of requests', async () => {
  await using simulator = await startSimulator()
  const ids = Array.from({ length: 1000 }, () => simulator.ended({ output: 'x'.repeat(100) }))
  await using run = await runAction({
    inputs: { 'prediction-id': ids.join('\n'), 'api-key': simulator.key, 'api-url': simulator.apiUrl },
  })
  assert.equal(run.exitCode, 0, run.log.slice(-2000))
  assert.equal(simulator.requests.length, 1000)
  const times = simulator.requests.map(({ at }) => at)
  // 40 a second; a machine that stalls for a second sends what it has missed at once.
  for (const [i, at] of times.entries()) {
    assert.ok(i < 200 || at - (times[i - 200] ?? 0) > 4, 'more than 200 requests within four seconds')
  }
  const warning = run.annotations.find(({ level }) => level === 'warning')?.message ?? ''
  assert.match(warning, /longer than 32 kB were omitted: .*predictions.*result_file/)
  assert.equal(JSON.parse(await readFile(run.outputs.result_file ?? '', 'utf8')).predictions.length, 1000)
})
