import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'
import { hideKey } from '../../src/runner/secrets.ts'
import { StepOutputs } from '../../src/runner/step-outputs.ts'
import { printed } from '../support/printed.ts'
import { parseFileCommands } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'

/** Opens outputs in an empty file, whose path the toolkit reads from the environment of the process. */
async function open<Name extends string>(names: readonly Name[]) {
  const file = path.join(await testFolder('outputs'), 'out')
  await writeFile(file, '')
  process.env.GITHUB_OUTPUT = file
  const outputs = new StepOutputs(names, readContext())
  return { file, outputs, written: async () => parseFileCommands(await readFile(file, 'utf8')) }
}

describe('the outputs of a step', () => {
  test('every output is set and empty from the start', async () => {
    const { written } = await open(['status', 'files'])
    assert.deepEqual(await written(), { status: '', files: '' })
  })

  test('only outputs of the action are set', async () => {
    const { outputs, written } = await open(['status'])
    outputs.set({ status: 'succeeded', prediction_id: 'a' } as never)
    outputs.addError('a bug')
    assert.deepEqual(await written(), { status: 'succeeded' })
  })

  test('an output of 32 kB is set; longer ones are omitted, and one warning names them and the file that has them', async () => {
    const { outputs, written } = await open(['status', 'output', 'files', 'result_file', 'error'])
    const long = '图'.repeat(10_667)
    const text = await printed(() => {
      const values = { status: 'x'.repeat(32_000), output: long, files: long, result_file: '/temp/result.json' }
      assert.deepEqual(outputs.set({ ...values, error: undefined } as never), [])
    })
    const { status, output, files, result_file } = await written()
    assert.deepEqual([status?.length, output, files, result_file], [32_000, '', '', '/temp/result.json'])
    assert.equal(
      text,
      '::warning::Outputs longer than 32 kB were omitted: output, files. They are in the file of the output result_file: /temp/result.json\n',
    )
    assert.equal(
      await printed(() => outputs.set({ output: long, result_file: '' })),
      '::warning::Outputs longer than 32 kB were omitted: output.\n',
    )
    assert.equal(await printed(() => outputs.set({ output: 'short' })), '')
  })

  test('outputs without GITHUB_OUTPUT are a warning, and print no command', async () => {
    delete process.env.GITHUB_OUTPUT
    let failures: unknown
    const text = await printed(() => {
      const outputs = new StepOutputs(['status', 'error'], readContext({}))
      failures = outputs.set({ status: 'succeeded' })
      outputs.addError('a bug')
    })
    assert.deepEqual(failures, [])
    assert.match(text, /^::warning::The outputs could not be set: GITHUB_OUTPUT is not set\..*\n$/)
  })

  test('a file that cannot be written fails the step at its end, and an unexpected error is a warning', async () => {
    const folder = path.join(await testFolder('outputs'), 'out')
    await mkdir(folder)
    process.env.GITHUB_OUTPUT = folder
    const outputs = new StepOutputs(['status', 'error'], readContext())
    const [failure, ...others] = outputs.set({ status: 'succeeded' })
    assert.deepEqual(others, [])
    assert.equal(failure?.title, 'Outputs not set')
    assert.match(failure?.message ?? '', /^The outputs could not be written to GITHUB_OUTPUT: .+ empty values\.$/)
    const text = await printed(() => outputs.addError('a bug'))
    assert.match(text, /^::warning::The outputs could not be written to GITHUB_OUTPUT: ./)
  })

  test('an unexpected error is added to the output named error, before and after the others have been set', async () => {
    const { outputs, written } = await open(['status', 'error'])
    outputs.addError('a bug')
    assert.deepEqual(await written(), { status: '', error: 'a bug' })
    assert.deepEqual(outputs.set({ status: 'failed' }), [])
    assert.deepEqual(await written(), { status: 'failed', error: 'a bug' })
    assert.deepEqual(outputs.set({ status: 'failed', error: 'it failed' }), [])
    assert.deepEqual(await written(), { status: 'failed', error: 'it failed\na bug' })
    outputs.addError('two\r\n::error::lines')
    assert.deepEqual(await written(), { status: 'failed', error: 'it failed\na bug\ntwo\n: :error::lines' })
  })

  test('the output error is written once if nothing unexpected has happened', async () => {
    const { file, outputs } = await open(['error'])
    outputs.set({ error: 'it failed' })
    assert.equal((await readFile(file, 'utf8')).split('it failed').length, 2)
  })

  test('the key is removed from every output', async () => {
    hideKey('r8_secret_0123456789')
    const { outputs, written } = await open(['output'])
    outputs.set({ output: 'It was r8_secret_0123456789.' })
    assert.deepEqual(await written(), { output: 'It was ***.' })
  })
})
