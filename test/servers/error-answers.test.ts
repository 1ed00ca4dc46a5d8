import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from '../../src/predictions/client.ts'
import { CreateError, createPrediction } from '../../src/predictions/create.ts'
import { says, seeded } from '../support/faults.ts'
import { KEY, playWait, type Reaction, scriptedDispatcher, VirtualClock } from '../support/virtual-time.ts'
import { COG, FRONT, LITELLM, ONE_API } from './error-answers.ts'

interface Judgment {
  /** What the first answer of a wait leads to; for `grace` only after ten seconds. */
  wait: 'refused' | 'grace' | 'retried'
  /** What it leads to as the answer to a creation. */
  creation: 'refused' | 'retried' | 'may run'
  message: RegExp
  /** Seconds that the answer asks for. */
  hint?: number
}

const refused = (message: RegExp): Judgment => ({ wait: 'refused', creation: 'refused', message })
const unclear = (message: RegExp, hint = 0): Judgment => ({ wait: 'retried', creation: 'may run', message, hint })
const unknown = (message: RegExp): Judgment => ({ wait: 'grace', creation: 'refused', message })
const throttled = (hint: number): Judgment => ({ wait: 'retried', creation: 'retried', message: /throttled/, hint })
const noPrediction = (message: RegExp): Judgment => ({ wait: 'refused', creation: 'may run', message })

const key = (said: string) => refused(new RegExp(`${said} \\(request id: \\d+\\)\\. The key is invalid, has expired`))

/** Each answer of each server, and how it is judged. */
const SERVERS: Record<string, readonly [Record<string, Reaction>, Record<string, Judgment>]> = {
  'one-api': [
    ONE_API,
    {
      noKey: key('未提供令牌'),
      wrongKey: key('无效的令牌'),
      quotaUsedUp: key('该令牌额度已用尽'),
      keyExpired: key('该令牌已过期'),
      keyDisabled: key('该令牌状态不可用'),
      channelUnknown: refused(/400 Bad Request: 无效的渠道 Id/),
      channelDisabled: refused(/该渠道已被禁用.*is not allowed to do that/),
      noChannel: unclear(/无可用渠道/),
      originAway: unclear(/do request failed: .*EOF.*\(code: do_request_failed\)/),
      originSilent: unclear(/context deadline exceeded/),
      originThrottles: throttled(3),
      originUnavailable: unclear(/503 Service Unavailable: upstream connect error/, 2),
      unknownPath: unknown(/Invalid URL .*path of api-url is probably wrong/),
      page: noPrediction(/a web page titled "One API", not a prediction/),
    } satisfies Record<keyof typeof ONE_API, Judgment>,
  ],
  litellm: [
    LITELLM,
    {
      originAway: unclear(/Cannot connect to host gateway\.test:443/),
      wrongKey: refused(/No connected db\./),
      unknownPath: unknown(/404 Not Found/),
      originThrottles: throttled(2),
    } satisfies Record<keyof typeof LITELLM, Judgment>,
  ],
  cog: [
    COG,
    {
      settingUp: unclear(/503 Service Unavailable: Setup has not finished yet/),
      busy: unclear(/409 Conflict: At capacity/),
      noSuchCall: refused(/405 Method Not Allowed with no message/),
      notJson: refused(/Failed to parse the request body as JSON/),
      invalidInput: refused(/body\.input\.steps: value is not a valid integer/),
      withoutId: noPrediction(/not a prediction/),
    } satisfies Record<keyof typeof COG, Judgment>,
  ],
  'a server in front': [
    FRONT,
    {
      unauthorized: refused(/a web page titled "401 Authorization Required"/),
      forbidden: refused(/a web page titled "403 Forbidden"/),
      tooLarge: refused(/413.*a web page titled "413 Request Entity Too Large"/),
      badGateway: unclear(/a web page titled "502 Bad Gateway"/),
      gatewayTimeout: unclear(/a web page titled "504 Gateway Time-out"/),
      challenge: refused(/challenge page from a service/),
    } satisfies Record<keyof typeof FRONT, Judgment>,
  ],
}

/** Starts a prediction on a server that gives the answer once. */
async function create(once: Reaction) {
  const clock = new VirtualClock()
  const { dispatcher, requests } = scriptedDispatcher(clock, (_, index) => (index === 0 ? once : says('starting')))
  const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
  const options = { client, clock, signal: new AbortController().signal, onRetry() {}, warn() {} }
  const created = createPrediction({ target: { model: 'o/m' }, input: {}, cancelAfter: undefined }, options)
  const error = await clock.run(created.then(() => undefined).catch((thrown: unknown) => thrown))
  return { error, requests }
}

for (const [server, [answers, judgements]] of Object.entries(SERVERS))
  describe(`what ${server} answers`, () => {
    for (const [name, judgement] of Object.entries(judgements)) {
      const answer = answers[name] as Reaction
      const random = seeded(1)

      test(`${name} of ${server} as the first response of a wait leads to: ${judgement.wait}`, async () => {
        const { outcome } = await playWait(() => answer, { timeout: 1800, random })
        assert.match(outcome.error?.message ?? '', judgement.message)
        const { outcome: after, requests } = await playWait((_, i) => (i === 0 ? answer : says('succeeded')), {
          random,
        })
        assert.deepEqual([after.end, requests.length], judgement.wait === 'refused' ? ['refused', 1] : ['ended', 2])
        assert.ok((requests[1]?.at ?? Number.POSITIVE_INFINITY) >= (judgement.hint ?? 0))
        if (judgement.wait === 'grace') assert.ok(outcome.waited >= 10 && outcome.waited < 15, `${outcome.waited} s`)
      })

      test(`${name} of ${server} does not end a wait that has had a good response`, async () => {
        const { outcome } = await playWait(
          (_, i) => [says('processing'), answer, says('processing'), answer][i] ?? says('succeeded'),
          { random },
        )
        assert.deepEqual([outcome.end, outcome.status], ['ended', 'succeeded'])
      })

      test(`${name} of ${server} as the response to a create request leads to: ${judgement.creation}`, async () => {
        const { error, requests } = await create(answer)
        if (judgement.creation === 'retried') return assert.deepEqual([error, requests.length], [undefined, 2])
        assert.ok(error instanceof CreateError, String(error))
        assert.match(error.message, judgement.message)
        assert.deepEqual([error.mayRun, requests.length], [judgement.creation === 'may run', 1])
      })
    }
  })
