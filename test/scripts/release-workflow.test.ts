import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { testFolder } from '../support/temporary-folder.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

interface Workflow {
  jobs: Record<string, { steps: { name?: string; run?: string }[] }>
}

async function scriptOf(name: string): Promise<string> {
  const { jobs }: Workflow = parse(await readFile(path.join(ROOT, '.github/workflows/release.yml'), 'utf8'))
  const step = Object.values(jobs)
    .flatMap(({ steps }) => steps)
    .find((each) => each.name === name)
  return step?.run ?? ''
}

/** Runs the step that moves v1, with a `gh` that succeeds for some methods only. */
async function move(allowed: readonly string[]) {
  const folder = await testFolder('release-workflow')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.com', ...args], {
      cwd: folder,
      encoding: 'utf8',
    }).trim()
  git('init', '--quiet')
  git('commit', '--quiet', '--allow-empty', '--no-gpg-sign', '--message', 'x')
  const gh = path.join(folder, 'gh')
  const patterns = allowed.map((method) => `*"--method ${method} "*) exit 0 ;;`).join(' ')
  await writeFile(gh, `#!/bin/sh\necho "$@" >> calls\ncase "$*" in ${patterns} esac\nexit 1\n`)
  await chmod(gh, 0o755)
  const script = await scriptOf('Move the tag of the major version')
  // As GitHub runs a step.
  const { status, stdout } = spawnSync('bash', ['-e', '-c', script], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${folder}:${process.env.PATH}`, GITHUB_REPOSITORY: 'OWNER/await-prediction', TAG: 'v1' },
  })
  return { status, stdout, commit: git('rev-parse', 'HEAD'), calls: await readFile(path.join(folder, 'calls'), 'utf8') }
}

describe('the tag of the major version', { skip: process.platform === 'win32' }, () => {
  test('the tag of the major version is moved to the commit of the release', async () => {
    const { status, stdout, commit, calls } = await move(['PATCH'])
    assert.equal(status, 0)
    assert.equal(stdout, '')
    assert.equal(
      calls,
      `api --method PATCH repos/OWNER/await-prediction/git/refs/tags/v1 -f sha=${commit} -F force=true\n`,
    )
  })

  test('the tag of the major version is created if it does not exist yet', async () => {
    const { status, stdout, commit, calls } = await move(['POST'])
    assert.equal(status, 0)
    assert.equal(stdout, '')
    assert.match(
      calls,
      new RegExp(`POST repos/OWNER/await-prediction/git/refs -f ref=refs/tags/v1 -f sha=${commit}\n$`),
    )
  })

  test('a tag that GitHub refuses to move fails the step with the command that moves it', async () => {
    const { status, stdout, commit } = await move([])
    assert.equal(status, 1)
    assert.match(stdout, /^::error title=v1 was not moved::/m)
    assert.ok(stdout.includes(`git push --force origin ${commit}:refs/tags/v1`), stdout)
  })
})
