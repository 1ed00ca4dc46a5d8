import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { APIS } from '../../src/predictions/apis/index.ts'
import type { SavedFile } from '../../src/predictions/files/save.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import type { Judged } from '../../src/predictions/verdict.ts'
import type { Entry } from '../../src/runner/entry.ts'
import { publicJson, publicResult, writeResultFile } from '../../src/runner/result-file.ts'
import { makeTemporaryFolder } from '../../src/runner/temporary-folder.ts'
import { TASK_CASES } from '../fixtures/tasks.ts'
import { printed } from '../support/printed.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const described = (body: Record<string, unknown>) =>
  publicResult(
    {
      outcome: { id: 'abc', status: 'succeeded', answer: { body, prediction: body } },
      verdict: { ok: true },
    } as unknown as Judged,
    [],
  )

test('prediction.json holds only public fields, whatever the others are called', () => {
  const secret = 'secret'
  const body = {
    ...{ id: 'abc', model: 'o/m', version: 'v', status: 'succeeded', created_at: 't', source: 'api' },
    ...{ output: ['https://x/a.png'], error: { message: 'no', input: secret }, data_removed: false },
    metrics: { predict_time: 1.5, prompt: secret, nested: { secret } },
    urls: { get: 'https://x/get', web: 'https://x/web', stream: secret, stream_url: secret, cancel: secret },
    ...{ input: secret, Input: secret, logs: secret, prompt: secret, request: { secret }, stream: secret },
    ...{ webhook: secret, webhook_completed: secret, webhook_events_filter: [secret] },
  }
  assert.deepEqual(described(body), {
    id: 'abc',
    status: 'succeeded',
    body: {
      ...{ id: 'abc', model: 'o/m', version: 'v', status: 'succeeded', created_at: 't', source: 'api' },
      ...{ output: ['https://x/a.png'], error: 'no', data_removed: false },
      metrics: { predict_time: 1.5 },
      urls: { get: 'https://x/get', web: 'https://x/web' },
    },
    files: [],
  })
})

test('prediction.json leaves out fields of an unexpected type', () => {
  const odd = {
    model: { secret: 1 },
    urls: ['https://secret'],
    metrics: 'secret',
    created_at: 5,
    data_removed: 'secret',
  }
  assert.doesNotMatch(JSON.stringify(described(odd)), /secret/)
})

function bodyOf(name: string, body: unknown): Record<string, unknown> {
  const reading = APIS.find((api) => api.name === name)?.read(body, { id: 'task-1', apiUrl: 'https://x.example' })
  assert.equal(reading?.kind, 'prediction')
  const { prediction } = reading
  const answer = { prediction, body: body as Record<string, unknown> }
  const outcome: Outcome = {
    id: 'task-1',
    end: 'ended',
    status: prediction.status,
    answer,
    error: undefined,
    waited: 1,
  }
  const result = publicResult({ outcome, verdict: { ok: true } }, []) as { body: Record<string, unknown> }
  return JSON.parse(JSON.stringify(result.body))
}

describe('prediction.json of a task', () => {
  test('prediction.json of a task holds its files and times as they were read', () => {
    const music = TASK_CASES.find(({ name }) => name === 'music with two clips')
    const { status, output, created_at } = bodyOf('suno', music?.body)
    assert.deepEqual(
      { status, output, created_at },
      { status: 'succeeded', output: music?.means.output, created_at: '2026-03-01T12:00:00.000Z' },
    )
  })
  test('prediction.json of a task holds no prompt, wherever the API repeats it', () => {
    const film = { task_status: 'SUCCEEDED', video_url: 'https://x.example/a.mp4', orig_prompt: 'secret plans' }
    const bodies: [string, unknown][] = [
      ['dashscope', { output: film }],
      ['midjourney', { status: 'SUCCESS', prompt: 'secret plans', imageUrl: 'https://x.example/a.png' }],
      ['videos', { status: 'completed', prompt: 'secret plans', metadata: { prompt: 'secret plans' } }],
      ['suno', { code: 'success', data: { status: 'SUCCESS', data: [{ metadata: { prompt: 'secret plans' } }] } }],
    ]
    for (const [name, body] of bodies) assert.doesNotMatch(JSON.stringify(bodyOf(name, body)), /secret plans/, name)
  })
})

const outcomeOf = (id: string, body?: Record<string, unknown>) =>
  ({
    id,
    end: 'ended',
    status: 'succeeded',
    error: undefined,
    waited: 1,
    answer: body && { body, prediction: body },
  }) as unknown as Outcome
