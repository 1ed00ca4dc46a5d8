import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { APIS } from '../../../src/predictions/apis/index.ts'
import { cancelPredictions, describeCancellations } from '../../../src/predictions/cancel.ts'
import { createClient } from '../../../src/predictions/client.ts'
import { createRateLimiter } from '../../../src/predictions/rate-limiter.ts'
import { KEY, type PlayOptions, playWait, scriptedDispatcher, VirtualClock } from '../../support/virtual-time.ts'

const apiOf = (name: string) => {
  const api = APIS.find((each) => each.name === name)
  assert.ok(api)
  return api
}
const ok = (body: unknown) => ({ status: 200, body: JSON.stringify(body) })
const UNKNOWN = { status: 400, body: '{"code":"task_not_exist","message":"task_not_exist","data":null}' }
const play = (name: string, react: Parameters<typeof playWait>[0], options: PlayOptions = {}) =>
  playWait(react, { api: apiOf(name), random: () => 0.5, ...options })

describe('a task', () => {
  test('a task is polled every five seconds', async () => {
    const { requests } = await play('videos', ({ at }) =>
      ok(at < 29 ? { status: 'in_progress', progress: 10 } : { status: 'completed', video_url: 'https://x.example/a' }),
    )
    const gaps = requests.slice(1).map(({ at }, i) => Math.round(at - (requests[i]?.at ?? 0)))
    assert.deepEqual(gaps, [5, 5, 5, 5, 5, 5])
  })
  test('a task is polled every fifteen seconds once it came in the envelope of a gateway', async () => {
    const { requests, outcome } = await play('suno', ({ at }) =>
      ok({ code: 'success', data: { status: at < 40 ? 'IN_PROGRESS' : 'SUCCESS', progress: '10%', data: [] } }),
    )
    const gaps = requests.slice(1).map(({ at }, i) => Math.round(at - (requests[i]?.at ?? 0)))
    assert.deepEqual(gaps.slice(0, 3), [15, 15, 15])
    assert.equal(outcome.status, 'succeeded')
  })
  test('a task is polled at the interval that the user sets', async () => {
    const { requests } = await play('videos', (_, i) => ok({ status: i < 3 ? 'queued' : 'failed' }), {
      schedule: () => ({ first: () => 0, next: () => 1, left: () => undefined }),
    })
    assert.equal(Math.round(requests.at(-1)?.at ?? 0), 3)
  })
  test('a task that is unknown at first is requested again for some seconds', async () => {
    const { outcome } = await play('suno', (_, i) =>
      i < 3 ? UNKNOWN : ok({ code: 'success', data: { status: 'SUCCESS', data: [] } }),
    )
    assert.equal(outcome.status, 'succeeded')
  })
  for (const [name, what, answer] of [
    ['videos', 'a 400', UNKNOWN],
    ['midjourney', 'a 400', { status: 400, body: '{"description":"task_no_found ","type":"upstream_error","code":4}' }],
    ['midjourney', 'an empty 200', { status: 200, body: '' }],
    ['suno', 'a 200 without data', ok({ code: 'success', message: '', data: null })],
  ] as const) {
    test(`${what} of ${name} for an unknown ID ends the wait within half a minute`, async () => {
      const { outcome, took } = await play(name, () => answer)
      assert.equal(outcome.end, 'refused')
      assert.equal(outcome.error?.retryability, 'not-found')
      assert.match(outcome.error?.message ?? '', /check api-key and api-url/)
      assert.ok(took >= 10 && took < 30, `${took} s`)
    })
  }
  test('a task is waited for if a failing proxy returns empty responses', async () => {
    const { outcome } = await play('midjourney', (_, i) =>
      i < 6 ? { status: 502, body: '' } : ok({ status: 'SUCCESS', imageUrl: 'https://x.example/a.png' }),
    )
    assert.equal(outcome.status, 'succeeded')
  })
  test('a refusal in a body with status 200 ends the wait with the message of the API', async () => {
    const { outcome, requests } = await play('minimax', () =>
      ok({ base_resp: { status_code: 1008, status_msg: 'insufficient balance' } }),
    )
    assert.equal(outcome.end, 'refused')
    assert.equal(requests.length, 1)
    assert.equal(
      outcome.error?.message,
      'GET https://127.0.0.1:1/v1/v1/query/video_generation?task_id=abc was refused: insufficient balance (code: 1008).',
    )
  })
  test('a transient refusal in a body with status 200 is retried', async () => {
    for (const status_code of [1000, 1001, 1002, 1024, 1033]) {
      const { outcome } = await play('minimax', (_, i) =>
        ok(
          i < 2
            ? { base_resp: { status_code, status_msg: 'later' } }
            : { status: 'Success', video_url: 'https://x.example/a.mp4', base_resp: { status_code: 0 } },
        ),
      )
      assert.equal(outcome.status, 'succeeded', String(status_code))
    }
  })
})

