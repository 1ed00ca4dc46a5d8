/** What users build around the action, under a real runner. `npm run test:workflows` finds act and says where it is. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { runWorkflow, startWorkflow, type WorkflowRun } from './act.ts'
import { type Stage, startStage } from './stage.ts'

let stage: Stage
before(async () => {
  stage = await startStage(process.env.ACT ?? 'act')
})
after(() => stage[Symbol.asyncDispose]())

interface Scene {
  model?: string
  /** Lines below `with:` of the wait. */
  with?: string[]
  /** Lines of the step of the wait beside `with:`. */
  step?: string[]
  /** More steps. */
  steps?: string
  /** More jobs. */
  jobs?: string
}

const indent = (lines: readonly string[], depth: number) =>
  lines.map((line) => `${' '.repeat(depth)}${line}\n`).join('')

/** A workflow with one job, `one`, that starts a prediction and waits for it in the step `wait`. */
const workflow = (scene: Scene) => `on: workflow_dispatch
permissions: {}
jobs:
  one:
    runs-on: ubuntu-latest
    outputs:
      status: \${{ steps.wait.outputs.status }}
      error: \${{ steps.wait.outputs.error }}
    steps:
      - uses: OWNER/await-prediction/create@v1
        id: start
        with:
          api-key: \${{ secrets.FUHUAPI_KEY }}
          model: ${scene.model ?? 'sim/cake'}
          input: 'prompt: a cake'
      - uses: OWNER/await-prediction@v1
        id: wait
${indent(scene.step ?? [], 8)}        with:
          prediction-id: \${{ steps.start.outputs.prediction_id }}
          api-key: \${{ secrets.FUHUAPI_KEY }}
${indent(scene.with ?? [], 10)}${scene.steps ?? ''}${scene.jobs ?? ''}`

const run = (scene: Scene): Promise<WorkflowRun> => runWorkflow(stage, workflow(scene))

const startedIn = (raw: string) => /started (?:prediction )?(\w{20,})/i.exec(raw)?.[1] ?? ''

