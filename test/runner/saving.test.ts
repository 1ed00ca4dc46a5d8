import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { predictions } from '../../src/predictions/apis/predictions.ts'
import { systemClock } from '../../src/predictions/clock.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { readContext } from '../../src/runner/context.ts'
import { noRequests } from '../../src/runner/requests.ts'
import { identitiesOf, savingLine, startSaving } from '../../src/runner/saving.ts'
import { listen } from '../support/listen.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const file = (label: string, bytes: number, total?: number, trouble?: string) => ({ label, bytes, total, trouble })

describe('the line about saving', () => {
  test('says what comes, what is the matter, and how many wait', () => {
    const current = [
      file('File 0 (a/…/b.bin)', 1500, 2_000_000),
      file('File 1 (a/…/c.bin)', 0, undefined, 'the server returned 503'),
      file('File 2 (a/…/d.bin)', 12),
      file('File 3 (a/…/e.bin)', 1),
    ]
    assert.equal(
      savingLine({ saved: 4, left: 9, current }),
      'fetching 9 files, 4 saved · File 0 (a/…/b.bin): 1.5 kB of 2.0 MB · File 1 (a/…/c.bin): 0 B, the server returned 503 · File 2 (a/…/d.bin): 12 B · and 6 more',
    )
    assert.equal(savingLine({ saved: 0, left: 1, current: [] }), 'fetching 1 file, 0 saved · and 1 more')
  })

  test('cuts trouble after a hundred characters', () => {
    const line = savingLine({ saved: 0, left: 1, current: [file('File 0', 0, undefined, 'x'.repeat(200))] })
    assert.ok(line.endsWith(`, ${'x'.repeat(100)}…`))
  })
})

test('files that an interrupted step gave up are one failure, and none of them is missing without a word', async () => {
  let tell = () => {}
  const asked = new Promise<void>((resolve) => {
    tell = resolve
  })
  // Never answers.
  await using server = await listen(() => tell())
  await using folder = await temporaryFolder()
  const interrupt = new AbortController()
  const inputs = {
    api: predictions,
    apiUrl: `${server.origin}/v1`,
    apiKey: 'key-0123456789',
    policy: { apiUrl: `${server.origin}/v1`, allowedHosts: [] },
    timeout: { seconds: 60, text: '1m' },
    download: {
      directory: folder.path,
      fileName: '{id}-{index}',
      maxFileSize: 1e6,
      maxTotalSize: 1e6,
      overwrite: true,
      ifNoFilesFound: 'error' as const,
    },
  }
  const runner = { ...readContext({}), workspace: folder.path }
  using saving = startSaving(inputs as never, identitiesOf(['a']), {
    clock: systemClock,
    signal: interrupt.signal,
    runner,
    requests: noRequests(),
  })
  const prediction = Prediction.parse({ id: 'a', status: 'succeeded', output: `${server.origin}/cake.png` })
  const answer = { prediction, body: {} }
  saving.settled({ id: 'a', end: 'ended', status: 'succeeded', answer, error: undefined, waited: 1 })
  const finished = saving.finish()
  await Promise.race([asked, finished])
  interrupt.abort(new Error('The runner ends this step.'))
  const { files, failures } = await finished
  assert.deepEqual(files, [])
  assert.deepEqual(failures, [{ title: 'Files not saved', message: 'The runner ends this step.' }])
})
