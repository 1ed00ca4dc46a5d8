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
  // 40 a second, of which the first second's may come at once; a busy machine makes it slower, never faster.
  const took = (times.at(-1) ?? 0) - (times[0] ?? 0)
  assert.ok(took >= (times.length - 40) / 40 - 1, `${times.length} requests within ${took} s`)
  const warning = run.annotations.find(({ level }) => level === 'warning')?.message ?? ''
  assert.match(warning, /longer than 32 kB were omitted: .*predictions.*result_file/)
  assert.equal(JSON.parse(await readFile(run.outputs.result_file ?? '', 'utf8')).predictions.length, 1000)
})
