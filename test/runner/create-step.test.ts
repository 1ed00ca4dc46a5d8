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

/** Starts twenty predictions in virtual time. @returns what came of it, the creations, and the minutes that it took */
async function startTwenty(react: (request: ScriptedRequest, index: number) => Reaction) {
  const clock = new VirtualClock()
  const { dispatcher, requests } = scriptedDispatcher(clock, react)
  const apiUrl = 'https://127.0.0.1:1/v1'
  const client = createClient({ apiUrl, apiKey: KEY, dispatcher, clock })
  const inputs = {
    ...{ api: predictions, apiUrl, apiKey: KEY, target: { model: 'octo/cake' }, modelName: 'cake' },
    ...{ texts: { input: '', inputFile: '', inputs: '', inputsFile: '' }, cancelAfter: undefined, warnings: [] },
  }
  const around = { clock, runner: readContext({}), requests: noRequests(), signal: new AbortController().signal }
  const api = { client, limiter: createRateLimiter({ clock }), [Symbol.asyncDispose]: async () => {} }
  const start = clock.now()
  const results: Awaited<ReturnType<typeof startAll>>[] = []
  await printed(async () => {
    results.push(await clock.run(startAll(TWENTY, inputs, { ...around, api })))
  })
  const [result = assert.fail('nothing was returned')] = results
  const messages = result.failures.map(({ message }) => message).join('\n')
  const creations = requests.filter(({ method }) => method === 'POST').length
  return { started: result.started.length, messages, creations, minutes: (clock.now() - start) / 60 }
}

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
