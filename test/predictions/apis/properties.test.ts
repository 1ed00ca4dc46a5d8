import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Api, Reading } from '../../../src/predictions/apis/api.ts'
import { APIS } from '../../../src/predictions/apis/index.ts'
import { TASK_CASES } from '../../fixtures/tasks.ts'

const TASK_APIS = APIS.filter(({ name }) => name !== 'replicate')
const task = { id: 'v2/task-1', apiUrl: 'https://gateway.example' }
const RUNS = { numRuns: 400 }

/** Words that mean success to one of the APIs, in lower case. */
const SUCCESS = ['success', 'succeeded', 'succeed', 'successful', 'completed', 'complete', 'done', 'finished', 'ready']

/** Every text in JSON, with the path to it; items of lists are `*`. */
function texts(json: unknown, path = ''): [string, string][] {
  if (typeof json === 'string') return [[path, json]]
  if (typeof json !== 'object' || json === null) return []
  return Object.entries(json).flatMap(([key, value]) =>
    texts(value, [path, Array.isArray(json) ? '*' : key].filter(Boolean).join('.')),
  )
}

const outputOf = (reading: Reading): unknown[] =>
  reading.kind === 'prediction' ? [reading.prediction.output].flat().filter((output) => output !== null) : []

const KEYS = [
  ...['code', 'message', 'data', 'status', 'state', 'task_status', 'task', 'task_result', 'videos', 'images', 'output'],
  ...['url', 'video_url', 'video', 'metadata', 'assets', 'image', 'content', 'file', 'file_id', 'fail_reason', 'error'],
  ...[
    'imageUrl',
    'videoUrls',
    'audio_url',
    'result_url',
    'progress',
    'base_resp',
    'status_code',
    'created_at',
    'action',
  ],
]
const word = fc.constantFrom(
  ...[
    'success',
    'SUCCEEDED',
    'succeed',
    'completed',
    'done',
    'failed',
    'FAILURE',
    'queued',
    'unknown',
    'MODAL',
    '',
    '3',
  ],
)
/** JSON that has the keys, words and links of the APIs at random places. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(word, fc.webUrl(), fc.integer(), fc.constant(null), fc.string({ maxLength: 5 })),
    fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 6 }),
    fc.array(tie('value'), { maxLength: 3 }),
  ),
})).value
/** The same with a task in it that has a word at the place where the API has it. */
const withWord = fc
  .tuple(json, fc.constantFrom('status', 'state', 'task_status'), word, fc.boolean())
  .map(([inner, key, status, wrapped]) =>
    wrapped
      ? { code: 'success', data: { [key]: status, data: inner, fail_reason: 'https://x.example/f' } }
      : { ...(inner as object), [key]: status },
  )

describe('no answer of a task API', () => {
  for (const api of TASK_APIS) {
    test(`no response of ${api.name} is a success without a status that means success`, () => {
      fc.assert(
        fc.property(fc.oneof(json, withWord), (body) => {
          const reading = api.read(body, task)
          if (reading.kind !== 'prediction' || reading.prediction.status !== 'succeeded') return
          const said = texts(body).filter(([path]) => /(?:^|\.)(?:status|state|task_status)$/.test(path))
          assert.ok(
            said.some(([, text]) => SUCCESS.includes(text.trim().toLowerCase())),
            JSON.stringify(body),
          )
        }),
        RUNS,
      )
    })
    test(`no response of ${api.name} has an output before it succeeds`, () => {
      fc.assert(
        fc.property(fc.oneof(json, withWord), (body) => {
          const reading = api.read(body, task)
          if (reading.kind === 'prediction' && reading.prediction.status !== 'succeeded')
            assert.deepEqual(outputOf(reading), [])
        }),
        RUNS,
      )
    })
  }
})

/** Where each API may have a file, without the layers around the vendor's object. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  videos: ['video_url', 'metadata.url', 'url', 'video.url', 'output', 'output.*', 'output.url', 'output.*.url'],
  suno: ['*.audio_url', '*.video_url', '*.image_large_url', '*.image_url'],
  midjourney: ['imageUrl', 'videoUrl', 'videoUrls.*.url', 'video_url', 'video_urls.*'],
  kling: ['task_result.videos.*.url', 'task_result.images.*.url', 'task_result.audios.*.url', 'url'],
  runway: ['output.*'],
  luma: ['assets.video', 'assets.image', 'video.url', 'video.download_url', 'video_raw', 'video_raw.url'],
  minimax: ['content.url', 'file.download_url', 'video_url'],
  seedance: ['content.video_url'],
  dashscope: ['output.video_url', 'output.results.*.url'],
}
const snakeCase = (path: string) => path.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const ENVELOPE_PLACES = ['data.result_url', 'data.fail_reason']
const isNamed = (api: Api, path: string): boolean =>
  ENVELOPE_PLACES.includes(path) ||
  ['', 'data.', 'task.', 'data.data.', 'data.task.', 'data.data.data.', 'data.data.task.'].some((layer) =>
    PLACES[api.name]?.some((place) => snakeCase(layer + place) === snakeCase(path)),
  )

describe('a file of a task', () => {
  for (const api of TASK_APIS) {
    test(`a file of ${api.name} comes from a field that the API defines, or is the content of the task`, () => {
      fc.assert(
        fc.property(fc.oneof(json, withWord), (body) => {
          const named = texts(body).flatMap(([path, text]) => (isNamed(api, path) ? [text] : []))
          for (const output of outputOf(api.read(body, task))) {
            assert.ok(
              named.includes(String(output)) || output === 'https://gateway.example/v1/videos/task-1/content',
              `${String(output)} of ${JSON.stringify(body)}`,
            )
          }
        }),
        RUNS,
      )
    })
  }
  test('a file of a task appears once, however often the response names it', () => {
    for (const { api, body } of TASK_CASES) {
      const files = outputOf(APIS.find(({ name }) => name === api)?.read(body, task) ?? { kind: 'unknown-id' })
      assert.equal(new Set(files).size, files.length)
    }
    const twice = { url: 'https://x.example/a.mp4' }
    const kling = APIS.find(({ name }) => name === 'kling')
    const body = { data: { task_status: 'succeed', task_result: { videos: [twice, twice] } } }
    assert.deepEqual(outputOf(kling?.read(body, task) ?? { kind: 'unknown-id' }), ['https://x.example/a.mp4'])
  })
  test('a link outside the fields that the API defines is not taken as a file of the task', () => {
    for (const { api, body, means } of TASK_CASES) {
      const more = { input_image: 'https://x.example/in.png', cover: { url: 'https://x.example/cover.png' } }
      const reading = APIS.find(({ name }) => name === api)?.read({ ...(body as object), ...more }, task)
      assert.deepEqual(reading?.kind === 'prediction' ? reading.prediction.output : undefined, means.output ?? null)
    }
  })
})
