import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Api, Reading } from '../../../src/predictions/apis/api.ts'
import { contentUrl, envelopeOf } from '../../../src/predictions/apis/gateway.ts'
import { APIS } from '../../../src/predictions/apis/index.ts'
import { TASK_CASES } from '../../fixtures/tasks.ts'

const apiUrl = 'https://gateway.example'
const apiOf = (name: string): Api => {
  const api = APIS.find((each) => each.name === name)
  assert.ok(api, `there is no API ${name}`)
  return api
}
const read = (name: string, body: unknown, id = 'task-1'): Reading => apiOf(name).read(body, { id, apiUrl })
const predictionIn = (reading: Reading) => {
  assert.equal(reading.kind, 'prediction')
  return reading
}

describe('an answer about a task', () => {
  for (const { api, name, body, id = 'task-1', means } of TASK_CASES) {
    test(`a response of ${api} reads as ${means.status}: ${name}`, () => {
      const { prediction, progress, lookup } = predictionIn(read(api, body, id))
      assert.deepEqual(
        {
          id: prediction.id,
          status: prediction.status,
          output: prediction.output,
          error: prediction.error,
          created: prediction.created_at,
          completed: prediction.completed_at,
          progress,
          lookup: lookup?.path,
        },
        {
          id,
          output: null,
          error: null,
          created: undefined,
          completed: undefined,
          progress: undefined,
          lookup: undefined,
          ...means,
        },
      )
    })
  }
  test('a task in the envelope of a gateway has a refresh interval of 15 s', () => {
    const record = { status: 'IN_PROGRESS', progress: '30%', data: {} }
    assert.equal(predictionIn(read('runway', { code: 'success', data: record })).refresh, 15)
    assert.equal(predictionIn(read('runway', { status: 'RUNNING' })).refresh, undefined)
  })
  test('a status that is not documented is passed on as it is', () => {
    assert.equal(predictionIn(read('luma', { state: 'Pondering' })).prediction.status, 'Pondering')
  })
  test('a refused query of Kling is read as a refusal with its code and message', () => {
    const refused = { code: 1302, message: 'Too many requests', data: null }
    assert.deepEqual(read('kling', refused, 'text2video/1'), {
      kind: 'refusal',
      code: '1302',
      message: 'Too many requests',
      transient: true,
    })
    assert.deepEqual(read('kling', { ...refused, code: 1102, message: 'No balance' }, 'text2video/1'), {
      kind: 'refusal',
      code: '1102',
      message: 'No balance',
      transient: false,
    })
  })
  test('a refusal of MiniMax in base_resp is read as a refusal, even beside empty fields of a task', () => {
    const refused = (status_code: number, status_msg: string) => ({ base_resp: { status_code, status_msg } })
    assert.deepEqual(read('minimax', refused(1002, 'rate limit')), {
      kind: 'refusal',
      code: '1002',
      message: 'rate limit',
      transient: true,
    })
    assert.deepEqual(read('minimax', refused(1008, 'insufficient balance')), {
      kind: 'refusal',
      code: '1008',
      message: 'insufficient balance',
      transient: false,
    })
    const emptied = { task_id: '', status: '', file_id: '', ...refused(1008, 'insufficient balance') }
    assert.deepEqual(read('minimax', emptied), read('minimax', refused(1008, 'insufficient balance')))
  })
  test('a response with an empty status is read as one about a task', () => {
    const submitted = { code: 'success', message: '', data: { task_id: '1', status: '', data: null } }
    for (const [api, id] of [
      ['minimax', '1'],
      ['kling', 'text2video/1'],
    ] as const)
      assert.equal(read(api, submitted, id).kind, 'prediction')
    assert.equal(read('midjourney', { id: '1', status: '' }).kind, 'prediction')
  })
  test('reading a response without a status names the missing field', () => {
    assert.deepEqual(read('luma', { id: 'task-1', status: 'completed' }), {
      kind: 'other',
      expected: 'the string state',
    })
    assert.deepEqual(read('suno', { code: 'success', data: [] }), { kind: 'other', expected: 'the string data.status' })
    assert.deepEqual(read('kling', { code: 0, data: {} }, 'text2video/1'), {
      kind: 'other',
      expected: 'the string task_status or status',
    })
  })
})

