import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readAnswer } from '../../src/predictions/answer.ts'
import { INVISIBLE } from '../../src/predictions/invisible.ts'
import { createRedactor } from '../../src/predictions/redact.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import { nothingDelivered } from '../../src/runner/delivery.ts'
import { outputsOf } from '../../src/runner/outputs.ts'
import { publicResult } from '../../src/runner/result-file.ts'
import { hideKey, redacted, redactJudged } from '../../src/runner/secrets.ts'
import { summaryOf } from '../../src/runner/summary.ts'

const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions/abc', call: 'get' } as const

/** Everything that leaves the process because of one answer. */
async function sinksOf(body: Record<string, unknown>, key: string | undefined): Promise<Record<string, string>> {
  const answer = await readAnswer(REQUEST, JSON.stringify({ id: 'abc', status: 'succeeded', ...body }))
  const { status } = answer.prediction
  const outcome = { id: 'abc', end: 'ended', status, answer, error: undefined, waited: 1 } as const
  const raw = { outcome, verdict: verdictOf(outcome, '30m') }
  const judged = key === undefined ? raw : await redactJudged(raw, createRedactor(key))
  return {
    ...outputsOf([judged], nothingDelivered),
    summary: summaryOf([judged]),
    public: JSON.stringify(publicResult(judged, [])),
    body: JSON.stringify(judged.outcome.answer?.body),
  }
}

/** A summary as a reader sees it, and any text without what is not seen. */
const seen = (text: string) =>
  text
    .replace(/<[^>]*>/g, '')
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/\\u([\da-f]{4})/gi, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replace(INVISIBLE, '')

const keyCharacter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_.~+/='.split(''))
const key = fc.string({ unit: keyCharacter, minLength: 12, maxLength: 60 })
const spelling = fc.constantFrom(
  (c: string) => c,
  (c: string) => `\\u00${c.charCodeAt(0).toString(16)}`,
  (c: string) => `%${c.charCodeAt(0).toString(16)}`,
  (c: string) => `\u200e${c}`,
  (c: string) => `\u0000${c}`,
)
const hidden = key.chain((plain) =>
  fc.record({
    plain: fc.constant(plain),
    form: fc
      .array(spelling, { minLength: plain.length, maxLength: plain.length })
      .map((spellings) => [...plain].map((c, i) => spellings[i]?.(c)).join('')),
  }),
)
const field = fc.constantFrom('status', 'error', 'logs', 'output', 'model', 'version', 'created_at', 'other')
const shape = fc.constantFrom<(text: string) => unknown>(
  (text) => text,
  (text) => `before ${text} after`,
  (text) => [...text],
  (text) => ({ [text]: { message: text } }),
  (text) => [`https://files.test/${text}/a.png`, { a: [text] }],
)

test('text is unchanged until a key is hidden, and loses that key from then on', async () => {
  const key = 'sk-test-0123456789abcdef'
  const text = `the key ${key} is invalid`
  const value = { [text]: [key], count: 1 }
  const all = async () => {
    const prepared = await redacted.prepare(value)
    return [
      redacted.text(text),
      redacted.identifier(key),
      redacted.tokens(['a', key]),
      redacted.value(value),
      prepared.text(text),
    ]
  }
  assert.deepEqual(await all(), [text, key, ['a', key], value, text])
  hideKey(key)
  const clean = 'the key *** is invalid'
  assert.deepEqual(await all(), [clean, '***', ['a', '***'], { [clean]: ['***'], count: 1 }, clean])
})

test('the key is removed from warnings, messages and outcomes without a response', async () => {
  const key = 'sk-test-0123456789abcdef'
  const outcome = { id: 'abc', end: 'refused', status: key, answer: undefined, error: undefined, waited: 1 } as const
  const verdicts = [
    { ok: true, warning: `It holds ${key}.` },
    { ok: true },
    { ok: false, kind: 'failed', title: 'Failed', message: `Because of ${key}.` },
  ] as unknown as Parameters<typeof redactJudged>[0]['verdict'][]
  const judged = await Promise.all(verdicts.map((verdict) => redactJudged({ outcome, verdict }, createRedactor(key))))
  assert.deepEqual(
    judged.map(({ outcome, verdict }) => [outcome.status, outcome.answer, verdict]),
    [
      ['***', undefined, { ok: true, warning: 'It holds ***.' }],
      ['***', undefined, { ok: true }],
      ['***', undefined, { ...verdicts[2], message: 'Because of ***.' }],
    ],
  )
})

describe('for any key', () => {
  test('for any key and any response without it, nothing that leaves the process is changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        key,
        fc.dictionary(field, fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.webUrl())),
        async (plain, body) => {
          assert.deepEqual(
            await sinksOf({ ...body, status: 'succeeded' }, plain),
            await sinksOf({ ...body, status: 'succeeded' }, undefined),
          )
        },
      ),
      { numRuns: 500 },
    )
  })
  test('for any key and any response that contains it, nothing that leaves the process has it', async () => {
    await fc.assert(
      fc.asyncProperty(hidden, field, shape, async ({ plain, form }, name, put) => {
        const value = put(form)
        const sinks = await sinksOf({ [name]: name === 'status' && typeof value !== 'string' ? form : value }, plain)
        for (const [sink, text] of Object.entries(sinks)) {
          assert.ok(!seen(text).includes(plain), `${sink}: ${text}`)
          assert.ok(!seen(text.replaceAll('","', '')).includes(plain), `${sink}: ${text}`)
          assert.ok(!text.includes(form), `${sink}: ${text}`)
        }
      }),
      { numRuns: 500 },
    )
  })
  test('for any key and any error with twelve characters of it, no output, summary or message has them', async () => {
    await fc.assert(
      fc.asyncProperty(key, fc.nat(48), fc.string(), fc.string(), async (plain, from, before, after) => {
        const piece = plain.slice(Math.min(from, plain.length - 12)).slice(0, 12)
        const body = { status: 'failed', error: before + piece + after, logs: `${before}${piece}\n` }
        const { status: _, ...sinks } = await sinksOf(body, plain)
        for (const [sink, text] of Object.entries(sinks)) assert.ok(!seen(text).includes(piece), `${sink}: ${text}`)
      }),
      { numRuns: 500 },
    )
  })
})
