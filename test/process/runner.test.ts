import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { startSimulator } from '../servers/simulator.ts'
import { runAction } from '../support/run-action.ts'

const OUTPUTS = 'The outputs could not be set'

/** Runs a prediction that ended with the status in an odd environment. */
async function run(status: string, env: Record<string, string | undefined>, home?: string) {
  await using simulator = await startSimulator()
  const id = simulator.ended({ status, output: 'x', error: status === 'failed' ? 'broken' : null })
  return await runAction({
    inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl },
    env,
    ...(home === undefined ? {} : { home }),
  })
}

const warnings = ({ annotations }: { annotations: { level: string; message: string }[] }) =>
  annotations
    .filter(({ level }) => level === 'warning')
    .map(({ message }) => message)
    .join('\n')

describe('the verdict is right', { concurrency: 4 }, () => {
  const oddities: [string, Record<string, string | undefined>, RegExp][] = [
    ['without GITHUB_OUTPUT', { GITHUB_OUTPUT: undefined }, new RegExp(`${OUTPUTS}: GITHUB_OUTPUT is not set`)],
    ['with a GITHUB_OUTPUT that is not there', { GITHUB_OUTPUT: '/nowhere/output' }, new RegExp(OUTPUTS)],
    ['without GITHUB_STEP_SUMMARY', { GITHUB_STEP_SUMMARY: undefined }, /summary could not be written/],
    [
      'with a RUNNER_TEMP that is not there',
      { RUNNER_TEMP: '/nowhere/temp' },
      /result_file could not be written: No folder could be made under \/nowhere\/temp/,
    ],
    [
      'with a RUNNER_TEMP that is full or cannot be written',
      { RUNNER_TEMP: '/proc' },
      /result_file could not be written: No folder could be made under \/proc/,
    ],
    ['without GITHUB_STATE', { GITHUB_STATE: undefined }, /^$/],
  ]
  for (const [name, env, words] of oddities) {
    test(name, async () => {
      await using good = await run('succeeded', env)
      assert.equal(good.exitCode, 0, good.log)
      assert.match(warnings(good), words)
      assert.doesNotMatch(good.log, /::set-output|::save-state/)
      await using bad = await run('failed', env)
      assert.equal(bad.exitCode, 1)
      assert.match(warnings(bad), words)
      if (!('GITHUB_OUTPUT' in env)) assert.equal(bad.outputs.status, 'failed')
    })
  }
})

test('paths with blanks and characters of other scripts are no matter', async () => {
  const home = path.join(await mkdtemp(path.join(tmpdir(), 'run ')), 'Ordner mit Leerzeichen 图片')
  await mkdir(home)
  await using odd = await run('succeeded', {}, home)
  assert.equal(odd.exitCode, 0, odd.log)
  assert.ok(odd.outputs.result_file?.startsWith(home))
  assert.equal(JSON.parse(await readFile(odd.outputs.result_file ?? '', 'utf8')).predictions.length, 1)
  await rm(path.dirname(home), { recursive: true })
})
