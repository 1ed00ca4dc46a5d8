import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { APIS } from '../../src/predictions/apis/index.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import type { Judged } from '../../src/predictions/verdict.ts'
import { publicResult } from '../../src/runner/result-file.ts'
import { TASK_CASES } from '../fixtures/tasks.ts'

const described = (body: Record<string, unknown>) =>
  publicResult(
    {
      outcome: { id: 'abc', status: 'succeeded', answer: { body, prediction: body } },
      verdict: { ok: true },
    } as unknown as Judged,
    [],
  )

test('prediction.json holds what is public, and of everything else nothing, whatever it is called', () => {
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

test('prediction.json holds nothing of fields that have another form than they should', () => {
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
  test('holds its files and times as they were read', () => {
    const music = TASK_CASES.find(({ name }) => name === 'music with two clips')
    const { status, output, created_at } = bodyOf('suno', music?.body)
    assert.deepEqual(
      { status, output, created_at },
      { status: 'succeeded', output: music?.means.output, created_at: '2026-03-01T12:00:00.000Z' },
    )
  })
  test('holds no prompt, wherever the API repeats it', () => {
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
