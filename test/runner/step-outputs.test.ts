import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'
import { openOutputs } from '../../src/runner/step-outputs.ts'
import { parseFileCommands } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'

describe('an unexpected error', () => {
  test('is a line of the output error, before and after the others have been set', async () => {
    const folder = await testFolder('outputs')
    const file = path.join(folder, 'out')
    await writeFile(file, '')
    const { GITHUB_OUTPUT } = process.env
    process.env.GITHUB_OUTPUT = file
    const set = async () => parseFileCommands(await readFile(file, 'utf8'))
    try {
      const outputs = openOutputs(['status', 'error'], readContext())
      assert.deepEqual(await set(), { status: '', error: '' })
      outputs.addError('a bug')
      assert.deepEqual(await set(), { status: '', error: 'a bug' })
      assert.deepEqual(outputs.set({ status: 'failed', error: 'it failed' }), [])
      assert.deepEqual(await set(), { status: 'failed', error: 'it failed\na bug' })
      outputs.addError('two\r\n::error::lines')
      assert.deepEqual(await set(), { status: 'failed', error: 'it failed\na bug\ntwo\n: :error::lines' })
    } finally {
      process.env.GITHUB_OUTPUT = GITHUB_OUTPUT ?? ''
    }
  })
})
