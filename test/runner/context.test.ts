import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { describe, test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'

describe('the context of the runner', () => {
  test('the runner context is that of github.com if the environment is empty', () => {
    for (const env of [{}, { GITHUB_SERVER_URL: '', GITHUB_API_URL: '', RUNNER_TEMP: '', GITHUB_OUTPUT: '' }]) {
      const { env: _env, forge, ...context } = readContext(env)
      assert.deepEqual(context, {
        serverUrl: 'https://github.com',
        apiUrl: 'https://api.github.com',
        repository: '',
        runId: '',
        runAttempt: 1,
        temp: tmpdir(),
        workspace: process.cwd(),
        outputFile: undefined,
        stateFile: undefined,
      })
      assert.equal(forge.name, 'GitHub')
    }
  })

  test('the runner context has the values of the environment, URLs without a trailing slash', () => {
    const {
      env: _env,
      forge,
      ...context
    } = readContext({
      GITHUB_SERVER_URL: 'https://github.example.com/',
      GITHUB_API_URL: 'https://github.example.com/api/v3/',
      GITHUB_REPOSITORY: 'octo/pictures',
      GITHUB_RUN_ID: '4711',
      GITHUB_RUN_ATTEMPT: '3',
      RUNNER_TEMP: '/runner/temp',
      GITHUB_WORKSPACE: '/runner/work',
      GITHUB_OUTPUT: '/runner/out',
      GITHUB_STATE: '/runner/state',
    })
    assert.deepEqual(context, {
      serverUrl: 'https://github.example.com',
      apiUrl: 'https://github.example.com/api/v3',
      repository: 'octo/pictures',
      runId: '4711',
      runAttempt: 3,
      temp: '/runner/temp',
      workspace: '/runner/work',
      outputFile: '/runner/out',
      stateFile: '/runner/state',
    })
    assert.equal(forge.name, 'GitHub Enterprise Server')
  })

  test('a forge is recognized by its own variables, then by the host', () => {
    const forges: [string, Record<string, string>][] = [
      ['GitHub', { GITHUB_SERVER_URL: 'https://octo.ghe.com' }],
      ['GitHub', { GITHUB_SERVER_URL: 'http://github.localhost:3000' }],
      ['GitHub Enterprise Server', { GITHUB_SERVER_URL: 'https://notgithub.com' }],
      ['GitHub Enterprise Server', { GITHUB_SERVER_URL: 'https://github.com.example.com' }],
      ['GitHub Enterprise Server', { GITHUB_SERVER_URL: 'https://octo.ghe.com.example.com' }],
      ['GitHub Enterprise Server', { GITHUB_SERVER_URL: 'https://github.localhost.example.com' }],
      ['GitHub Enterprise Server', { GITHUB_SERVER_URL: 'no URL' }],
      ['GitHub', { GITEA_ACTIONS: 'false', FORGEJO_ACTIONS: 'false' }],
      ['Gitea', { GITHUB_SERVER_URL: 'https://git.example.com', GITEA_ACTIONS: 'true' }],
      // Forgejo's runner sets both.
      ['Forgejo', { GITHUB_SERVER_URL: 'https://git.example.com', GITEA_ACTIONS: 'true', FORGEJO_ACTIONS: 'true' }],
    ]
    for (const [name, env] of forges) assert.equal(readContext(env).forge.name, name)
  })

  test('each forge has its own asset paths and artifact protocol', () => {
    const forgeOf = (env: Record<string, string>) => readContext(env).forge
    const gitea = forgeOf({ GITEA_ACTIONS: 'true' })
    const forgejo = forgeOf({ FORGEJO_ACTIONS: 'true' })
    assert.equal(forgeOf({}).assetPath(7, 12), '/releases/assets/12')
    for (const forge of [gitea, forgejo]) assert.equal(forge.assetPath(7, 12), '/releases/7/assets/12')
    const enterprise = forgeOf({ GITHUB_SERVER_URL: 'https://github.example.com' })
    assert.deepEqual(
      [forgeOf({}), enterprise, gitea, forgejo].map(({ artifactProtocol }) => artifactProtocol),
      [7, undefined, 7, 4],
    )
    // The hosts that the artifact client takes; others that have artifacts get the transport.
    assert.deepEqual(
      [forgeOf({}), enterprise, gitea, forgejo].map(({ artifactClient }) => artifactClient),
      [true, false, false, false],
    )
  })

  test('an artifact link has the ID on GitHub, and the name on Gitea and Forgejo', () => {
    const pageOn = (env: Record<string, string>) => readContext(env).forge.artifactPage({ id: 7, name: 'a b/c' })
    assert.deepEqual([{}, { GITEA_ACTIONS: 'true' }, { FORGEJO_ACTIONS: 'true' }].map(pageOn), [
      '7',
      'a%20b%2Fc',
      'a%20b%2Fc',
    ])
  })

  test('annotations, separate uploads, renamed assets and asset limits exist only on GitHub', () => {
    const habits = (env: Record<string, string>) => {
      const { annotations, separateUploads, renamesAssets, assetLimits } = readContext(env).forge
      return { annotations, separateUploads, renamesAssets, assetLimits }
    }
    const github = { annotations: true, separateUploads: true, renamesAssets: true }
    const assetLimits = { count: 1000, bytes: 2_147_483_648 }
    assert.deepEqual(habits({}), { ...github, assetLimits })
    assert.deepEqual(habits({ GITHUB_SERVER_URL: 'https://github.example.com' }), { ...github, assetLimits })
    const others = { annotations: false, separateUploads: false, renamesAssets: false, assetLimits: undefined }
    for (const env of [{ GITEA_ACTIONS: 'true' }, { FORGEJO_ACTIONS: 'true' }]) assert.deepEqual(habits(env), others)
  })

  test('every server except github.com counts as self-hosted', () => {
    const servers = [{}, { GITHUB_SERVER_URL: 'https://github.example.com' }, { GITEA_ACTIONS: 'true' }]
    assert.deepEqual(
      servers.map((env) => readContext(env).forge.selfHosted),
      [false, true, true],
    )
  })

  test('trailing slashes of a URL are removed', () => {
    assert.equal(readContext({ GITHUB_API_URL: 'https://x.example/api//' }).apiUrl, 'https://x.example/api')
  })
})
