import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { describe, test } from 'node:test'
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

describe('a step', () => {
  test('that throws is red with one annotation, its causes in the log', () => {
    const { status, annotations, stdout } = runStep(
      `throw new Error('first ##[set-output name=x]y', { cause: new Error('second') })`,
    )
    assert.equal(status, 1)
    assert.deepEqual(annotations, [
      { level: 'error', title: 'await-prediction', message: 'first ## [set-output name=x]y' },
    ])
    assert.match(stdout, /^caused by: second$/m)
  })

  test('goes on to its end after an error that nobody could catch, and is red', () => {
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

  test('keeps warnings of libraries from the log, where their text could act', () => {
    const { status, annotations, stderr, stdout } = runStep(
      `process.emitWarning('##[error]forged\\n::error::forged'); await sleep(20)`,
    )
    assert.deepEqual([status, annotations, stderr], [0, [], ''])
    assert.match(stdout, /^::debug::Warning: ## \[error\]forged ⏎ : :error: :forged$/m)
  })

  test('with many failures shows nine and counts the rest', () => {
    const { annotations } = runStep(
      `throw new StepFailed(Array.from({ length: 12 }, (_, i) => ({ title: 't', message: 'm' + i })))`,
    )
    assert.equal(annotations.length, 10)
    assert.equal(annotations.at(-1)?.message, '3 more, all in the output result_file and in the log:\nm9\nm10\nm11')
  })
})
