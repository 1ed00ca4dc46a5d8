import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import { type Delivered, nothingDelivered } from '../../src/runner/delivery.ts'
import { joinReasons, outputsOf, reasonLine } from '../../src/runner/outputs.ts'
import { ended as judged } from '../support/judged.ts'

const ended = (id: string, body: Record<string, unknown>) => judged({ id, ...body })

function timedOut(id: string) {
  const outcome: Outcome = { id, end: 'timeout', status: '', answer: undefined, error: undefined, waited: 9 }
  return { outcome, verdict: verdictOf(outcome, '30m') }
}

const refused = (name: string, error: string) => ({ name, status: 'refused' as const, error })
const skipped = (name: string) => ({ name, status: 'skipped' as const, error: undefined })

const saved = (predictionId: string, file: string) => ({
  predictionId,
  path: `/out/${file}`,
  name: file,
  size: 1,
  type: 'image/png',
  sha256: '',
})

describe('the outputs', () => {
  test('the outputs of one prediction are its values as they are', () => {
    const body = {
      model: 'black-forest-labs/flux',
      version: 'abc',
      output: ['https://files.example.com/a.png', 'https://files.example.com/b.png'],
      metrics: { predict_time: 1.5 },
      created_at: '2026-01-01T00:00:00Z',
      completed_at: '2026-01-01T00:00:02.5Z',
    }
    const delivery = { ...nothingDelivered, files: [saved('a', 'a.png'), saved('a', 'b.png')] } as Delivered
    const described = {
      name: 'a',
      id: 'a',
      status: 'succeeded',
      model: 'black-forest-labs/flux',
      version: 'abc',
      error: null,
      predict_time: 1.5,
      output_urls: body.output,
      files: ['/out/a.png', '/out/b.png'],
    }
    const { predictions, results, ...values } = outputsOf([ended('a', body)], delivery)
    assert.deepEqual(JSON.parse(predictions), [described])
    assert.deepEqual(JSON.parse(results), { a: described })
    assert.deepEqual(values, {
      status: 'succeeded',
      output: JSON.stringify(body.output),
      output_urls: JSON.stringify(body.output),
      output_url: body.output[0],
      output_text: '',
      predict_time: '1.5',
      total_time: '2.5',
      error: '',
      files: '/out/a.png\n/out/b.png',
      artifact_id: '',
      artifact_url: '',
      artifact_digest: '',
      release_urls: '[]',
    })
  })

  test('the outputs of several predictions are lists in the order of the predictions', () => {
    const failed = ended('b', { status: 'failed', error: 'NSFW', output: 'half' })
    const delivery = { ...nothingDelivered, files: [saved('b', 'b.txt'), saved('a', 'a.txt')] } as Delivered
    const outputs = outputsOf([ended('a', { output: 'a cake' }), failed], delivery)
    assert.equal(outputs.status, 'failed')
    assert.equal(outputs.output, '["a cake","half"]')
    assert.equal(outputs.output_text, 'a cake\nhalf')
    assert.equal(outputs.error, 'b: NSFW')
    const described = JSON.parse(outputs.predictions)
    assert.deepEqual(
      described.map(({ id, error, files, model, version, predict_time }: Record<string, unknown>) => [
        ...[id, error, files],
        ...[model, version, predict_time],
      ]),
      [
        ['a', null, ['/out/a.txt'], null, null, null],
        ['b', 'NSFW', ['/out/b.txt'], null, null, null],
      ],
    )
    assert.deepEqual(JSON.parse(outputs.results), { a: described[0], b: described[1] })
  })

  test('an input without a prediction is described by its name', () => {
    const entries = [
      { ...ended('a', { output: 'x' }), name: 'cake' },
      refused('hero', 'No such\nmodel.'),
      skipped('menu'),
    ]
    const outputs = outputsOf(entries, nothingDelivered)
    const described = JSON.parse(outputs.predictions)
    assert.deepEqual(described.slice(1), [
      { name: 'hero', id: null, status: 'refused', error: 'No such ⏎ model.' },
      { name: 'menu', id: null, status: 'skipped', error: null },
    ])
    assert.deepEqual([described[0].name, described[0].id], ['cake', 'a'])
    assert.deepEqual(Object.keys(JSON.parse(outputs.results)), ['cake', 'hero', 'menu'])
    assert.equal(outputs.error, 'hero: No such ⏎ model.')
    assert.equal(outputs.status, '')
  })

  test('a skipped input counts as succeeded, and a refused one does not', () => {
    assert.equal(outputsOf([skipped('a')], nothingDelivered).status, 'succeeded')
    assert.equal(outputsOf([skipped('a'), refused('b', 'No.')], nothingDelivered).status, '')
    assert.equal(outputsOf([], nothingDelivered).status, '')
  })

  test('the failed attempts of an input are listed, and their times are part of the sum', () => {
    const earlier = [ended('a1', { status: 'failed', metrics: { predict_time: 2 } }).outcome]
    const retried = { ...ended('a2', { metrics: { predict_time: 1 } }), name: 'cake', earlier }
    const once = { ...ended('b', {}), name: 'menu', earlier: [] }
    const outputs = outputsOf([retried, once], nothingDelivered)
    const [first, second] = JSON.parse(outputs.predictions)
    assert.deepEqual([first.attempts, first.predict_time], [['a1'], 3])
    assert.equal('attempts' in second, false)
    assert.equal(outputs.predict_time, '3')
  })

  test('the error names predictions by their inputs, and has the reasons of the delivery last', () => {
    const failed = { ...ended('a', { status: 'failed', error: 'NSFW' }), name: 'cake' }
    const failures = [{ title: 'File not saved', message: 'No room.' }]
    const outputs = outputsOf([failed, refused('hero', 'No such model.')], { ...nothingDelivered, failures })
    assert.equal(outputs.error, 'cake: NSFW\nhero: No such model.\nNo room.')
    assert.equal(outputsOf([failed], { ...nothingDelivered, failures }).error, 'NSFW\nNo room.')
  })

  test('the first artifact and the attached files are named', () => {
    const artifact = { id: 7, name: 'a', url: 'https://example.com/7', digest: 'abc', size: 1 }
    const delivery = {
      ...nothingDelivered,
      artifacts: [artifact, { ...artifact, id: 8 }],
      releaseUrls: ['https://example.com/a', undefined, 'https://example.com/b'],
    }
    const outputs = outputsOf([ended('a', {})], delivery)
    assert.deepEqual(
      [outputs.artifact_id, outputs.artifact_url, outputs.artifact_digest, outputs.release_urls],
      ['7', 'https://example.com/7', 'abc', '["https://example.com/a","https://example.com/b"]'],
    )
  })

  test('values of hundreds of predictions are cut as soon as they are too long to be set', () => {
    const [count, size] = [100, 1000]
    const url = `https://files.example.com/${'x'.repeat(size)}`
    const many = (body: Record<string, unknown>) => Array.from({ length: count }, (_, i) => ended(`id${i}`, body))
    const files = Array.from({ length: count }, (_, i) => saved(`id${i}`, 'x'.repeat(size)))
    const text = outputsOf(many({ output: 'x'.repeat(size) }), { ...nothingDelivered, files } as Delivered)
    const urls = outputsOf(many({ output: [url] }), nothingDelivered)
    for (const value of [text.output, text.output_text, text.predictions, text.results, text.files, urls.output_urls]) {
      assert.ok(value.length > 32_000 && value.length < 32_000 + 3 * size, `${value.length} characters`)
    }
    assert.equal(urls.output_url, url)
  })

  test('a value that can be set is complete', () => {
    const texts = Array.from({ length: 10 }, (_, i) => String(i).repeat(3199))
    const all = texts.map((output, i) => ended(`id${i}`, { output }))
    assert.equal(outputsOf(all, nothingDelivered).output_text, texts.join('\n'))
  })

  test('the output has the worst status of all', () => {
    const WORST_FIRST = ['failed', 'aborted', 'canceled', 'processing', 'succeeded']
    for (const [i, status] of WORST_FIRST.entries()) {
      for (const other of WORST_FIRST.slice(i)) {
        const both = [status, other].map((each) => ended(each, { status: each }))
        for (const judged of [both, both.toReversed()]) {
          assert.equal(outputsOf(judged, nothingDelivered).status, status, `${status} and ${other}`)
        }
      }
    }
  })

  test('a status that is not known is worse than succeeded only, and no status is worse than running', () => {
    const statusOf = (...statuses: string[]) =>
      outputsOf(
        statuses.map((status) => (status === '' ? timedOut('t') : ended(status, { status }))),
        nothingDelivered,
      ).status
    assert.equal(statusOf('succeeded', 'odd'), 'odd')
    assert.equal(statusOf('odd', 'canceled'), 'canceled')
    assert.equal(statusOf('processing', 'starting'), 'starting')
    assert.equal(statusOf('starting', ''), '')
    assert.equal(statusOf('', 'canceled'), 'canceled')
  })

  test('the output predict_time is a sum without artificial digits', () => {
    const judged = [0.1, 0.2].map((predict_time, i) => ended(`id${i}`, { metrics: { predict_time } }))
    assert.equal(outputsOf(judged, nothingDelivered).predict_time, '0.3')
    assert.equal(
      outputsOf([ended('a', { metrics: { predict_time: 8.733386377 } })], nothingDelivered).predict_time,
      '8.733386377',
    )
    assert.equal(outputsOf([ended('a', {})], nothingDelivered).predict_time, '')
  })

  test('the output named output is empty for a single prediction without a response, and for a single input without a prediction', () => {
    assert.equal(outputsOf([timedOut('a')], nothingDelivered).output, '')
    assert.equal(outputsOf([refused('hero', 'No credit.')], nothingDelivered).output, '')
    assert.equal(outputsOf([ended('a', { output: null })], nothingDelivered).output, 'null')
    assert.equal(outputsOf([timedOut('a'), ended('b', { output: 'text' })], nothingDelivered).output, '[null,"text"]')
  })

  test('a total time of zero seconds is set, and none if a prediction has no response', () => {
    const at = '2026-01-01T00:00:00Z'
    const instant = ended('a', { created_at: at, completed_at: at })
    assert.equal(outputsOf([instant], nothingDelivered).total_time, '0')
    assert.equal(outputsOf([ended('a', {})], nothingDelivered).total_time, '')
    assert.equal(outputsOf([instant, timedOut('b')], nothingDelivered).total_time, '')
  })
})

