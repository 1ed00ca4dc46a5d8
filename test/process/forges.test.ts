import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { unzipSync } from 'fflate'
import { startForgeArtifacts } from '../servers/forge-artifacts.ts'
import { startReleasesApi } from '../servers/releases-api.ts'
import { type Simulator, startSimulator } from '../servers/simulator.ts'
import { readAsForge } from '../support/forge-runner.ts'
import { runAction, startAction } from '../support/run-action.ts'

/** What each runner says of itself. */
const RUNNERS = {
  Gitea: { GITEA_ACTIONS: 'true' },
  Forgejo: { GITEA_ACTIONS: 'true', FORGEJO_ACTIONS: 'true' },
}
const FORGE = { GITHUB_SERVER_URL: 'https://git.example.com', GITHUB_RUN_ID: '42' }

const inputsOf = (simulator: Simulator, id: string, more: Record<string, string> = {}) => ({
  'prediction-id': id,
  'api-key': simulator.key,
  'api-url': simulator.apiUrl,
  ...more,
})

for (const [forge, runner] of Object.entries(RUNNERS)) {
  describe(`on ${forge}`, () => {
    const env = { ...FORGE, ...runner }

    test(`an artifact is uploaded to ${forge}`, async () => {
      await using simulator = await startSimulator()
      await using service = await startForgeArtifacts({ knowsMediaTypes: forge === 'Gitea' })
      const inputs = inputsOf(simulator, simulator.ended({ output: 'text' }), { 'upload-artifact': 'true' })
      await using run = await runAction({ inputs, env: { ...service.env, ...env } })
      assert.equal(run.exitCode, 0, run.log)
      const [artifact] = service.artifacts
      assert.equal(
        run.outputs.artifact_url,
        `https://git.example.com/octo/pictures/actions/runs/42/artifacts/${artifact?.name}`,
      )
      assert.equal(Object.keys(unzipSync(artifact?.bytes ?? new Uint8Array())).length, 2)
      assert.deepEqual(run.annotations, [])
    })

    test(`a ${forge} server that is too old causes a warning at its first response, and the files are on disk`, async () => {
      await using simulator = await startSimulator()
      const present = forge === 'Gitea'
      await using service = await startForgeArtifacts({ knowsMediaTypes: false, present })
      const id = simulator.ended({ output: 'text' })
      const inputs = inputsOf(simulator, id, { 'upload-artifact': 'true', 'output-dir': 'texts' })
      await using run = await runAction({ inputs, env: { ...service.env, ...env } })
      assert.equal(run.exitCode, 0, run.log)
      assert.match(
        run.annotations[0]?.message ?? '',
        new RegExp(`This ${forge} server is too old.*The files are on disk`),
      )
      assert.equal(await readFile(run.outputs.files ?? '', 'utf8'), 'text')
      assert.deepEqual(service.calls, ['CreateArtifact'])
    })

    test(`a release on ${forge} gets its file, and no duplicate in a second attempt`, async () => {
      await using simulator = await startSimulator()
      await using releases = await startReleasesApi({ forge: 'gitea' })
      const release = releases.add('v1')
      const id = simulator.ended({ output: 'text' })
      const inputs = inputsOf(simulator, id, { 'release-tag': 'v1', 'github-token': releases.token })
      for (const attempt of ['1', '2']) {
        await using run = await runAction({ inputs, env: { ...releases.env, ...env, GITHUB_RUN_ATTEMPT: attempt } })
        assert.equal(run.exitCode, 0, run.log)
        assert.deepEqual(JSON.parse(run.outputs.release_urls ?? ''), [
          `https://git.example.com/octo/pictures/releases/download/v1/${id}-text.txt`,
        ])
      }
      assert.equal(release.assets.length, 1)
    })

    test(`a key with :: in it is masked in parts on ${forge}, and never printed`, async () => {
      await using simulator = await startSimulator()
      const key = 'sk-part-one::part-two:::part-three'
      const inputs = { ...inputsOf(simulator, 'abc', { timeout: '1s' }), 'api-key': key }
      await using run = await runAction({ inputs, env })
      const { masks, lines } = readAsForge(run.log)
      for (const part of ['sk-part-one', 'part-two', 'part-three']) {
        assert.ok(masks.includes(part), part)
        assert.ok(!lines.join('\n').includes(part), part)
      }
    })

    test(`an error with :: in it is escaped in its command on ${forge}, and printed unchanged in the log`, async () => {
      await using simulator = await startSimulator()
      const id = simulator.ended({ status: 'failed', error: 'std::bad_alloc at model::run', output: null })
      await using run = await runAction({ inputs: inputsOf(simulator, id), env })
      const { commands, lines } = readAsForge(run.log)
      assert.match(commands.find(({ name }) => name === 'error')?.data ?? '', /std: :bad_alloc at model: :run/)
      assert.ok(
        lines.some((line) => /failed.*std::bad_alloc at model::run/.test(line)),
        run.log,
      )
      assert.ok(!lines.some((line) => line.startsWith('::')), run.log)
    })

    test(`post cancels the running prediction on ${forge} after SIGKILL`, async () => {
      await using simulator = await startSimulator()
      const id = simulator.add({ moments: [{ at: 0, status: 'processing' }] })
      const inputs = inputsOf(simulator, id)
      const started = await startAction({ inputs, env })
      await started.until('processing')
      started.child.kill('SIGKILL')
      await using main = await started.result
      await using post = await runAction({ step: 'post', inputs, env, state: main.state })
      assert.equal(post.exitCode, 0, post.log)
      assert.equal(simulator.statusOf(id), 'canceled')
    })
  })
}

test('an error on GitHub is printed only as an annotation', async () => {
  await using simulator = await startSimulator()
  const id = simulator.ended({ status: 'failed', error: 'out of memory', output: null })
  await using run = await runAction({ inputs: inputsOf(simulator, id) })
  assert.equal(run.log.match(/out of memory/g)?.length, 1, run.log)
})
