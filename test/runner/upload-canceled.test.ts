import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/predictions/clock.ts'
import { readContext } from '../../src/runner/context.ts'
import { uploadFiles } from '../../src/runner/upload.ts'
import { startReleasesApi } from '../servers/releases-api.ts'
import { startResultsService } from '../servers/results-service.ts'
import { testFolder } from '../support/temporary-folder.ts'

test('a step that is canceled begins no upload, and each upload that was requested is one failure', async () => {
  await using service = await startResultsService()
  await using releases = await startReleasesApi()
  releases.add('v1')
  const folder = await testFolder('files')
  const temp = await testFolder('temp')
  const file = path.join(folder, 'a.txt')
  await writeFile(file, 'a')
  const saved = { predictionId: 'abc', index: 0, path: file, name: 'a.txt', size: 1, type: 'text/plain', source: 'x' }
  const sha256 = createHash('sha256').update('a').digest('hex')
  const artifact = { name: 'a', archive: true, retentionDays: undefined, compressionLevel: 0, overwrite: false }
  const env = { ...service.env, ...releases.env, GITHUB_REPOSITORY: 'octo/pictures', RUNNER_TEMP: temp }
  const uploads = await uploadFiles(
    [],
    [{ ...saved, sha256 }],
    {
      artifact,
      release: { tag: 'v1', token: releases.token, overwrite: false },
      download: {
        directory: folder,
        ifNoFilesFound: 'warn',
        fileName: '',
        maxFileSize: 9,
        maxTotalSize: 9,
        overwrite: false,
      },
    },
    { clock: systemClock, signal: AbortSignal.abort(new Error('The step was canceled.')), runner: readContext(env) },
  )
  assert.deepEqual(uploads.failures, [
    { title: 'Artifact not uploaded', message: 'The step was canceled.' },
    { title: 'Files not attached to the release', message: 'The step was canceled.' },
  ])
  assert.deepEqual([service.calls, releases.calls, await readdir(temp)], [[], [], []])
})
