import assert from 'node:assert/strict'
import { chmod, mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'
import { makeOutputFolder } from '../../src/runner/output-folder.ts'
import { testFolder } from '../support/temporary-folder.ts'

async function place() {
  const workspace = await testFolder('output-folder')
  const make = (name: string) =>
    makeOutputFolder(path.join(workspace, name), readContext({ GITHUB_WORKSPACE: workspace }))
  return { workspace, make }
}

describe('output-dir', () => {
  test('output-dir is created with its parents, and left empty', async () => {
    const { workspace, make } = await place()
    await make('a/b')
    await make('a/b')
    assert.deepEqual(await readdir(path.join(workspace, 'a/b')), [])
  })

  test('an output-dir that cannot be written to is an invalid input', async () => {
    const user = process.geteuid?.()
    if (user === undefined) return
    const { workspace, make } = await place()
    await chmod(workspace, 0o755)
    await mkdir(path.join(workspace, 'out'))
    await chmod(path.join(workspace, 'out'), 0o555)
    // What root may not write to is rare.
    if (user === 0) process.seteuid?.(65_534)
    try {
      await assert.rejects(
        make('out'),
        /^InputError: 1 input is invalid; .*\noutput-dir: .*out cannot be written to \(EACCES\)\.$/,
      )
    } finally {
      if (user === 0) process.seteuid?.(user)
    }
  })
})
