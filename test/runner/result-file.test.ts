import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Judged } from '../../src/predictions/verdict.ts'
import { publicResult } from '../../src/runner/result-file.ts'

const described = (body: Record<string, unknown>) =>
  publicResult(
    { outcome: { id: 'abc', status: 'succeeded', answer: { body } }, verdict: { ok: true } } as unknown as Judged,
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
