import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { StoredAnswer } from '../../src/predictions/answer.ts'
import { type Answer, readAnswer } from '../../src/predictions/answer.ts'
import { predictions } from '../../src/predictions/apis/predictions.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { abridged, outputViewOf, storedAnswer } from '../../src/predictions/stored-answer.ts'
import { Turns } from '../../src/predictions/turns.ts'
import type { Judged } from '../../src/predictions/verdict.ts'
import type { StepInputs } from '../../src/runner/inputs.ts'
import { judge } from '../../src/runner/judge.ts'
import { publicJson, writeResultFile } from '../../src/runner/result-file.ts'
import { hideKey } from '../../src/runner/secrets.ts'
import { createTextStore } from '../../src/runner/text-store.ts'
import { printed } from '../support/printed.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const KEY = 'sk-test-0123456789abcdef'
const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions/abc', call: 'get' } as const
const INPUTS = { timeout: { seconds: 60, text: '1m' }, api: predictions, cancelOn: new Set() } as unknown as StepInputs
const OUTPUT = `${KEY}${'x'.repeat(100_000)}`
const BODY = { id: 'abc', status: 'failed', output: OUTPUT, error: `not with ${KEY}`, input: { prompt: 'p' } }

/** The outcome of a wait that kept only a part of the answer. */
async function outcomeIn(folder: string): Promise<Outcome & { answer: Answer & { stored: StoredAnswer } }> {
  const text = await createTextStore(folder).open()
  await text.append([Buffer.from(JSON.stringify(BODY))])
  const read = (json: string): Promise<Answer> => readAnswer(REQUEST, json)
  const stored = storedAnswer(text, read, new Turns())
  const answer = { ...abridged(await read(JSON.stringify(BODY))), stored }
  return { id: 'abc', end: 'ended', status: 'failed', answer, error: undefined, waited: 1 }
}

describe('an outcome of which only a part is in memory', () => {
  hideKey(KEY)

  test('a stored outcome is judged by its whole response, and stored again without the key', async () => {
    await using folder = await temporaryFolder()
    const [judged] = await judge([await outcomeIn(folder.path)], INPUTS)
    assert.ok(judged && !judged.verdict.ok)
    assert.equal(
      judged.verdict.message,
      'Prediction abc failed: not with ***. A prediction that has ended does not change: start a new one.',
    )
    const { answer } = judged.outcome
    assert.equal(typeof answer?.prediction.output, 'symbol')
    assert.ok(outputViewOf(answer).text?.startsWith('***xxx'))
    const file = await writeResultFile([judged], [], folder.path)
    const result = JSON.parse(await readFile(file ?? '', 'utf8'))
    assert.deepEqual(result.predictions, [
      {
        ...{ id: 'abc', end: 'ended', status: 'failed', error: 'not with ***' },
        body: { ...BODY, output: OUTPUT.replace(KEY, '***'), error: 'not with ***' },
        files: [],
      },
    ])
  })

  test('the public JSON of a stored outcome has its whole output', async () => {
    await using folder = await temporaryFolder()
    const [judged] = await judge([await outcomeIn(folder.path)], INPUTS)
    assert.ok(judged)
    let json = ''
    for await (const part of publicJson(judged, [])) json += part
    const { body } = JSON.parse(json)
    assert.deepEqual([body.output, body.error, body.input], [OUTPUT.replace(KEY, '***'), 'not with ***', undefined])
  })

  test('an outcome that cannot be stored again stays in memory, without the key', async () => {
    await using folder = await temporaryFolder()
    const outcome = await outcomeIn(folder.path)
    const stored = { ...outcome.answer.stored, withBody: () => Promise.reject(new Error('no space')) }
    const [judged] = await judge([{ ...outcome, answer: { ...outcome.answer, stored } }], INPUTS)
    assert.equal(judged?.outcome.answer?.body.output, OUTPUT.replace(KEY, '***'))
    assert.equal(judged?.outcome.answer?.stored, undefined)
  })

  test('an outcome that cannot be read again is judged by what is known, with a warning', async () => {
    await using folder = await temporaryFolder()
    const outcome = await outcomeIn(folder.path)
    const stored = { ...outcome.answer.stored, use: () => Promise.reject(new Error('no disk')) }
    let judged: Judged[] = []
    const lines = await printed(async () => {
      judged = await judge([{ ...outcome, answer: { ...outcome.answer, stored } }], INPUTS)
    })
    assert.match(lines, /^::warning::The response for abc could not be read again.*no disk/)
    assert.equal(judged[0]?.verdict.ok, false)
    const { answer } = judged[0]?.outcome ?? {}
    assert.equal(answer?.stored, undefined)
    assert.ok(outputViewOf(answer).text?.startsWith('***xxx'))
  })
})

test('an interrupted prediction is said to be canceled later only if the API and cancel-on say so', async () => {
  const prediction = Prediction.parse({ id: 'abc', status: 'processing' })
  const answer = { prediction, body: {} }
  const outcome: Outcome = { id: 'abc', end: 'interrupted', status: 'processing', answer, error: undefined, waited: 1 }
  const { cancel: _cancel, ...without } = predictions
  const messageOf = async (inputs: object) => {
    const [judged] = await judge([outcome], { ...INPUTS, ...inputs })
    return judged && !judged.verdict.ok ? judged.verdict.message : ''
  }
  const canceled = await messageOf({ cancelOn: new Set(['cancelled']) })
  const left = await messageOf({})
  assert.match(left, /wait for it again/)
  assert.match(canceled, /The post step cancels it/)
  assert.equal(await messageOf({ cancelOn: new Set(['timeout']) }), left)
  assert.equal(await messageOf({ cancelOn: new Set(['cancelled']), api: without }), left)
})
