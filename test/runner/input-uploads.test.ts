import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import type { Client } from '../../src/predictions/client.ts'
import { type ApiRequest, ConnectionError, RefusalError } from '../../src/predictions/errors.ts'
import { LargeFile, type UploadResult } from '../../src/runner/embedded-files.ts'
import { InputUploads } from '../../src/runner/input-uploads.ts'
import { printed } from '../support/printed.ts'
import { testFolder } from '../support/temporary-folder.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const REQUEST: ApiRequest = { method: 'POST', url: 'https://api.example/v1/files' }
const refused = (status: number, text = '', headers = {}) => new RefusalError(REQUEST, { status, headers, text })
const unconnected = (code: string) => new ConnectionError(REQUEST, Object.assign(new Error(code), { code }))
const { signal: NEVER } = new AbortController()
const folder = await testFolder('input-uploads')

async function largeFile(name: string): Promise<LargeFile> {
  const file = path.join(folder, name)
  await writeFile(file, `content of ${name}`)
  return new LargeFile({ where: 'input.image', name, path: file, size: 2e6, type: 'image/png' })
}

/** How the API responds to an upload: it takes the file, gives no URL for it, or fails. */
type Response = 'taken' | 'no URL' | Error

interface Options {
  signal?: AbortSignal
  upload?: Client['upload']
  deleteUpload?: Client['deleteUpload']
}

/** Uploads to an API that responds like this, attempt by attempt, and after that takes every file. */
function uploadsTo(responses: readonly Response[], { signal = NEVER, deleteUpload, upload }: Options = {}) {
  const clock = new VirtualClock()
  const start = clock.now()
  const attempts: { at: number; name: string; type: string; content: string }[] = []
  const deleted: string[] = []
  const client: Pick<Client, 'upload' | 'deleteUpload'> = {
    upload: async ({ name, type, content }) => {
      const response = responses[attempts.length] ?? 'taken'
      attempts.push({ at: clock.now() - start, name, type, content: content.toString() })
      if (response instanceof Error) throw response
      return response === 'taken' ? { id: `id of ${name}`, url: `https://api.example/v1/files/${name}` } : undefined
    },
    deleteUpload: async (id) => {
      deleted.push(id)
    },
    ...(upload && { upload }),
    ...(deleteUpload && { deleteUpload }),
  }
  return { clock, uploads: new InputUploads({ client, clock, signal }), attempts, deleted }
}

/** Uploads files one after the other. @returns how many attempts were made for each */
async function attemptsFor(names: readonly string[], responses: readonly Response[]): Promise<number[]> {
  const { clock, uploads, attempts } = uploadsTo(responses)
  const counts: number[] = []
  await printed(async () => {
    for (const name of names) {
      const before = attempts.length
      await clock.run(uploads.upload(await largeFile(name)))
      counts.push(attempts.length - before)
    }
  })
  return counts
}

/** What is said of a file whose upload fails twice in this way, and after how many seconds. */
async function refusalAfter(response: Response): Promise<{ refusal: string; seconds: number }> {
  const { clock, uploads } = uploadsTo([response, response])
  const start = clock.now()
  const result = await clock.run(uploads.upload(await largeFile('a.png')))
  assert.ok('refusal' in result)
  return { ...result, seconds: clock.now() - start }
}

test('a file is uploaded with its name, type and content, and its URL takes its place', async () => {
  const { clock, uploads, attempts } = uploadsTo([])
  const results: UploadResult[] = []
  const log = await printed(async () => results.push(await clock.run(uploads.upload(await largeFile('a.png')))))
  assert.deepEqual(results, [{ url: 'https://api.example/v1/files/a.png' }])
  assert.deepEqual(attempts, [{ at: 0, name: 'a.png', type: 'image/png', content: 'content of a.png' }])
  assert.equal(log, 'uploaded a.png\n')
})

test('a file that is referenced twice at the same time is uploaded once', async () => {
  const { clock, uploads, attempts } = uploadsTo([])
  const file = await largeFile('a')
  await printed(() => clock.run(Promise.all([uploads.upload(file), uploads.upload(file)])))
  assert.equal(attempts.length, 1)
})

