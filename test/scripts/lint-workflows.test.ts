import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { testFolder } from '../support/temporary-folder.ts'

const SCRIPT = path.resolve(import.meta.dirname, '../../scripts/lint-workflows.ts')

/** Runs the script on one workflow, on a machine without Python. */
async function lint(run: string, env: NodeJS.ProcessEnv = {}) {
  const folder = await testFolder('lint-workflows')
  await mkdir(path.join(folder, '.github/workflows'), { recursive: true })
  await writeFile(
    path.join(folder, '.github/workflows/a.yml'),
    `on: issues\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ${run}\n`,
  )
  const { PATH, Path, CI, ...others } = process.env
  return spawnSync(process.execPath, [SCRIPT], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...others, PATH: folder, ...env },
  })
}

describe('lint:workflows', () => {
  test('the lint of workflows fails if actionlint finds something, and says where', async () => {
    const { status, stdout } = await lint(`echo "\${{ github.event.issue.title }}"`)
    assert.equal(status, 1)
    assert.match(stdout, /^\.github\/workflows\/a\.yml:7: "github\.event\.issue\.title" is potentially untrusted/m)
  })

  test('the lint of workflows reports a missing zizmor, and passes what actionlint passes', async () => {
    const { status, stdout } = await lint('echo hello')
    assert.match(stdout, /^actionlint: no findings$/m)
    assert.match(stdout, /^zizmor \S+ is missing, the workflows were not checked with it: .+ENOENT/m)
    assert.equal(status, 0)
  })

  test('the lint of workflows fails on CI if zizmor is missing', async () => {
    const { status, stdout } = await lint('echo hello', { CI: 'true' })
    assert.match(stdout, /^actionlint: no findings$/m)
    assert.equal(status, 1)
  })
})
