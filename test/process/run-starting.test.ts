import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import type { Simulator, Trick } from '../servers/simulator.ts'
import { creationsAt, gatewayInputs, startGateway } from '../support/gateway.ts'
import { type RunResult, runAction, startAction } from '../support/run-action.ts'

/** Names of inputs, `n1` and so on; the prompt of each is its name. */
const namesOf = (count: number) => Array.from({ length: count }, (_, i) => `n${i + 1}`)
const inputsOf = (names: readonly string[]) =>
  JSON.stringify(Object.fromEntries(names.map((name) => [name, { prompt: name }])))

const FILES = { 'output-dir': 'pictures', 'file-name': '{name}' }
const runOf = (simulator: Simulator, names: readonly string[], more: Record<string, string> = {}) =>
  runAction({ action: 'run', inputs: gatewayInputs(simulator, { inputs: inputsOf(names), ...FILES, ...more }) })

interface Told {
  name: string
  id: string | null
  status: string
  error: string | null
  attempts?: string[]
}
const told = (run: RunResult): Told[] => JSON.parse(run.outputs.predictions ?? '')
const statuses = (run: RunResult) => Object.fromEntries(told(run).map(({ name, status }) => [name, status]))
const problem = (status: number, detail: string): Trick => ({ status, body: JSON.stringify({ detail }) })

/** Refuses the creations of one prompt. */
const refusing = (prompt: string, trick: Trick) => ({
  refuse: ({ input }: { input: Record<string, unknown> }) => (input.prompt === prompt ? trick : undefined),
})

