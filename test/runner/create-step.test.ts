import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { predictions } from '../../src/predictions/apis/predictions.ts'
import { createClient } from '../../src/predictions/client.ts'
import { createRateLimiter } from '../../src/predictions/rate-limiter.ts'
import { readContext } from '../../src/runner/context.ts'
import { startAll } from '../../src/runner/create-step.ts'
import { noRequests } from '../../src/runner/requests.ts'
import { printed } from '../support/printed.ts'
import { KEY, type Reaction, type ScriptedRequest, scriptedDispatcher, VirtualClock } from '../support/virtual-time.ts'

const TWENTY = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, input: {} }))
const created = (i: number): Reaction => ({ status: 201, body: `{"id":"p${i}","status":"starting"}` })
const THROTTLED: Reaction = { status: 429, body: '{"detail":"slow down"}' }

type React = (request: ScriptedRequest, index: number) => Reaction

/** Starts predictions in virtual time. @returns what came of it, the log, the creations, and the minutes that it took */
async function start(named: typeof TWENTY, react: React, signal = new AbortController().signal) {
  const clock = new VirtualClock()
  const { dispatcher, requests } = scriptedDispatcher(clock, react)
  const apiUrl = 'https://127.0.0.1:1/v1'
  const client = createClient({ apiUrl, apiKey: KEY, dispatcher, clock })
  const inputs = {
    ...{ api: predictions, apiUrl, apiKey: KEY, target: { model: 'octo/cake' }, modelName: 'cake' },
    ...{ texts: { input: '', inputFile: '', inputs: '', inputsFile: '' }, cancelAfter: undefined, warnings: [] },
  }
  const around = { clock, runner: readContext({}), requests: noRequests(), signal }
  const api = { client, limiter: createRateLimiter({ clock }), [Symbol.asyncDispose]: async () => {} }
  const began = clock.now()
  const results: Awaited<ReturnType<typeof startAll>>[] = []
  const log = await printed(async () => {
    results.push(await clock.run(startAll(named, inputs, { ...around, api })))
  })
  const [result = assert.fail('nothing was returned')] = results
  const { failures } = result
  const messages = failures.map(({ message }) => message).join('\n')
  const creations = requests.filter(({ method }) => method === 'POST').length
  return {
    started: result.started.length,
    failures,
    messages,
    log: log.replaceAll(/^::debug::.*\n/gm, ''),
    creations,
    minutes: (clock.now() - began) / 60,
  }
}

const startTwenty = (react: React) => start(TWENTY, react)

describe('many creations', () => {
  test('create waits out 429 responses for five minutes in total, then starts nothing more', async () => {
    const { started, messages, minutes } = await startTwenty((_, i) => (i < 3 ? created(i) : THROTTLED))
    assert.equal(started, 3)
    assert.ok(minutes <= 5.1, `${minutes} min`)
    assert.match(messages, /^n3: POST .* returned 429 Too Many Requests: slow down\.$/m)
    assert.match(messages, /others: No prediction was started: the API refused an earlier one \(429\)\.$/m)
    assert.match(messages, /^3 other predictions were started and keep running: p0, p1, p2\./m)
  })

  test('create takes as long as it needs while the API accepts a prediction now and then', async () => {
    const { started, minutes } = await startTwenty((_, i) =>
      i % 2 === 0 ? { ...THROTTLED, headers: { 'retry-after': '60' } } : created(i),
    )
    assert.equal(started, 20)
    assert.ok(minutes > 15, `${minutes} min`)
  })

  for (const code of ['ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT']) {
    test(`create stops after five minutes without a connection (${code})`, async () => {
      for (const before of [0, 3]) {
        const { started, messages, minutes } = await startTwenty((_, i) =>
          i < before ? created(i) : { code, latency: 10 },
        )
        assert.equal(started, before)
        assert.ok(minutes <= 5.3, `${minutes} min`)
        assert.match(messages, /others: No prediction was started: the API could not be reached\.$/m)
      }
    })
  }

  test('create stops if the responses to the first ten requests were all lost', async () => {
    const { messages, creations } = await startTwenty(() => ({ status: 504, body: '', latency: 60 }))
    assert.equal(creations, 10)
    assert.match(messages, /others: No prediction was started: the first 10 have all failed\.$/m)
  })
})

describe('the report on creations', () => {
  const model = (i: number): Reaction => ({
    status: 201,
    body: `{"id":"p${i}","status":"starting","model":"octo/cake"}`,
  })
  const REFUSED: Reaction = { status: 422, body: '{"detail":"no such model"}' }

  test('a single creation is reported without its name, several with theirs', async () => {
    const one = await start(TWENTY.slice(0, 1), (_, i) => model(i))
    assert.equal(one.log, 'started prediction p0 of octo/cake: starting\n')
    assert.deepEqual([one.started, one.failures], [1, []])
    const two = await start(TWENTY.slice(0, 2), (_, i) => created(i))
    assert.equal(two.log, 'n0: started prediction p0: starting\nn1: started prediction p1: starting\n')
    assert.deepEqual(two.failures, [])
  })

  test('a refusal is a failure without a warning of others if none was started', async () => {
    const { failures, started } = await start(TWENTY.slice(0, 2), () => REFUSED)
    assert.equal(started, 0)
    assert.ok(failures.length > 0)
    assert.ok(failures.every(({ title }) => title === 'Prediction not started'))
  })

  test('a prediction that keeps running beside a failure is named, unless the step was interrupted', async () => {
    const react: React = (_, i) => (i === 0 ? created(0) : REFUSED)
    const { failures } = await start(TWENTY.slice(0, 2), react)
    assert.deepEqual(failures.at(-1), {
      title: 'Predictions keep running',
      message:
        '1 other prediction was started and keeps running: p0. Wait for it with prediction-id before you run this job again.',
    })
    const interrupt = new AbortController()
    const interrupted = await start(
      TWENTY.slice(0, 2),
      (request, i) => {
        if (i === 1) interrupt.abort(new Error('The step was canceled.'))
        return react(request, i)
      },
      interrupt.signal,
    )
    assert.ok(interrupted.failures.length > 0)
    assert.ok(interrupted.failures.every(({ title }) => title === 'Prediction not started'))
  })
})