const savedOf = (predictionId: string, name: string, more: Partial<SavedFile> = {}): SavedFile => ({
  ...{ predictionId, index: 0, path: `/workspace/${name}`, name, size: 3, type: 'image/png', sha256: 'abc' },
  source: `https://files.example/${name}`,
  ...more,
})

describe('the result file', () => {
  test('the result file has the prediction of every input with its files, or why there is none', async () => {
    await using folder = await temporaryFolder()
    const entries: Entry[] = [
      { outcome: outcomeOf('a', { id: 'a', n: 1 }), verdict: { ok: true } },
      {
        ...{ outcome: outcomeOf('b'), verdict: { ok: false, title: 't', message: 'It failed.' } },
        ...{ name: 'hero', earlier: [outcomeOf('b1'), outcomeOf('b2')] },
      },
      { name: 'logo', status: 'refused', error: 'No such model.' },
      { name: 'icon', status: 'skipped', error: undefined },
    ]
    const files = [
      savedOf('a', 'a.png', { width: 4, height: 2 }),
      savedOf('a', 'a.txt', { source: 'text' }),
      savedOf('b', 'b.png', { source: 'data:' }),
    ]
    const file = (await writeResultFile(entries, files, folder.path)) ?? ''
    assert.equal(path.basename(file), 'result.json')
    assert.match(path.relative(folder.path, file), /^await-prediction-result-/)
    const text = await readFile(file, 'utf8')
    assert.equal(text.split('\n').length, entries.length + 3)
    const described = (name: string) => ({
      path: `/workspace/${name}`,
      name,
      size: 3,
      type: 'image/png',
      sha256: 'abc',
    })
    assert.deepEqual(JSON.parse(text), {
      predictions: [
        {
          ...{ id: 'a', end: 'ended', status: 'succeeded', error: null, body: { id: 'a', n: 1 } },
          files: [
            { ...described('a.png'), width: 4, height: 2, source: 'https://files.example/a.png' },
            described('a.txt'),
          ],
        },
        {
          ...{ name: 'hero', id: 'b', end: 'ended', status: 'succeeded', error: 'It failed.', attempts: ['b1', 'b2'] },
          ...{ body: null, files: [described('b.png')] },
        },
        { name: 'logo', id: null, status: 'refused', error: 'No such model.' },
        { name: 'icon', id: null, status: 'skipped', error: null },
      ],
    })
  })

  test('a result file that cannot be written causes a warning, and leaves nothing behind', async () => {
    await using folder = await temporaryFolder()
    const stored = {
      json: () =>
        new Readable({
          read() {
            this.destroy(new Error('no disk'))
          },
        }),
    }
    const broken = { ...outcomeOf('a'), answer: { stored } } as unknown as Outcome
    const faults = [
      [
        [{ outcome: broken, verdict: { ok: true } }],
        folder.path,
        /^::warning::The file for the output result_file could/,
      ],
      [
        [],
        folder.file('none'),
        /^::warning::.*: No folder could be created under .*none, the RUNNER_TEMP: ENOENT.*\.$/,
      ],
    ] as const
    for (const [entries, temp, warning] of faults) {
      let file: string | undefined = 'a file'
      const log = await printed(async () => {
        file = await writeResultFile(entries, [], temp)
      })
      assert.match(log.trim(), warning)
      assert.equal(file, undefined)
    }
    assert.deepEqual(await readdir(folder.path), [])
  })
})

test('a temporary folder is named after its purpose', async () => {
  await using folder = await temporaryFolder()
  assert.match(path.basename(await makeTemporaryFolder('artifact', folder.path)), /^await-prediction-artifact-\w{6}$/)
})

test('prediction.json lists the files of its own prediction, without their paths', async () => {
  const body = { id: 'a', status: 'succeeded' }
  const judged: Judged = { outcome: outcomeOf('a', body), verdict: { ok: true } }
  let json = ''
  for await (const part of publicJson(judged, [savedOf('a', 'a.png'), savedOf('b', 'b.png')])) json += part
  assert.deepEqual(JSON.parse(json), {
    ...{ id: 'a', status: 'succeeded', body: { id: 'a', status: 'succeeded', error: null } },
    files: [{ name: 'a.png', size: 3, type: 'image/png', sha256: 'abc', source: 'https://files.example/a.png' }],
  })
})

test('prediction.json of a prediction without a response has only its status', () => {
  const judged: Judged = { outcome: outcomeOf('a'), verdict: { ok: true } }
  assert.deepEqual(JSON.parse(JSON.stringify(publicResult(judged, []))), {
    ...{ id: 'a', status: 'succeeded', body: { error: null }, files: [] },
  })
})