describe('run', { concurrency: 4 }, () => {
  test('run makes twenty files from twenty inputs, with a short log', async () => {
    await using simulator = await startGateway()
    const names = namesOf(20)
    await using run = await runOf(simulator, names)
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(creationsAt(simulator).sort(), names.toSorted())
    assert.deepEqual((await readdir(path.join(run.workspace, 'pictures'))).sort(), names.map((n) => `${n}.txt`).sort())
    for (const name of names) {
      assert.equal(run.lines.filter((line) => line.includes(`] ${name}: `)).length, 2, run.log)
      assert.equal(run.lines.filter((line) => line.includes(`/${name}.txt`)).length, 1, run.log)
    }
    assert.ok(run.lines.length <= 3 * 20 + 5, run.log)
    assert.ok(
      run.lines.some((line) => /^Predictions: 20 started · 20 ran · predict time [\d.]+ s in total\.$/.test(line)),
    )
    assert.match(run.summary, /^### ✅ 20 of 20 predictions succeeded$/m)
    assert.match(run.summary, /20 started · 20 ran/)
  })

  test('run continues after a refused input, and names it', async () => {
    const refusal = problem(422, 'prompt: too long')
    await using simulator = await startGateway(refusing('n2', refusal))
    await using run = await runOf(simulator, namesOf(5), { 'max-parallel': '1' })
    assert.equal(run.exitCode, 1)
    assert.deepEqual(creationsAt(simulator), namesOf(5))
    assert.deepEqual(Object.values(statuses(run)), ['succeeded', 'refused', 'succeeded', 'succeeded', 'succeeded'])
    assert.equal(run.errors.length, 1)
    assert.match(run.errors[0] ?? '', /^n2: POST .* returned 422 Unprocessable Entity: prompt: too long/)
    assert.match(run.outputs.error ?? '', /^n2: POST /)
    assert.equal((await readdir(path.join(run.workspace, 'pictures'))).length, 4)
    const { predictions } = JSON.parse(await readFile(run.outputs.result_file ?? '', 'utf8'))
    assert.deepEqual(
      predictions.map(({ name, id, status }: Told) => [name, id === null, status]),
      told(run).map(({ name, id, status }) => [name, id === null, status]),
    )
  })

  test('run starts nothing more after a 401, and keeps what was started', async () => {
    await using simulator = await startGateway(refusing('n3', problem(401, 'The token is not valid')))
    await using run = await runOf(simulator, namesOf(8), { 'max-parallel': '1' })
    assert.equal(run.exitCode, 1)
    assert.deepEqual(creationsAt(simulator), ['n1', 'n2', 'n3'])
    assert.deepEqual((await readdir(path.join(run.workspace, 'pictures'))).sort(), ['n1.txt', 'n2.txt'])
    assert.equal(run.errors.length, 2, run.log)
    assert.match(run.errors[0] ?? '', /^n3: POST .* returned 401/)
    assert.equal(run.errors[1], 'n4, n5, n6, n7, n8: No prediction was started: the API refused an earlier one (401).')
    const stopped = run.lines.filter((line) => line.includes('No more predictions are started'))
    assert.equal(stopped.length, 1, run.log)
  })

  test('run never passes on a key that a refusal repeats, on the first or a later attempt', async () => {
    const key = 'sk-simulator-0123456789abcdef'
    const creations = new Map<string, number>()
    await using simulator = await startGateway({
      end: () => ({ status: 'failed', error: 'Prediction interrupted; please retry (code: PA)' }),
      refuse: ({ input }) => {
        const count = (creations.get(String(input.prompt)) ?? 0) + 1
        creations.set(String(input.prompt), count)
        const isRefused = input.prompt === 'n2' || count > 1
        return isRefused ? problem(422, `Incorrect API key provided: ${key}`) : undefined
      },
    })
    assert.equal(simulator.key, key)
    await using run = await runOf(simulator, namesOf(2), { attempts: '2' })
    assert.equal(run.exitCode, 1)
    assert.deepEqual(statuses(run), { n1: 'failed', n2: 'refused' })
    const resultFile = await readFile(run.outputs.result_file ?? '', 'utf8')
    const lines = run.lines.join('\n')
    for (const text of [run.summary, resultFile, JSON.stringify(run.outputs), lines]) {
      assert.match(text, /Incorrect API key provided/)
      assert.ok(!text.includes(key), text)
    }
  })

  test('run waits out a 429, and repeats only the creation that got it', async () => {
    let refusals = 2
    const limited: Trick = {
      ...{ status: 429, body: '{"detail":"Request was throttled."}' },
      headers: { 'retry-after': '1' },
    }
    await using simulator = await startGateway({
      refuse: ({ input }) => (input.prompt === 'n3' && refusals-- > 0 ? limited : undefined),
    })
    await using run = await runOf(simulator, namesOf(5), { 'max-parallel': '1' })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(creationsAt(simulator), ['n1', 'n2', 'n3', 'n3', 'n3', 'n4', 'n5'])
  })

  for (const [what, trick] of [
    ['a 503', problem(503, 'upstream connect error')],
    ['a broken connection', 'reset'],
    ['an answer that is cut off', { cutOff: '{"id":"abc' }],
  ] as [string, Trick][]) {
    test(`run never repeats a creation that got ${what}, whatever attempts says, and reports that it may run`, async () => {
      await using simulator = await startGateway(refusing('n2', trick))
      await using run = await runOf(simulator, namesOf(4), { attempts: '5' })
      assert.equal(run.exitCode, 1)
      assert.deepEqual(creationsAt(simulator).sort(), namesOf(4))
      assert.match(run.errors[0] ?? '', /^n2: .*The prediction may have been started anyway/s)
      assert.equal(statuses(run).n2, 'refused')
    })
  }

  test('run starts no more than max-parallel predictions at the same time', async () => {
    let most = 0
    await using simulator: Simulator = await startGateway({
      refuse() {
        most = Math.max(most, simulator.running() + 1)
        return undefined
      },
    })
    await using run = await runOf(simulator, namesOf(9), { 'max-parallel': '3' })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(most, 3)
  })

  test('run starts nothing more if the first ten predictions have all failed', async () => {
    await using simulator = await startGateway({ end: () => ({ status: 'failed', error: 'NSFW content' }) })
    await using run = await runOf(simulator, namesOf(30))
    assert.equal(run.exitCode, 1)
    assert.equal(creationsAt(simulator).length, 10)
    assert.ok(
      run.lines.some((line) => /^Predictions: 10 started · 10 ran · 20 not started/.test(line)),
      run.log,
    )
    assert.match(
      run.outputs.error ?? '',
      /^n11, n12, n13, n14, n15 and 15 others: No prediction was started: the first 10 have all failed\.$/m,
    )
  })

  test('run starts nothing more once it is canceled, and post cancels only what still runs', async () => {
    await using simulator = await startGateway({
      end: (prompt) => ({ status: 'succeeded', seconds: prompt === 'n1' ? 0.2 : 600 }),
    })
    const inputs = gatewayInputs(simulator, { inputs: inputsOf(namesOf(9)), 'max-parallel': '2', ...FILES })
    const action = await startAction({ action: 'run', inputs })
    await action.until(/\] n3: started/)
    action.child.kill('SIGINT')
    await using run = await action.result
    assert.equal(run.exitCode, 1)
    assert.deepEqual(creationsAt(simulator), ['n1', 'n2', 'n3'])
    assert.equal(statuses(run).n4, 'refused')
    await using post = await runAction({ action: 'run', step: 'post', inputs, state: run.state })
    assert.deepEqual(
      told(run)
        .slice(0, 3)
        .map(({ id }) => simulator.statusOf(id ?? '')),
      ['succeeded', 'canceled', 'canceled'],
      post.log,
    )
  })

  test('run starts nothing more after its timeout, and cancels what still runs', async () => {
    await using simulator = await startGateway({ end: () => ({ status: 'succeeded', seconds: 600 }) })
    await using run = await runOf(simulator, namesOf(4), { 'max-parallel': '2', timeout: '3s', attempts: '3' })
    assert.equal(run.exitCode, 1)
    assert.equal(creationsAt(simulator).length, 2)
    assert.deepEqual(Object.values(statuses(run)), ['canceled', 'canceled', 'refused', 'refused'])
  })
})