describe('an ID that is not known', () => {
  const says = (name: string, json: unknown, empty = false) => apiOf(name).isUnknownId({ json, empty })
  test('an unknown ID is recognized by the words of the gateway', () => {
    for (const name of ['videos', 'suno', 'kling', 'luma']) {
      assert.equal(says(name, { code: 'task_not_exist', message: 'task_not_exist', data: null }), true)
      assert.equal(says(name, { code: 'invalid_request', message: 'no' }), false)
    }
    assert.equal(says('midjourney', { description: 'task_no_found ', type: 'upstream_error', code: 4 }), true)
    assert.equal(says('midjourney', { description: 'quota', type: 'upstream_error', code: 4 }), false)
    assert.equal(says('suno', { code: 'success', data: null }), true)
    for (const json of [{ code: 'success', data: {} }, { code: 'success' }, { data: null }, 'success', null]) {
      assert.equal(says('suno', json), false, JSON.stringify(json))
    }
    assert.deepEqual(read('suno', { code: 'success', message: '', data: null }), { kind: 'unknown-id' })
    assert.deepEqual(read('suno', { code: 'task_not_exist', data: null }), { kind: 'unknown-id' })
  })
  test('an empty body means an unknown ID only with the Midjourney proxy', () => {
    assert.equal(says('midjourney', undefined, true), true)
    assert.equal(says('videos', undefined, true), false)
  })
  test('the code task_not_exist does not mean an unknown ID with the API of predictions', () => {
    assert.equal(says('replicate', { code: 'task_not_exist' }), false)
  })
})

describe('the envelope of a gateway', () => {
  const record = { status: 'SUCCESS', data: { id: 'task-1' } }
  test('the envelope of a gateway holds its record and the response of the vendor', () => {
    for (const code of ['success', 'SUCCESS'])
      assert.deepEqual(envelopeOf({ code, data: record }), { record, inner: { id: 'task-1' } })
  })
  test('JSON with another code, or without a text status in its record, is not an envelope', () => {
    for (const json of [
      { code: 'error', data: record },
      { code: 0, data: record },
      { data: record },
      { code: 'success', data: { ...record, status: 5 } },
      { code: 'success', data: {} },
      { code: 'success', data: null },
      'success',
      null,
    ]) {
      assert.equal(envelopeOf(json), undefined, JSON.stringify(json))
    }
  })
})

describe('the path of a task', () => {
  const paths: [string, string, string][] = [
    ['replicate', 'abc', '/predictions/abc'],
    ['videos', 'sora-2:task_01k', '/v1/videos/sora-2:task_01k'],
    ['suno', 'abc', '/suno/fetch/abc'],
    ['midjourney', '1773314942177684', '/mj/task/1773314942177684/fetch'],
    ['kling', 'text2video/8781', '/kling/v1/videos/text2video/8781'],
    ['kling', 'images/generations/8781', '/kling/v1/images/generations/8781'],
    ['kling', 'audio/text-to-audio/8781', '/kling/v1/audio/text-to-audio/8781'],
    ['runway', 'abc', '/runwayml/v1/tasks/abc'],
    ['luma', 'abc', '/dream-machine/v1/generations/abc'],
    ['minimax', '1768', '/v1/query/video_generation?task_id=1768'],
    ['minimax', 'v2/1768', '/v2/query/video_generation/1768'],
    ['dashscope', '86ecf553-d340', '/api/v1/tasks/86ecf553-d340'],
    ['seedance', 'cgt-2026-gx5l7', '/volc/v3/contents/generations/tasks/cgt-2026-gx5l7'],
  ]
  for (const [name, id, path] of paths) {
    test(`the path of task ${id} with api ${name} is ${path}`, () => {
      assert.equal(apiOf(name).isId(id), true)
      assert.equal(apiOf(name).path(id), path)
    })
  }
  test('an ID that would lead out of its path is invalid', () => {
    for (const { name, isId } of APIS) {
      for (const id of [
        '',
        '/',
        '../x',
        'a/../b',
        'a//b',
        'a/b/',
        '.',
        '..',
        'a b',
        'a?b',
        'a#b',
        'a\\b',
        '%2e%2e',
        'a%2fb',
      ]) {
        assert.equal(isId(id), false, `${name} takes ${JSON.stringify(id)}`)
      }
    }
  })
  test('a Kling ID needs the kind of work, and only a MiniMax ID may have the version v2', () => {
    assert.equal(apiOf('kling').isId('8781'), false)
    assert.equal(apiOf('minimax').isId('v1/8781'), false)
    for (const name of ['replicate', 'videos', 'suno', 'midjourney', 'runway', 'luma', 'seedance'])
      assert.equal(apiOf(name).isId('v2/8781'), false, name)
  })
})

