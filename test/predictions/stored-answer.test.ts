import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { StoredAnswer } from '../../src/predictions/answer.ts'
import { type Answer, readAnswer } from '../../src/predictions/answer.ts'
import { abridged, outputViewOf, storedAnswer } from '../../src/predictions/stored-answer.ts'
import { Turns } from '../../src/predictions/turns.ts'
import { createTextStore } from '../../src/runner/text-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions/abc', call: 'get' } as const
const read = (text: string): Promise<Answer> => readAnswer(REQUEST, text)
const answerOf = (fields: object) => read(JSON.stringify({ id: 'abc', status: 'succeeded', ...fields }))

describe('what stays in memory of a large answer', () => {
  test('the end of a long log stays in memory, with the number of characters before it', async () => {
    const logs = `${'a'.repeat(2 ** 20)}${'b'.repeat(10)}`
    const { prediction, logStart } = abridged(await answerOf({ logs }))
    assert.equal(prediction.logs, logs.slice(10))
    assert.equal(logStart, 10)
  })

  test('the start of other long texts stays in memory', async () => {
    const long = 'x'.repeat(2 ** 16 + 1)
    const clipped = `${'x'.repeat(2 ** 16)}…`
    const fields = { status: long, model: long, version: long, error: long, created_at: long, completed_at: long }
    const { prediction, body } = abridged(await answerOf(fields))
    const { id, status, model, version, error, created_at, completed_at } = prediction
    assert.deepEqual([id, status, model, version, error, created_at, completed_at], ['abc', ...Array(6).fill(clipped)])
    assert.deepEqual(body, {})
  })

  test('the URL of a stream stays in memory up to 65,536 characters', async () => {
    const urls = (length: number) => ({ stream: 'x'.repeat(length) })
    const kept = async (length: number) => abridged(await answerOf({ urls: urls(length) })).prediction.urls
    assert.deepEqual(await kept(2 ** 16), urls(2 ** 16))
    assert.equal(await kept(2 ** 16 + 1), undefined)
  })

  test('the known fields of a prediction stay in memory if its texts are short', async () => {
    const fields = {
      ...{ output: { a: [1] }, error: { message: 'no' }, logs: 'l', metrics: { predict_time: 1.5, more: 1 } },
      ...{ model: 'o/m', version: 'v', urls: { stream: 'https://s.test/' }, created_at: 'c', completed_at: 'd' },
      data_removed: true,
    }
    const { prediction } = await answerOf(fields)
    assert.deepEqual(abridged(await answerOf(fields)).prediction, {
      ...prediction,
      error: 'no',
      metrics: { predict_time: 1.5 },
    })
  })

  test('the shown part of an output stays in memory', async () => {
    const output = Array(10_000).fill('https://files.test/a.png')
    const part = abridged(await answerOf({ output }))
    assert.equal(typeof part.prediction.output, 'symbol')
    const view = outputViewOf(part)
    assert.deepEqual(view, outputViewOf(await answerOf({ output })))
    assert.equal(view.urls.length, 5000)
    assert.ok(view.json.length > 2 ** 16 && view.json.length < 2 ** 16 + 100)
    assert.equal(outputViewOf(abridged(await answerOf({ output: 'y'.repeat(100_000) }))).text, 'y'.repeat(2 ** 16))
  })
})

describe('a stored answer', () => {
  async function* stored(fields: object): AsyncGenerator<StoredAnswer> {
    await using folder = await temporaryFolder()
    const text = await createTextStore(folder.path).open()
    await text.append([Buffer.from(JSON.stringify({ id: 'abc', status: 'succeeded', ...fields }))])
    const answer = storedAnswer(text, read, new Turns())
    yield answer
    await answer.close()
    await assert.rejects(answer.use(async () => {}))
  }

  test('a stored response is read as a whole, by one caller at a time', async () => {
    for await (const answer of stored({ output: 'x' })) {
      let inUse = 0
      const use = () =>
        answer.use(async ({ prediction }) => {
          assert.equal(++inUse, 1)
          await new Promise((resolve) => setImmediate(resolve))
          inUse--
          return prediction.output
        })
      assert.deepEqual(await Promise.all([use(), use(), use()]), ['x', 'x', 'x'])
    }
  })

  test('a stored response with another body leaves the first one unchanged, and splits no character', async () => {
    for await (const answer of stored({ output: 'x' })) {
      for (const character of ['\u{10000}', '\u{10ffff}']) {
        // In its middle the first part of the JSON of the output would end, which begins with a quotation mark.
        const output = `${'x'.repeat(2 ** 20 - 2)}${character}${'x'.repeat(2 ** 20)}`
        const other = await answer.withBody({ id: 'abc', status: 'succeeded', output })
        assert.equal(await other.use(async ({ prediction }) => prediction.output), output)
        await other.close()
      }
      assert.equal(await answer.use(async ({ prediction }) => prediction.output), 'x')
      const parts: Buffer[] = []
      for await (const part of answer.json()) parts.push(part)
      assert.equal(Buffer.concat(parts).toString(), '{"id":"abc","status":"succeeded","output":"x"}')
    }
  })
})
