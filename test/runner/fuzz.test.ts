import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readAnswer } from '../../src/predictions/answer.ts'
import { ApiError, RefusalError } from '../../src/predictions/errors.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { createRedactor } from '../../src/predictions/redact.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import { nothingDelivered } from '../../src/runner/delivery.ts'
import { emptyLog, newLogLines } from '../../src/runner/model-log.ts'
import { outputsOf } from '../../src/runner/outputs.ts'
import { redactJudged } from '../../src/runner/secrets.ts'
import { summaryOf } from '../../src/runner/summary.ts'
import { oneLine, severalLines, untrustedBlock } from '../../src/runner/untrusted.ts'
import { carryOut } from '../support/run-action.ts'

const KEY = 'sk-test-0123456789abcdef'
const redactor = createRedactor(KEY)
const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions/abc', call: 'get' } as const

/** Everything that the action makes of one body, as far as it is pure. Undefined where it is refused with a sentence. */
async function digest(
  text: string,
): Promise<{ outputs: Record<string, string>; summary: string; printed: string } | undefined> {
  let outcome: Outcome
  try {
    const answer = await readAnswer(REQUEST, text)
    outcome = { id: 'abc', end: 'ended', status: answer.prediction.status, answer, error: undefined, waited: 1 }
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error))
    assert.match(error.message, /^GET https:/)
    return undefined
  }
  const verdict = verdictOf(outcome, '30m')
  const judged = [await redactJudged({ outcome, verdict }, redactor)]
  const { lines } = newLogLines(emptyLog, outcome.answer?.prediction.logs ?? '', { now: 0, complete: true })
  const message = verdict.ok ? (verdict.warning ?? '') : verdict.message
  return {
    outputs: outputsOf(judged, nothingDelivered),
    summary: summaryOf(judged),
    printed: [
      untrustedBlock(lines.map(redactor.text), '│ '),
      `status: ${redactor.text(oneLine(outcome.status))}`,
      `error: ${redactor.text(severalLines(message)).replaceAll('\n', '%0A')}`,
    ].join('\n'),
  }
}

async function assertHarmless(text: string): Promise<void> {
  const result = await digest(text)
  if (!result) return
  const { outputs, summary, printed } = result
  assert.ok(Buffer.byteLength(summary) < 2 ** 20)
  const acted = carryOut(printed)
  assert.deepEqual(
    [acted.outputs, acted.state, acted.exported, acted.paths, acted.annotations, acted.masks],
    [{}, {}, {}, [], [], []],
  )
  assert.ok(![printed, summary, JSON.stringify(outputs)].some((each) => each.includes(KEY)))
  for (const name of ['output', 'output_urls', 'predictions']) {
    // Longer ones are never set.
    if (Buffer.byteLength(outputs[name] ?? '') <= 32_000) JSON.parse(outputs[name] ?? '')
  }
  assert.deepEqual(Object.keys(Object.prototype), [])
}

const nasty = fc.string({
  unit: fc.constantFrom(
    '::set-output name=x::y',
    '##[add-path]',
    '\r',
    '\n',
    '\u2028',
    '::',
    KEY,
    KEY.slice(0, 12),
    'sk-abc***',
    '<b>',
    '|',
    '`',
    '@x',
    '\ud800',
    '\u0000',
    'https://x.test/a',
    'data:,',
    '50%|█| 1/2 [00:01<00:01]',
    'a',
    '\\',
    '"',
  ),
})
const value = fc.oneof(
  nasty,
  fc.jsonValue({ maxDepth: 4 }),
  fc.double(),
  fc.constantFrom(1e308, -0, '__proto__', 'constructor'),
)
const body = fc.record(
  {
    id: fc.oneof(fc.constant('abc'), nasty),
    status: fc.oneof(fc.constantFrom('succeeded', 'failed', 'canceled', 'aborted'), nasty),
    output: value,
    error: value,
    logs: value,
    model: value,
    version: value,
    metrics: fc.oneof(value, fc.record({ predict_time: value })),
    urls: value,
    created_at: value,
    completed_at: value,
    data_removed: value,
    __proto__: value,
  },
  { requiredKeys: [] },
)

describe('whatever a body holds', () => {
  test('no response can act in the log, expose the key, break the outputs or make the summary too long', async () => {
    await fc.assert(
      fc.asyncProperty(body, (each) => assertHarmless(JSON.stringify(each))),
      { numRuns: 1500 },
    )
  })
  test('invalid JSON, invalid UTF-8, duplicate keys and huge numbers are read or refused with a message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), nasty, fc.json()), (text) => assertHarmless(text)),
      { numRuns: 1000 },
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) =>
        assertHarmless(Buffer.from(bytes).toString('utf8')),
      ),
    )
    for (const text of [
      '{"id":"a","id":"abc","status":"x","status":"succeeded","output":1e999}',
      '{"id":"abc","status":"succeeded","output":-1e-999,"metrics":{"predict_time":1e999}}',
      '{"__proto__":{"polluted":1},"id":"abc","status":"succeeded","constructor":{"prototype":{"polluted":1}}}',
      '\ufeff{"id":"abc","status":"succeeded"}',
    ])
      await assertHarmless(text)
  })
  test('an output of three megabytes, a million strings and a long log are harmless', async () => {
    const prediction = (more: object) => JSON.stringify({ id: 'abc', status: 'succeeded', ...more })
    await assertHarmless(prediction({ output: 'x'.repeat(3_000_000) }))
    await assertHarmless(prediction({ output: Array.from({ length: 1_000_000 }, () => 'x') }))
    await assertHarmless(prediction({ output: Array.from({ length: 1_000_000 }, () => '<') }))
    await assertHarmless(prediction({ logs: '##[x]\r::error::y\n'.repeat(200_000) }))
    await assertHarmless(prediction({ status: 'failed', error: '::error::\n'.repeat(300_000) }))
  })
  test('endless nesting is refused with a message, and brackets in strings do not count as nesting', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `{"id":"abc","status":"succeeded","output":${open.repeat(100_000)}1${close.repeat(100_000)}}`
      assert.equal(await digest(deep), undefined)
    }
    for (const text of ['[{"', '[\\"', '\\\\[', '"\\']) {
      assert.notEqual(
        await digest(JSON.stringify({ id: 'abc', status: 'succeeded', output: text.repeat(5000) })),
        undefined,
      )
      assert.equal(
        await digest(
          `{"id":"abc","status":"succeeded","a":${JSON.stringify(text)},"b":${'['.repeat(600)}${']'.repeat(600)}}`,
        ),
        undefined,
      )
    }
    assert.notEqual(await digest(JSON.stringify({ id: 'abc', status: 'succeeded', output: [[[[1]]]] })), undefined)
  })
})

test('any error body and headers give one bounded message without the key', () => {
  const headers = fc.record(
    { 'retry-after': nasty, 'ratelimit-reset': nasty, date: nasty, location: nasty },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 300, max: 599 }),
      fc.oneof(
        nasty,
        fc.json(),
        body.map((each) => JSON.stringify(each)),
      ),
      headers,
      (status, text, sent) => {
        const error = new RefusalError(REQUEST, { status, headers: sent, text })
        const { retryAfter } = error
        const message = redactor.text(error.message)
        assert.ok(message.length < 2500)
        assert.ok(!message.includes(KEY))
        assert.ok(retryAfter === undefined || (retryAfter > 0 && Number.isFinite(retryAfter)))
      },
    ),
    { numRuns: 1000 },
  )
})