describe('the reasons of the output error', () => {
  test('reasons that fill the output are counted, and never more than it can take', () => {
    for (const text of ['broken '.repeat(100), '显存不足'.repeat(3000), '🎂'.repeat(5000), 'x'.repeat(7990)]) {
      for (const count of [1, 2, 3, 60]) {
        const error = joinReasons(Array(count).fill(text))
        const lines = error.split('\n')
        assert.ok(error.startsWith(text.slice(0, 600)), error.slice(0, 100))
        assert.ok(Buffer.byteLength(error) <= 32_000, `${Buffer.byteLength(error)} bytes`)
        const isCut = lines.at(-1)?.startsWith('… and ') ?? false
        assert.equal(isCut ? lines.at(-1) : '', isCut ? `… and ${count - lines.length + 1} more` : '')
        assert.equal(isCut || lines.length === count, true, `${lines.length} lines of ${count}`)
      }
    }
    assert.equal(joinReasons(Array(4).fill('x'.repeat(7970))).split('\n').length, 4)
    assert.equal(joinReasons([]), '')
  })

  test('a reason is one line of at most 8000 characters in which no command can act', () => {
    assert.equal(reasonLine('two\r\n::error::lines'), 'two ⏎ ::error::lines')
    assert.equal(reasonLine('::error::no'), ': :error::no')
    assert.equal(reasonLine('x'.repeat(8001)), `${'x'.repeat(8000)}…`)
  })
})
