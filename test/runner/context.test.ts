import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { describe, test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'

describe('the context of the runner', () => {
  test('is that of github.com if the environment says nothing or is empty', () => {
    for (const env of [{}, { GITHUB_SERVER_URL: '', GITHUB_API_URL: '', RUNNER_TEMP: '', GITHUB_OUTPUT: '' }]) {
      const { env: _env, ...context } = readContext(env)
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
    }
  })

  test('has what the environment says, addresses without a slash at the end', () => {
    const { env: _env, ...context } = readContext({
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
  })
})