describe('a file that has only an ID', () => {
  const task = ok({ status: 'Success', file_id: '17/68', base_resp: { status_code: 0, status_msg: 'success' } })
  test('a file that has only an ID is looked up with a second request', async () => {
    const { outcome, requests } = await play('minimax', ({ path }) =>
      path.includes('/files/') ? ok({ file: { file_id: 1768, download_url: 'https://x.example/a.mp4' } }) : task,
    )
    assert.deepEqual(outcome.answer?.prediction.output, ['https://x.example/a.mp4'])
    assert.deepEqual(
      requests.map(({ path }) => path),
      ['/v1/v1/query/video_generation?task_id=abc', '/v1/v1/files/retrieve?file_id=17%2F68'],
    )
  })
  test('the lookup of a file is retried after a transient failure', async () => {
    const { outcome } = await play('minimax', ({ path }, i) => {
      if (!path.includes('/files/')) return task
      return i < 4 ? { status: 503, body: '' } : ok({ file: { download_url: 'https://x.example/a.mp4' } })
    })
    assert.equal(outcome.status, 'succeeded')
  })
  test('the lookup of a file is retried after a transient refusal in a body with status 200', async () => {
    const { outcome } = await play('minimax', ({ path }, i) => {
      if (!path.includes('/files/')) return task
      return i < 4
        ? ok({ base_resp: { status_code: 1002, status_msg: 'rate limit' } })
        : ok({ file: { download_url: 'https://x.example/a.mp4' } })
    })
    assert.equal(outcome.status, 'succeeded')
  })
})

test('a task that DashScope does not know counts as failed, and the error says why', async () => {
  const { outcome, requests } = await play('dashscope', () =>
    ok({ request_id: 'x', output: { task_id: 'abc', task_status: 'UNKNOWN' } }),
  )
  assert.deepEqual([outcome.end, outcome.status], ['ended', 'failed'])
  assert.match(
    String(outcome.answer?.prediction.error),
    /does not know this task: the ID is wrong, or the task is older/,
  )
  assert.equal(requests.length, 1)
})

describe('canceling a task', () => {
  const cancel = async (react: Parameters<typeof scriptedDispatcher>[1]) => {
    const clock = new VirtualClock()
    const { dispatcher, requests } = scriptedDispatcher(clock, react)
    const client = createClient({ api: apiOf('runway'), apiUrl: 'https://x.example', apiKey: KEY, dispatcher, clock })
    const limiter = createRateLimiter({ clock })
    const signal = new AbortController().signal
    const results = await clock.run(cancelPredictions(['abc'], { client, clock, limiter, signal }))
    return { line: describeCancellations(results), methods: requests.map(({ method }) => method) }
  }
  test('canceling a running task of Runway deletes it', async () => {
    const { line, methods } = await cancel(({ method }) =>
      method === 'GET' ? ok({ status: 'RUNNING' }) : { status: 204, body: '' },
    )
    assert.equal(line, 'abc canceled')
    assert.deepEqual(methods, ['GET', 'DELETE'])
  })
  test('canceling never deletes a task of Runway that has ended', async () => {
    const { line, methods } = await cancel(() => ok({ status: 'SUCCEEDED', output: [] }))
    assert.equal(line, 'abc had already ended (succeeded)')
    assert.deepEqual(methods, ['GET'])
  })
  test('canceling fetches a task of Runway again before it retries the deletion, because it may have ended', async () => {
    const { line, methods } = await cancel(({ method }, i) => {
      if (method === 'DELETE') return { status: 503, body: '' }
      return ok(i === 0 ? { status: 'RUNNING' } : { status: 'SUCCEEDED', output: [] })
    })
    assert.equal(line, 'abc had already ended (succeeded)')
    assert.deepEqual(methods, ['GET', 'DELETE', 'GET'])
  })
  test('a task of Runway counts as canceled if it no longer exists after a deletion without a response', async () => {
    const { line } = await cancel(({ method }, i) => {
      if (method === 'DELETE') return { code: 'ECONNRESET' }
      return i === 0 ? ok({ status: 'RUNNING' }) : { status: 404, body: '{}' }
    })
    assert.equal(line, 'abc canceled')
  })
  test('canceling a task of Runway is impossible behind a gateway without that call', async () => {
    const { line } = await cancel(({ method }) =>
      method === 'GET' ? ok({ status: 'RUNNING' }) : { status: 404, body: '{"error":{"message":"Invalid URL"}}' },
    )
    assert.equal(line, 'abc cannot be canceled: the API does not support it')
  })
})