describe('under a real runner', { concurrency: 2 }, () => {
  test('a failed prediction fails its job, and its outputs reach failure() steps and a job that always runs', async () => {
    const { jobs, text, raw } = await run({
      model: 'sim/fail',
      steps: `      - run: echo "after a red step"
      - if: failure()
        run: echo "failure step heard $STATUS"
        env:
          STATUS: \${{ steps.wait.outputs.status }}
`,
      jobs: `  two:
    needs: one
    if: always()
    runs-on: ubuntu-latest
    steps:
      - run: 'echo "two heard \${{ needs.one.result }} \${{ needs.one.outputs.status }}"'
`,
    })
    assert.deepEqual(jobs, { one: 'failure', two: 'success' }, raw)
    assert.match(text, /failure step heard failed\n/)
    assert.match(text, /two heard failure failed\n/)
    assert.doesNotMatch(text, /after a red step/)
  })

  test('a failed step with continue-on-error lets the job continue and succeed', async () => {
    const { jobs, text, raw } = await run({
      model: 'sim/fail',
      step: ['continue-on-error: true'],
      steps: `      - run: 'echo "went on after \${{ steps.wait.outcome }} \${{ steps.wait.conclusion }}"'\n`,
    })
    assert.deepEqual(jobs, { one: 'success' }, raw)
    assert.match(text, /went on after failure success/)
  })

  test('later steps can use outputs: a URL by fromJSON, statuses of predictions, files as a path input', async () => {
    const { jobs, text, raw } = await run({
      with: ['output-dir: out dir/ü'],
      steps: `      - run: 'echo "$URL of $STATUSES"'
        env:
          URL: \${{ fromJSON(steps.wait.outputs.output_urls)[0] }}
          STATUSES: \${{ join(fromJSON(steps.wait.outputs.predictions).*.status) }}
      - uses: actions/upload-artifact@v7
        with:
          name: chained
          path: \${{ steps.wait.outputs.files }}
      - uses: actions/download-artifact@v8
        with:
          pattern: chained*
          merge-multiple: true
      - run: ls *.webp | wc -l | sed 's/^/downloaded /'
`,
    })
    assert.deepEqual(jobs, { one: 'success' }, raw)
    assert.match(text, /https:\/\/api\.fuhuapi\.com\/files\/\d+\/out-0\.webp of succeeded\n/)
    assert.match(text, /downloaded +1\n/)
  })

  test('run sets its results by name, for steps and for jobs', async () => {
    const { jobs, text, raw } = await runWorkflow(
      stage,
      `on: workflow_dispatch
permissions: {}
jobs:
  one:
    runs-on: ubuntu-latest
    outputs:
      results: \${{ steps.pictures.outputs.results }}
    steps:
      - uses: OWNER/await-prediction/run@v1
        id: pictures
        with:
          api-key: \${{ secrets.FUHUAPI_KEY }}
          model: sim/cake
          inputs: '{"cake": {"prompt": "a cake"}, "pie": {"prompt": "a pie"}}'
      - run: echo "the cake is at $URL"
        env:
          URL: \${{ fromJSON(steps.pictures.outputs.results).cake.output_urls[0] }}
  two:
    needs: one
    runs-on: ubuntu-latest
    steps:
      - run: echo "the pie has $STATUS"
        env:
          STATUS: \${{ fromJSON(needs.one.outputs.results).pie.status }}
`,
    )
    assert.deepEqual(jobs, { one: 'success', two: 'success' }, raw)
    assert.match(text, /the cake is at https:\/\/api\.fuhuapi\.com\/files\/\d+\/out-0\.webp\n/)
    assert.match(text, /the pie has succeeded\n/)
  })

  test('two steps that save into one folder keep one copy of the same file', async () => {
    const { jobs, text, raw } = await run({
      with: ['output-dir: pictures'],
      steps: `      - uses: OWNER/await-prediction@v1
        with:
          prediction-id: "\${{ steps.start.outputs.prediction_id }}\\n"
          api-key: \${{ secrets.FUHUAPI_KEY }}
          output-dir: pictures
      - run: ls pictures | wc -l | sed 's/^/files in the folder /'
`,
    })
    assert.deepEqual(jobs, { one: 'success' }, raw)
    assert.match(text, /files in the folder +1\n/)
  })

  test('commands in the log or the error of a model have no effect, and the key is masked for later steps', async () => {
    const { jobs, text, raw } = await run({
      model: 'sim/fail',
      step: ['continue-on-error: true'],
      steps: `      - run: 'echo "status is \${{ steps.wait.outputs.status }}, the key is $KEY, the error is $ERROR"'
        env:
          KEY: \${{ secrets.FUHUAPI_KEY }}
          ERROR: \${{ steps.wait.outputs.error }}
`,
    })
    assert.deepEqual(jobs, { one: 'success' }, raw)
    assert.match(text, /status is failed, the key is \*\*\*, /)
    assert.ok(!text.includes(stage.gateway.key))
    const acted = raw.split('\n').filter((line) => /"command":"(error|set-output|add-mask)"/.test(line))
    assert.deepEqual(
      acted.filter((line) => /"(content|arg|value)":"forged"/.test(line)),
      [],
    )
  })

  test('the reusable workflow runs in a matrix, and fails with the error of its prediction', async () => {
    const yaml = (model: string) => `on: workflow_dispatch
permissions: {}
jobs:
  draw:
    strategy:
      matrix:
        prompt: [a cake, a pie]
    uses: OWNER/await-prediction/.github/workflows/prediction.yml@v1
    with:
      model: ${model}
      input: '{"prompt": \${{ toJSON(matrix.prompt) }}}'
    secrets:
      api-key: \${{ secrets.FUHUAPI_KEY }}
`
    const good = await runWorkflow(stage, yaml('sim/cake'))
    assert.equal(good.exitCode, 0, good.raw)
    const prompts = stage.gateway.requests
      .filter(({ method, body }) => method === 'POST' && body.includes('prompt'))
      .map(({ body }) => JSON.parse(body).input.prompt)
    assert.ok(prompts.includes('a pie'))
    const bad = await runWorkflow(stage, yaml('sim/fail'))
    assert.notEqual(bad.exitCode, 0)
    assert.match(bad.raw, /out of memory/)
  })

  test('the reusable workflow starts many predictions by name, or waits for given ones', async () => {
    const yaml = (given: string) => `on: workflow_dispatch
permissions: {}
jobs:
  draw:
    uses: OWNER/await-prediction/.github/workflows/prediction.yml@v1
    with:
${given}
    secrets:
      api-key: \${{ secrets.FUHUAPI_KEY }}
  use:
    needs: draw
    runs-on: ubuntu-latest
    steps:
      - run: 'echo "$IDS: $STATUSES"'
        env:
          IDS: \${{ needs.draw.outputs.prediction_id }}
          STATUSES: \${{ join(fromJSON(needs.draw.outputs.predictions).*.status) }}
`
    const many = `      model: sim/cake
      inputs: '{"hero": {"prompt": "a cake"}, "logo": {"prompt": "a pie"}}'
      file-name: '{name}'
      artifact-name: reused
      max-parallel: 1
      attempts: 2`
    const started = await runWorkflow(stage, yaml(many))
    assert.equal(started.exitCode, 0, started.raw)
    const [, ids = ''] = /(\w+,\w+): succeeded,succeeded\n/.exec(started.text) ?? []
    assert.notEqual(ids, '', started.raw)
    assert.match(started.raw, /saved .*\/hero\.webp/)
    const creations = () =>
      stage.gateway.requests.filter(({ method, url }) => method === 'POST' && url.includes('sim/cake'))
    const before = creations().length
    const waited = await runWorkflow(stage, yaml(`      prediction-id: ${ids}`))
    assert.equal(waited.exitCode, 0, waited.raw)
    assert.ok(waited.text.includes(`${ids}: succeeded,succeeded\n`), waited.raw)
    assert.equal(creations().length, before)
  })

  test('a canceled step with run leaves no prediction running', async () => {
    const started = await startWorkflow(
      stage,
      `on: workflow_dispatch
permissions: {}
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: OWNER/await-prediction/run@v1
        with:
          api-key: \${{ secrets.FUHUAPI_KEY }}
          model: sim/slow
          input: 'prompt: a cake'
`,
    )
    await started.until('Using seed')
    started.child.kill('SIGINT')
    const { raw } = await started.result
    assert.match(raw, /Run Post octo\/await-prediction\/run@v1/)
    assert.equal(stage.gateway.statusOf(startedIn(raw)), 'canceled', raw)
  })

  for (const [cancelOn, status] of [
    ['cancelled', 'canceled'],
    ['never', 'processing'],
  ] as const) {
    test(`a canceled workflow leaves its prediction ${status} with cancel-on: ${cancelOn}`, async () => {
      const started = await startWorkflow(stage, workflow({ model: 'sim/slow', with: [`cancel-on: ${cancelOn}`] }))
      await started.until('Using seed')
      started.child.kill('SIGINT')
      const { raw } = await started.result
      assert.match(raw, /Run Post octo\/await-prediction@v1/)
      assert.equal(stage.gateway.statusOf(startedIn(raw)), status, raw)
    })
  }
})
