import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { readStatus } from '../../src/predictions/prediction.ts'
import { FINAL, PASSING, randomScript, says, seeded } from '../support/faults.ts'
import {
  playWait,
  type Reaction,
  type ScriptedRequest,
  scriptedDispatcher,
  startWait,
  VirtualClock,
} from '../support/virtual-time.ts'

const play = (react: (request: ScriptedRequest, index: number) => Reaction, timeout = 1800, random = seeded(1)) =>
  playWait(react, { timeout, random })

/** The moments at which a fault can come; each tells what to answer to a request when the fault is that one. */
const MOMENTS: Readonly<Record<string, (fault: Reaction) => (request: ScriptedRequest, index: number) => Reaction>> = {
  'on the first request': (fault) => (_, i) => (i === 0 ? fault : says('succeeded')),
  'on the first three requests': (fault) => (_, i) => (i < 3 ? fault : says('succeeded')),
  'once in the middle': (fault) => (_, i) => (i === 5 ? fault : says(i < 10 ? 'processing' : 'succeeded')),
  'every other time': (fault) => (_, i) => (i % 2 === 1 ? fault : says(i < 20 ? 'processing' : 'succeeded')),
  'for ten minutes in the middle':
    (fault) =>
    ({ at }, i) =>
      i > 2 && at < 600 ? fault : says(at < 600 ? 'processing' : 'succeeded'),
  'when the prediction ends':
    (fault) =>
    ({ at }) =>
      at > 30 && at < 60 ? fault : says(at <= 30 ? 'processing' : 'succeeded'),
  'until just before the deadline':
    (fault) =>
    ({ at }, i) =>
      i > 0 && at < 1700 ? fault : says(at < 1700 ? 'processing' : 'succeeded'),
}

describe('a fault that passes never ends a wait that can still succeed, and nobody is hammered', () => {
  let played = 0
  for (const [moment, script] of Object.entries(MOMENTS)) {
    test(`none of ${Object.keys(PASSING).length} transient faults ends a wait if it occurs ${moment}`, async () => {
      for (const [name, fault] of Object.entries(PASSING)) {
        const { outcome, requests, took } = await play(script(fault))
        assert.equal(outcome.status, 'succeeded', name)
        assert.ok(requests.length <= 15 + took / 0.75, `${name}: ${requests.length} requests in ${took} s`)
        for (const [i, { at }] of requests.entries()) {
          const before = requests[i - 10]
          assert.ok(before === undefined || at - before.at > 1, `${name}: ten requests within a second`)
        }
        played++
      }
    })
  }
  test('a transient fault of any kind on the very last request ends the wait as timed out', async () => {
    for (const [name, fault] of Object.entries(PASSING)) {
      const { outcome, took } = await play(({ at }) => (at > 55 ? fault : says('processing')), 60)
      assert.equal(outcome.end, 'timeout', name)
      assert.equal(outcome.status, 'processing')
      assert.ok(took <= 62 + 1e-6, `${name}: ${took} s`)
      played++
    }
  })
  test('two transient faults of any kinds in a row do not end a wait', async () => {
    const kinds = Object.entries(PASSING)
    for (const [a, first] of kinds) {
      for (const [b, second] of kinds) {
        const answers = [says('processing'), first, second, says('processing')]
        const { outcome } = await play((_, i) => answers[i] ?? says('succeeded'))
        assert.equal(outcome.status, 'succeeded', `${a}, ${b}`)
        played++
      }
    }
  })
  after(() => console.log(`fault matrix: ${played} combinations of faults and moments played`))
})

test('a permanent fault ends the wait at once at the start, and after a minute in the middle', async () => {
  for (const [name, fault] of Object.entries(FINAL)) {
    const start = await play(() => fault)
    assert.deepEqual([start.outcome.end, start.requests.length], ['refused', 1], name)
    const middle = await play((_, i) => (i < 4 ? says('processing') : fault), 600)
    // What was fine a moment ago is the way's fault, not the setting's.
    assert.equal(middle.outcome.end, name === 'certificate' ? 'timeout' : 'refused', name)
    if (middle.outcome.end === 'refused') assert.equal(middle.requests.length, 4 + 6, name)
  }
})

test('a GET that stays silent for ten seconds is sent a second time, and the second response counts', async () => {
  const hangs = (_: ScriptedRequest, i: number) => (i === 1 ? 'hang' : says(i < 3 ? 'processing' : 'succeeded'))
  const { outcome, requests } = await play(hangs)
  assert.equal(outcome.status, 'succeeded')
  assert.equal(requests.length, 4)
  assert.equal(((requests[2]?.at ?? 0) - (requests[1]?.at ?? 0)).toFixed(6), '10.000000')
})

test('a request to a server that hangs times out, and is sent again', async () => {
  const hangs = (_: ScriptedRequest, i: number) =>
    i === 1 || i === 2 ? 'hang' : says(i < 4 ? 'processing' : 'succeeded')
  const { outcome, requests, took } = await play(hangs)
  assert.equal(outcome.status, 'succeeded')
  assert.equal(requests.length, 5)
  assert.ok(took > 90 && took < 100, `${took} s`)
})

test('random sequences of faults lead to the expected outcome', async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seeded(seed)
    const script = randomScript(random)
    const { outcome, requests, took } = await play((request) => script.react(request), script.timeout, random)
    const fits =
      outcome.end === 'ended'
        ? script.right.ended !== undefined && outcome.status === readStatus(script.right.ended).status
        : outcome.end === 'timeout' && script.right.timeout
    assert.ok(
      fits,
      `seed ${seed}: ${outcome.end} ${outcome.status} ${outcome.error?.message}, demanded ${JSON.stringify(script.right)}`,
    )
    assert.ok(took <= script.timeout + 2 + 1e-6)
    assert.ok(requests.length <= 15 + took / 0.45, `seed ${seed}: ${requests.length} requests in ${took} s`)
  }
})

test('256 jobs on an account of 3,000 requests a minute all succeed within the limit, and none is starved', async () => {
  const clock = new VirtualClock()
  const ends = seeded(7)
  const over = Array.from({ length: 256 }, () => 2 + ends() * 120)
  let minute = 0
  let count = 0
  let refused = 0
  const { dispatcher, requests } = scriptedDispatcher(clock, ({ at, path }) => {
    if (Math.floor(at / 60) !== minute) {
      minute = Math.floor(at / 60)
      count = 0
    }
    if (++count > 3000) {
      refused++
      return { status: 429, body: '', headers: { 'retry-after': String(60 - (at % 60)) } }
    }
    const id = path.split('/').at(-1) ?? ''
    return says(at >= (over[Number(id.slice(1))] ?? 0) ? 'succeeded' : 'processing', id)
  })
  const outcomes = await clock.run(
    Promise.all(
      over.map((_, job) => {
        return startWait(clock, dispatcher, { ids: [`p${job}`], parallelJobs: 256, random: seeded(job) })
      }),
    ),
  )
  assert.ok(outcomes.every(([outcome]) => outcome?.status === 'succeeded'))
  assert.equal(refused, 0, `${refused} of ${requests.length} refused`)
  for (const [job, [outcome]] of outcomes.entries())
    assert.ok((outcome?.waited ?? 0) - (over[job] ?? 0) < 10, `job ${job} heard of its end late`)
})