test('a large file is uploaded once more after a failure, and then not again', async () => {
  assert.deepEqual(await attemptsFor(['a', 'a'], [refused(502)]), [2, 0])
})

test('a large file that failed to upload is retried with the next input if other uploads succeeded', async () => {
  assert.deepEqual(await attemptsFor(['a', 'b', 'b'], ['taken', refused(502), refused(502)]), [1, 2, 1])
})

test('a failed upload is not repeated for every input if the API has no uploads', async () => {
  assert.deepEqual(await attemptsFor(['a', 'a', 'b'], Array(9).fill(refused(404))), [2, 0, 1])
})

test('failed uploads are retried again once the API has taken a file', async () => {
  const failed = refused(502)
  assert.deepEqual(await attemptsFor(['a', 'b', 'c'], [failed, failed, 'taken', failed]), [2, 1, 2])
})

test('an upload is retried after the pause that the API asks for, at least two seconds and at most half a minute', async () => {
  for (const [hint, seconds] of [
    ['1', 2],
    ['12', 12],
    ['600', 30],
  ] as const) {
    const result = await refusalAfter(refused(429, '', { 'retry-after': hint }))
    assert.equal(result.seconds, seconds)
  }
  assert.equal((await refusalAfter(refused(404))).seconds, 2)
  assert.equal((await refusalAfter('no URL')).seconds, 2)
})

test('a file that cannot be uploaded is refused with what the user can change', async () => {
  const { message } = refused(401, '{"detail":"wrong key"}')
  assert.equal((await refusalAfter(refused(401, '{"detail":"wrong key"}'))).refusal, message)
  for (const fault of [unconnected('ENOTFOUND'), unconnected('CERT_HAS_EXPIRED'), refused(429), refused(502)]) {
    const { refusal } = await refusalAfter(fault)
    assert.equal(refusal, `${fault.message} Put it on a server and use its URL.`)
  }
  for (const none of [refused(404), refused(405), 'no URL'] as const) {
    assert.equal((await refusalAfter(none)).refusal, 'Put it on a server and use its URL.')
  }
})

test('a canceled step ends an upload and the pause before its retry', async () => {
  const reason = new Error('The step was canceled.')
  const during = new AbortController()
  const log = await printed(async () => {
    const { clock, uploads } = uploadsTo([], {
      signal: during.signal,
      upload: async (_, signal) => {
        during.abort(reason)
        throw signal.reason
      },
    })
    await assert.rejects(clock.run(uploads.upload(await largeFile('a'))), reason)
  })
  assert.equal(log, '')
  const pause = new AbortController()
  const { clock, uploads, attempts } = uploadsTo([refused(502)], { signal: pause.signal })
  const upload = uploads.upload(await largeFile('a'))
  clock.sleep(1).then(() => pause.abort(reason))
  await assert.rejects(clock.run(upload), reason)
  assert.equal(attempts.length, 1)
})

test('every file that was uploaded is deleted', async () => {
  const { clock, uploads, deleted } = uploadsTo(['taken', refused(404), refused(404)])
  await clock.run(uploads.deleteAll(NEVER))
  assert.deepEqual(deleted, [])
  await printed(async () => {
    for (const name of ['a', 'b', 'c']) await clock.run(uploads.upload(await largeFile(name)))
  })
  await clock.run(uploads.deleteAll(NEVER))
  assert.deepEqual(deleted, ['id of a', 'id of c'])
})

test('the deletion of uploads ends after ten seconds, or with the step', async () => {
  const hanging: Client['deleteUpload'] = (_, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  for (const [abortedAfter, seconds] of [
    [60, 10],
    [3, 3],
  ] as const) {
    const { clock, uploads } = uploadsTo([], { deleteUpload: hanging })
    const file = await largeFile('a')
    await printed(() => clock.run(uploads.upload(file)))
    const start = clock.now()
    const step = new AbortController()
    clock.sleep(abortedAfter).then(() => step.abort(new Error('The step was canceled.')))
    await clock.run(uploads.deleteAll(step.signal))
    assert.equal(clock.now() - start, seconds)
  }
})
