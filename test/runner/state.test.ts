import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'
import { saveCreation, saveOpenPredictions } from '../../src/runner/state.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('the post step looks at everything that main leaves behind, and at nothing else', async (t) => {
  await using folder = await temporaryFolder()
  const stateFile = folder.file('state')
  await writeFile(stateFile, '')
  const before = process.env.GITHUB_STATE
  // The toolkit finds the file in the environment only.
  process.env.GITHUB_STATE = stateFile
  t.after(() => {
    if (before === undefined) delete process.env.GITHUB_STATE
    else process.env.GITHUB_STATE = before
  })
  const runner = readContext({ GITHUB_STATE: stateFile })
  saveOpenPredictions(['abc'], runner)
  saveCreation('cake', runner)
  const saved = [...(await readFile(stateFile, 'utf8')).matchAll(/^(\w+)<</gm)].map(([, name]) => name)
  // It imports nothing before it looks, so the names are written there again.
  const post = await readFile(path.join(import.meta.dirname, '../../src/post.ts'), 'utf8')
  const read = [...post.matchAll(/process\.env\.STATE_(\w+)/g)].map(([, name]) => name)
  assert.deepEqual(read.toSorted(), saved.toSorted())
  assert.equal(saved.length, 2)
})