describe('canceling', () => {
  test('only predictions and tasks of Runway can be canceled', () => {
    assert.deepEqual(
      APIS.flatMap(({ name, cancel }) => (cancel ? [[name, cancel.method, cancel.path('abc')]] : [])),
      [
        ['replicate', 'POST', '/predictions/abc/cancel'],
        ['runway', 'DELETE', '/runwayml/v1/tasks/abc'],
      ],
    )
  })
})

describe('the content of a task', () => {
  const task = { id: 'task-1', apiUrl: 'https://gateway.example/base' }
  test('the content of a task is fetched from the address of the API, whatever host the link names', () => {
    for (const host of ['https://gateway.example', 'https://other.example', 'http://127.0.0.1:8080/deep']) {
      assert.equal(
        contentUrl(`${host}/v1/videos/task-1/content`, task),
        'https://gateway.example/base/v1/videos/task-1/content',
      )
    }
  })
  test('a link to another task or another path is not the content of the task', () => {
    for (const path of [
      '/v1/videos/task-2/content',
      '/v1/videos/task-1',
      '/api/user/self',
      '/v1/videos/task-1/content/x',
    ])
      assert.equal(contentUrl(`https://gateway.example/base${path}`, task), undefined)
    assert.equal(contentUrl('https://gateway.example/?x=/v1/videos/task-1/content', task), undefined)
    assert.equal(contentUrl('data:video/mp4,/v1/videos/task-1/content', task), undefined)
  })
  test('the URL of the content has the ID of the task without the kind of work', () => {
    assert.equal(
      contentUrl('https://x.example/v1/videos/8781/content', { id: 'text2video/8781', apiUrl }),
      'https://gateway.example/v1/videos/8781/content',
    )
  })
})

describe('a film of the videos format', () => {
  const filmed = (more: Record<string, unknown>) => {
    const { prediction } = predictionIn(read('videos', { id: 'task-1', status: 'completed', ...more }))
    return { output: prediction.output, created: prediction.created_at, error: prediction.error }
  }
  const film = 'https://files.example.com/out.mp4'
  test('a video of the videos format is found wherever gateways put its link', () => {
    for (const place of [
      { video_url: film },
      { metadata: { url: film } },
      { url: film },
      { video: { url: film } },
      { output: film },
      { output: [film] },
      { output: { url: film } },
      { output: [{ url: film }] },
    ]) {
      assert.deepEqual(filmed(place).output, [film], JSON.stringify(place))
    }
  })
  test('the creation time of a video is read from created_at or created', () => {
    const created = '2025-10-09T12:06:41.000Z'
    for (const name of ['created_at', 'created']) {
      assert.equal(filmed({ url: film, [name]: 1_760_011_601 }).created, created, name)
    }
  })
})

describe('the path of a Kling task', () => {
  test('the path of a Kling task has the family that the ID names, else videos', () => {
    const { path, isId } = apiOf('kling')
    assert.equal(path('text2video/8781'), '/kling/v1/videos/text2video/8781')
    for (const family of ['videos', 'images', 'audio']) {
      assert.equal(path(`${family}/generations/8781`), `/kling/v1/${family}/generations/8781`)
    }
    assert.deepEqual(['8781', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/d/e'].map(isId), [false, true, true, true, false])
  })
  test('a numeric Kling code is a refusal unless it is 0, and transient only if it is 1302 or 1303', () => {
    const refusal = (code: unknown) => read('kling', { code, message: 'no' })
    for (const code of [1302, 1303]) {
      assert.deepEqual(refusal(code), { kind: 'refusal', code: String(code), message: 'no', transient: true })
    }
    assert.deepEqual(refusal(1102), { kind: 'refusal', code: '1102', message: 'no', transient: false })
    assert.deepEqual(read('kling', { code: 1102 }), { kind: 'refusal', code: '1102', message: '', transient: false })
    for (const code of [0, '1302']) assert.notEqual(refusal(code).kind, 'refusal')
  })
})
