import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { describe, test } from 'node:test'
import { type RunnerContext, readContext } from '../../src/runner/context.ts'
import { failOnThrow, messageOf, StepFailed } from '../../src/runner/failure.ts'
import { printed } from '../support/printed.ts'
import { carryOut } from '../support/run-action.ts'

/** Runs a step, the body of an async function, in a process of its own. */
function runStep(body: string, env: Record<string, string> = {}) {
  const failure = path.join(import.meta.dirname, '../../src/runner/failure.ts')
  const script = `
    import { failOnThrow, StepFailed } from ${JSON.stringify(failure)}
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
    await failOnThrow(async () => { ${body} }, (message) => process.stdout.write('unexpected ' + message.length + '\\n'))
  `
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { status, stdout, stderr, ...carryOut(stdout + stderr) }
}

/** Runs a step in this process, and leaves the process as it was. */
async function runHere(step: () => Promise<void>, runner: RunnerContext = readContext({})) {
  const unexpected: string[] = []
  const guards = process.listeners('uncaughtException')
  const exitCode = process.exitCode
  let added: NodeJS.UncaughtExceptionListener[] = []
  const log = await printed(async () => {
    await failOnThrow(step, (message) => unexpected.push(message), runner)
    added = process.listeners('uncaughtException').filter((listener) => !guards.includes(listener))
  })
  const code = process.exitCode
  process.exitCode = exitCode
  for (const listener of added) process.off('uncaughtException', listener)
  return { code, log, unexpected, guards: added.length, ...carryOut(log) }
}
const throwing = (thrown: unknown) => () => Promise.reject(thrown)
const failures = (count: number) => Array.from({ length: count }, (_, i) => ({ title: `t${i}`, message: `m${i}` }))

describe('a step', () => {
  test('a step that completes does not fail, and handles uncaught errors', async () => {
    const { code, log, unexpected, guards } = await runHere(async () => {})
    assert.deepEqual({ code, log, unexpected, guards }, { code: undefined, log: '', unexpected: [], guards: 1 })
  })

  test('a step that throws fails with one annotation, and its causes are in the log', async () => {
    const { code, annotations, log, unexpected } = await runHere(
      throwing(new Error('first ##[set-output name=x]y', { cause: new Error('second', { cause: 'third' }) })),
    )
    assert.equal(code, 1)
    assert.deepEqual(annotations, [
      { level: 'error', title: 'await-prediction', message: 'first ## [set-output name=x]y' },
    ])
    assert.match(log, /^caused by: second\ncaused by: third\n::debug::Error: first .*\n::debug:: {4}at /m)
    assert.deepEqual(unexpected, ['first ##[set-output name=x]y'])
  })

  test('a failed step prints at most five causes, even of an error that is its own cause', async () => {
    const error = new Error('round')
    error.cause = error
    assert.equal((await runHere(throwing(error))).log.match(/^caused by: round$/gm)?.length, 5)
    assert.doesNotMatch((await runHere(throwing(new Error('x', { cause: null })))).log, /caused by/)
    assert.doesNotMatch((await runHere(throwing('a text'))).log, /caused by|::debug::/)
  })

  test('a step that fails as expected prints its failures and nothing else', async () => {
    const { code, annotations, lines, unexpected, log } = await runHere(throwing(new StepFailed(failures(2))))
    assert.equal(code, 1)
    assert.deepEqual(annotations, [
      { level: 'error', title: 't0', message: 'm0' },
      { level: 'error', title: 't1', message: 'm1' },
    ])
    assert.deepEqual([lines, unexpected], [['error: m0', 'error: m1', ''], []])
    assert.doesNotMatch(log, /caused by|::debug::/)
  })

  test('a step continues after an uncaught error, and fails at its end', () => {
    const { status, stdout, stderr, annotations, outputs } = runStep(`
      setTimeout(() => { throw new Error('a stream failed ::x:: ##[set-output name=x]y') }, 1)
      Promise.reject(new Error('nobody waits for it'))
      await sleep(50)
      process.stdout.write('the end\\n')
    `)
    assert.equal(status, 1)
    assert.match(stdout, /^unexpected 44[\s\S]*^the end$/m)
    assert.deepEqual(annotations.map(({ message }) => message).sort(), [
      'a stream failed : :x: : ## [set-output name=x]y',
      'nobody waits for it',
    ])
    assert.equal(stderr, '')
    assert.deepEqual(outputs, {})
  })

  test('a step keeps warnings of libraries out of the log, because their text could be a command', () => {
    const { status, annotations, stderr, stdout } = runStep(
      `process.emitWarning('##[error]forged\\n::error::forged'); await sleep(20)`,
    )
    assert.deepEqual([status, annotations, stderr], [0, [], ''])
    assert.match(stdout, /^::debug::Warning: ## \[error\]forged ⏎ : :error: :forged$/m)
  })

  test('a failed step shows ten failures, or nine and the number of the others, which are in the log', async () => {
    assert.equal((await runHere(throwing(new StepFailed(failures(10))))).annotations.at(-1)?.message, 'm9')
    const { annotations, lines } = await runHere(
      throwing(new StepFailed([...failures(9), { title: 't', message: `a\n\nb${'c'.repeat(200)}` }, ...failures(2)])),
    )
    assert.equal(annotations.length, 10)
    assert.deepEqual(annotations.at(-1), {
      level: 'error',
      title: 'More errors',
      message: `3 more, in full in the log:\na b${'c'.repeat(156)}…\nm0\nm1`,
    })
    const printedLines = ['t: a', `b${'c'.repeat(200)}`, 't0: m0', 't1: m1']
    assert.deepEqual(
      printedLines.filter((line) => !lines.includes(line)),
      [],
    )
    assert.ok(!lines.includes('t8: m8'))
  })

  test('a failed step prints every failure as a line on a runner without annotations', async () => {
    const runner = readContext({ GITEA_ACTIONS: 'true' })
    const { lines } = await runHere(throwing(new StepFailed(failures(11))), runner)
    assert.ok(lines.includes('t0: m0') && lines.includes('t10: m10'), lines.join('\n'))
    assert.ok(!(await runHere(throwing(new StepFailed(failures(1))))).lines.includes('t0: m0'))
  })
})

test('the message of StepFailed joins the messages of its failures', () => {
  const { name, message } = new StepFailed(failures(2))
  assert.deepEqual({ name, message }, { name: 'StepFailed', message: 'm0\nm1' })
})

test('any thrown value has a message', () => {
  assert.deepEqual([new Error('a'), new RangeError(), 'b', 5, undefined, ' ', new Error(' ')].map(messageOf), [
    'a',
    'RangeError',
    'b',
    '5',
    'undefined',
    'An error without a message was thrown.',
    'An error without a message was thrown.',
  ])
})