describe('attempts of run', { concurrency: 4 }, () => {
  test('run makes another attempt after a platform error, and lists the IDs of earlier attempts', async () => {
    await using simulator = await startGateway({
      end: (prompt, attempt) =>
        prompt === 'n2' && attempt === 1 ? { status: 'failed', error: 'The service was down (code: E004)' } : undefined,
    })
    await using run = await runOf(simulator, namesOf(3), { attempts: '2' })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(creationsAt(simulator), ['n1', 'n2', 'n3', 'n2'])
    const [, second] = told(run)
    assert.equal(second?.attempts?.length, 1)
    assert.equal(simulator.statusOf(second?.attempts?.[0] ?? ''), 'failed')
    assert.equal(run.outputs.prediction_id?.split(',').length, 3)
    assert.match(run.log, /\] n2: The service was down \(code: E004\) · the next attempt begins in \d\.\d s/)
    assert.match(run.log, /Predictions: 4 started · 4 ran/)
    assert.equal(await readFile(path.join(run.workspace, 'pictures/n2.txt'), 'utf8'), 'n2')
  })

  for (const error of ['NSFW content detected', 'Out of memory (E001)', 'flagged as sensitive (E005)', '']) {
    test(`run makes no other attempt after the error "${error}"`, async () => {
      await using simulator = await startGateway({ end: () => ({ status: 'failed', error }) })
      await using run = await runOf(simulator, ['n1'], { attempts: '5' })
      assert.equal(run.exitCode, 1)
      assert.equal(creationsAt(simulator).length, 1)
    })
  }

  test('run makes another attempt only if attempts allows it', async () => {
    await using simulator = await startGateway({ end: () => ({ status: 'failed', error: '(code: E004)' }) })
    await using run = await runOf(simulator, ['n1'])
    assert.equal(run.exitCode, 1)
    assert.equal(creationsAt(simulator).length, 1)
  })
})
