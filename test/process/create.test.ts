import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { cake } from '../fixtures/pictures.ts'
import { type Simulator, startSimulator } from '../servers/simulator.ts'
import { eventually } from '../support/eventually.ts'
import { type RunResult, runAction, startAction } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'

const posts = (simulator: Simulator) => simulator.requests.filter(({ method }) => method === 'POST')

async function create(
  simulator: Simulator,
  inputs: Record<string, string>,
  files: Record<string, string | Buffer> = {},
): Promise<RunResult> {
  const home = await testFolder('create')
  await mkdir(path.join(home, 'workspace/.git'), { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(home, 'workspace', name), content)
  await writeFile(path.join(home, 'outside.txt'), 'outside')
  await symlink('../outside.txt', path.join(home, 'workspace/link.txt'))
  const run = await runAction({
    action: 'create',
    inputs: { 'api-key': simulator.key, 'api-url': simulator.apiUrl, ...inputs },
    home,
  })
  return run
}

describe('creating', { concurrency: 4 }, () => {
  const targets: [string, Record<string, string>, string, object][] = [
    ['a model', { model: 'owner/painter' }, '/models/owner/painter/predictions', {}],
    ['a version of a model', { model: `owner/painter:${'a'.repeat(64)}` }, '/predictions', { version: 'a'.repeat(64) }],
    ['a version', { version: 'b'.repeat(64) }, '/predictions', { version: 'b'.repeat(64) }],
    ['a deployment', { deployment: 'owner/mine' }, '/deployments/owner/mine/predictions', {}],
  ]
  for (const [name, inputs, url, body] of targets) {
    test(`create starts a prediction of ${name} once and sets its outputs`, async () => {
      await using simulator = await startSimulator()
      const run = await create(simulator, { ...inputs, input: '{"prompt": "a cake"}', 'cancel-after': '90' })
      assert.equal(run.exitCode, 0, run.log)
      const [post] = posts(simulator)
      assert.equal(post?.url, `/replicate/v1${url}`)
      assert.deepEqual(JSON.parse(post?.body ?? ''), { ...body, input: { prompt: 'a cake' } })
      assert.equal(post?.headers['cancel-after'], '1m30s')
      assert.equal(simulator.requests.length, 1)
      assert.deepEqual(Object.keys(run.outputs), ['prediction_id', 'status', 'model'])
      assert.equal(run.outputs.status, 'starting')
      assert.notEqual(simulator.statusOf(run.outputs.prediction_id ?? ''), undefined)
    })
  }

  test('create merges input-file with input, and embeds files of the workspace as data: URIs', async () => {
    await using simulator = await startSimulator()
    const picture = await cake('png')
    const run = await create(
      simulator,
      {
        model: 'a/b',
        'input-file': 'input.yml',
        input:
          'prompt: |\n  two\n  lines\nsteps: 4\nimage: "@cake.png"\nmask: ["@cake.png"]\nhandle: "@@somebody"\nalone: "@"\n',
      },
      { 'input.yml': 'prompt: from the file\nseed: 7\n', 'cake.png': picture },
    )
    assert.equal(run.exitCode, 0, run.log)
    const uri = `data:image/png;base64,${picture.toString('base64')}`
    assert.deepEqual(JSON.parse(posts(simulator)[0]?.body ?? '').input, {
      prompt: 'two\nlines\n',
      seed: 7,
      steps: 4,
      image: uri,
      mask: [uri],
      handle: '@somebody',
      alone: '@',
    })
  })

  const faults: [string, string, RegExp][] = [
    ['a missing file', 'image: "@missing.png"', /no file missing\.png/],
    ['a file outside the workspace', 'image: "@../outside.txt"', /not inside the workspace/],
    ['a link out of the workspace', 'image: "@link.txt"', /not inside the workspace/],
    ['an absolute path', 'image: "@/etc/passwd"', /not inside the workspace/],
    ['a file of Git', 'image: "@.git/config"', /belongs to Git/],
    ['the folder of Git', 'image: "@.git"', /belongs to Git/],
    ['a list', '[1, 2]', /is not a mapping but a list/],
    ['a text', 'hello', /is not a mapping but a string/],
    ['broken YAML', 'a: [', /In input: /],
    ['duplicate keys', 'a: 1\na: 2', /In input: .*unique/],
    [
      'aliases that grow exponentially',
      `a: &a [x]\n${Array.from(
        { length: 9 },
        (_, i) =>
          `b${i}: &b${i} [${Array(9)
            .fill(i === 0 ? '*a' : `*b${i - 1}`)
            .join(', ')}]`,
      ).join('\n')}`,
      /In input: /,
    ],
  ]
  for (const [name, input, words] of faults) {
    test(`create refuses an invalid input before any request: ${name}`, async () => {
      await using simulator = await startSimulator()
      const run = await create(
        simulator,
        { model: 'a/b', input },
        { 'large.bin': Buffer.alloc(2 ** 20 + 1), '.git/config': 'token' },
      )
      assert.equal(run.exitCode, 1)
      assert.match(run.errors[0] ?? '', words)
      assert.equal(simulator.requests.length, 0)
    })
  }

  test('create reports all invalid inputs together', async () => {
    await using simulator = await startSimulator()
    const run = await create(simulator, { model: 'painter', version: 'v', 'cancel-after': '1s', 'api-key': '' })
    const lines = (run.errors[0] ?? '').split('\n')
    assert.equal(lines.length, 5)
    assert.match(
      lines.join('\n'),
      /api-key: must not be empty[\s\S]*model: "painter" is not of the form owner\/name[\s\S]*model and version are set\. Set exactly one[\s\S]*cancel-after: "1s"/,
    )
    const none = await create(simulator, {})
    assert.match(none.errors[0] ?? '', /none of them is set/)
  })

  test('a create request is retried if it cannot have been carried out', async () => {
    await using simulator = await startSimulator()
    simulator.trick('*', { status: 429, headers: { 'retry-after': '1' } })
    const run = await create(simulator, { model: 'a/b', input: '{}' })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(posts(simulator).length, 2)
  })

  test('create says that the prediction may have been started if it is canceled before the response arrives', async () => {
    await using simulator = await startSimulator()
    simulator.trick('*', 'hang')
    const started = await startAction({
      action: 'create',
      inputs: { 'api-key': simulator.key, 'api-url': simulator.apiUrl, model: 'a/b', input: '{}' },
    })
    await eventually('the creation', () => posts(simulator).length > 0)
    started.child.kill('SIGINT')
    await using run = await started.result
    assert.equal(run.exitCode, 1)
    assert.match(run.errors[0] ?? '', /canceled or timed out \(SIGINT\)\. .*may have been started anyway/)
  })

  test('post warns of nothing if create is killed while it waits to retry after a 429', async () => {
    await using simulator = await startSimulator()
    simulator.trick('*', { status: 429, headers: { 'retry-after': '60' }, body: '{"detail":"slow down"}' })
    const inputs = { 'api-key': simulator.key, 'api-url': simulator.apiUrl, model: 'a/b', input: '{}' }
    const started = await startAction({ action: 'create', inputs })
    await started.until('retrying in 1m 0s')
    started.child.kill('SIGKILL')
    await using main = await started.result
    await using post = await runAction({ action: 'create', step: 'post', inputs, state: main.state })
    assert.deepEqual([post.exitCode, post.annotations], [0, []], post.log)
  })

  for (const trick of [
    'reset',
    { status: 503, body: '{"detail":"busy"}' },
    { cutOff: '{"id":"abc"' },
    { status: 504 },
  ] as const) {
    test(`a create request is never retried if it may have been carried out: ${JSON.stringify(trick)}`, async () => {
      await using simulator = await startSimulator()
      simulator.trick('*', trick)
      const run = await create(simulator, { model: 'a/b', input: '{}' })
      assert.equal(run.exitCode, 1)
      assert.equal(posts(simulator).length, 1)
      assert.match(run.errors[0] ?? '', /may have been started anyway/)
    })
  }

  test('create reports the fields of the input that the model refuses', async () => {
    await using simulator = await startSimulator()
    const run = await create(simulator, { model: 'a/b', input: 'steps: many' })
    assert.match(run.errors[0] ?? '', /422 .*\ninput steps: Invalid type\. Expected: integer, given: string\./)
    assert.doesNotMatch(run.errors[0] ?? '', /may have been started/)
  })

  test('create reports the predictions that keep running if other inputs are refused', async () => {
    await using simulator = await startSimulator({
      refuse: ({ input }) =>
        String(input.prompt).includes('no') ? { status: 422, body: '{"detail":"bad"}' } : undefined,
    })
    const some = await create(simulator, { model: 'a/b', inputs: '[{prompt: a}, {prompt: no}, {prompt: b}]' })
    assert.equal(some.exitCode, 1)
    assert.equal(some.errors.length, 2)
    const ids = some.outputs.prediction_id?.replaceAll(',', ', ')
    assert.equal(
      some.errors[1],
      `2 other predictions were started and keep running: ${ids}. Wait for them with prediction-id before you run this job again.`,
    )
    const one = await create(simulator, { model: 'a/b', inputs: '[{prompt: a}, {prompt: no}]' })
    assert.equal(
      one.errors[1],
      `1 other prediction was started and keeps running: ${one.outputs.prediction_id}. Wait for it with prediction-id before you run this job again.`,
    )
    const none = await create(simulator, { model: 'a/b', inputs: '[{prompt: no 1}, {prompt: no 2}]' })
    assert.equal(none.errors.length, 1)
  })

  test('create fails with a message if the key is wrong', async () => {
    await using simulator = await startSimulator()
    const run = await create(simulator, { model: 'a/b', input: '{}', 'api-key': 'sk-wrong-0123456789' })
    assert.match(run.errors[0] ?? '', /401 .*check the secret passed as api-key/)
  })
})

describe('a creation that is answered oddly', { concurrency: 4 }, () => {
  test('create passes on the ID of a response without a status, and warns', async () => {
    await using simulator = await startSimulator()
    simulator.trick('*', { status: 201, body: '{"id":"abc","queue_position":3}' })
    const run = await create(simulator, { model: 'a/b', input: '{}' })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual([run.outputs.prediction_id, run.outputs.status], ['abc', 'starting'])
    assert.match(run.annotations.map(({ message }) => message).join(), /has no status/)
  })

  test('a create response that contains the key does not pass it on', async () => {
    await using simulator = await startSimulator()
    const { key } = simulator
    simulator.trick('*', { status: 201, body: JSON.stringify({ id: 'abc', status: 'starting', model: `a/${key}` }) })
    const run = await create(simulator, { model: 'a/b', input: '{}' })
    assert.equal(run.outputs.model, 'a/***', run.log)
    assert.ok(!`${run.log.replace(`::add-mask::${key}`, '')}${JSON.stringify(run.outputs)}`.includes(key))
  })

  test('create says that a prediction may have been started after a success without an ID', async () => {
    await using simulator = await startSimulator()
    simulator.trick('*', { status: 200, body: '{"id":null,"status":"succeeded","output":"x"}' })
    const run = await create(simulator, { model: 'a/b', input: '{}' })
    assert.equal(posts(simulator).length, 1)
    assert.match(run.errors[0] ?? '', /may have been started anyway/)
  })

  test('create says what to do if the model is not found or the input is too large', async () => {
    await using simulator = await startSimulator()
    simulator.trick('*', { status: 404, body: '{"detail":"Not found."}' }, { status: 413 })
    const missing = await create(simulator, { model: 'a/b', input: '{}' })
    assert.match(missing.errors[0] ?? '', /owner\/name:version/)
    const large = await create(simulator, { model: 'a/b', input: '{}' })
    assert.match(large.errors[0] ?? '', /pass files as URLs/)
  })
})
