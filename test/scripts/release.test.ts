import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { testFolder } from '../support/temporary-folder.ts'

const SCRIPT = path.resolve(import.meta.dirname, '../../scripts/release.ts')
const READY = `# Changelog

## [Unreleased]

## [1.10.0] - 2026-03-01

### Added

- Waiting for one,
  or for many.
  - Or none.

### Fixed

- Hanging.

## [1.9.0] - 2026-02-01

- Older.

[1.10.0]: https://example.com/compare
`

/** Runs the script in a repository of its own. */
async function release(
  tag: string,
  given: { changelog?: string; version?: string; lock?: string; tags?: string[] } = {},
) {
  const { changelog = READY, version = '1.10.0', lock = version, tags = [] } = given
  const folder = await testFolder('release')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.com', ...args], { cwd: folder })
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ version }))
  await writeFile(path.join(folder, 'package-lock.json'), JSON.stringify({ version: lock }))
  await writeFile(path.join(folder, 'CHANGELOG.md'), changelog)
  git('init', '--quiet')
  git('commit', '--quiet', '--allow-empty', '--no-gpg-sign', '--message', 'x')
  for (const each of tags) git('tag', '--no-sign', each)
  const output = path.join(folder, 'output')
  await writeFile(output, '')
  const env = { ...process.env, GITHUB_OUTPUT: output }
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, tag], { cwd: folder, env, encoding: 'utf8' })
  const outputs = Object.fromEntries(
    (await readFile(output, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split('=')),
  )
  return { status, stdout, stderr, outputs }
}

describe('a version that is ready', () => {
  test('a release has the section of the changelog as its notes, one line for each entry', async () => {
    const { status, stdout, stderr } = await release('v1.10.0')
    assert.equal(stderr, '')
    assert.equal(status, 0)
    assert.equal(stdout, '### Added\n\n- Waiting for one, or for many.\n  - Or none.\n\n### Fixed\n\n- Hanging.\n')
  })

  test('a release moves the tag of its major version, and is the latest, if no version is higher', async () => {
    // v1.9.0 is lower, though not in the order of letters.
    const { outputs } = await release('v1.10.0', { tags: ['v1', 'v1.9.0', 'v1.10.0', 'v1.11.0-rc.1', 'v0.30.0'] })
    assert.deepEqual(outputs, { prerelease: 'false', latest: 'true', 'moving-tag': 'v1' })
  })

  test('the first release moves the tag of its major version', async () => {
    const { outputs } = await release('v1.10.0')
    assert.deepEqual(outputs, { prerelease: 'false', latest: 'true', 'moving-tag': 'v1' })
  })

  test('a release of an older major version moves the tag of that version, and is not the latest', async () => {
    const { outputs } = await release('v1.10.0', { tags: ['v1.9.0', 'v1.10.0', 'v2.0.0'] })
    assert.deepEqual(outputs, { prerelease: 'false', latest: 'false', 'moving-tag': 'v1' })
  })

  test('a release below a published version moves no tag', async () => {
    const { outputs } = await release('v1.10.0', { tags: ['v1.10.0', 'v1.10.1'] })
    assert.deepEqual(outputs, { prerelease: 'false', latest: 'false', 'moving-tag': '' })
  })

  test('a prerelease moves no tag, and is not the latest', async () => {
    const changelog = READY.replace('[1.10.0] -', '[1.10.0-rc.1] -')
    const { status, outputs } = await release('v1.10.0-rc.1', { changelog, version: '1.10.0-rc.1' })
    assert.equal(status, 0)
    assert.deepEqual(outputs, { prerelease: 'true', latest: 'false', 'moving-tag': '' })
  })
})

describe('a version is refused', () => {
  const refusals: [string, Parameters<typeof release>, RegExp][] = [
    ['whose tag is a branch name', ['main'], /"main" is not the tag of a version/],
    ['whose tag is only its major', ['v1'], /"v1" is not the tag of a version/],
    ['whose tag is empty', [''], /"" is not the tag of a version/],
    ['that package.json does not have', ['v1.10.0', { version: '1.9.0' }], /package\.json has the version 1\.9\.0/],
    ['that the lock file does not have', ['v1.10.0', { lock: '1.9.0' }], /package-lock\.json has the version 1\.9\.0/],
    ['that the changelog does not name', ['v1.1.0', { version: '1.1.0' }], /has no section \[1\.1\.0\]/],
    [
      'whose entries are all unreleased',
      ['v1.10.0', { changelog: '## [Unreleased]\n\n- Waiting.\n' }],
      /has no section \[1\.10\.0\]\n.*still has entries under \[Unreleased\]/,
    ],
    [
      'with more entries that are unreleased',
      ['v1.10.0', { changelog: READY.replace('[Unreleased]\n', '[Unreleased]\n\n- More.\n') }],
      /still has entries under \[Unreleased\]/,
    ],
    ['without a date', ['v1.10.0', { changelog: READY.replace(' - 2026-03-01', '') }], /no date for 1\.10\.0/],
    [
      'without entries in the changelog',
      [
        'v1.10.0',
        { changelog: '## [Unreleased]\n\n## [1.10.0] - 2026-03-01\n\n## [1.9.0] - 2026-02-01\n\n- Older.\n' },
      ],
      /has no entries for 1\.10\.0/,
    ],
  ]
  for (const [name, args, reason] of refusals) {
    test(`a version ${name} is refused`, async () => {
      const { status, stdout, stderr, outputs } = await release(...args)
      assert.equal(status, 1)
      assert.match(stderr, reason)
      assert.equal(stdout, '')
      assert.deepEqual(Object.keys(outputs), [''])
    })
  }

  test('a refused version is reported with every reason at once', async () => {
    const { stderr } = await release('v2.0.0', { changelog: '## [Unreleased]\n\n- Waiting.\n' })
    assert.equal(stderr.split('\n').filter((line) => line.startsWith('- ')).length, 4)
  })
})
