import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ApiError, ConnectionError, RefusalError } from '../../src/predictions/errors.ts'
import { FailureJudge } from '../../src/predictions/failure-judge.ts'
import { DOUBT_INTERVAL } from '../../src/predictions/patience.ts'
import { WaitStep } from '../../src/predictions/wait-step.ts'
import { scriptedDispatcher, VirtualClock, waitOptions } from '../support/virtual-time.ts'

const REQUEST = { method: 'GET', url: 'https://a.test/predictions/abc' } as const
const refused = (status: number, text = '') => new RefusalError(REQUEST, { status, headers: {}, text })
const unconnected = new ConnectionError(REQUEST, Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
const untrusted = new ConnectionError(REQUEST, Object.assign(new Error('expired'), { code: 'CERT_HAS_EXPIRED' }))

/** A step in virtual time, with a judge for each ID. */
function world(parallelJobs = 1) {
  const clock = new VirtualClock()
  const { dispatcher } = scriptedDispatcher(clock, () => 'hang')
  const step = new WaitStep(waitOptions(clock, dispatcher, { parallelJobs, random: () => 0.5 }))
  const judges = new Map<string, FailureJudge>()
  const judgeOf = (id: string) => {
    const judge = judges.get(id) ?? new FailureJudge(id, step)
    judges.set(id, judge)
    return judge
  }
  const fail = (error: ApiError, { id = 'abc', hasAnswer = false } = {}) =>
    judgeOf(id).judge({ error, sent: step.now(), planned: 0.5, hasAnswer })
  const pass = (seconds: number) => clock.run(clock.sleep(seconds))
  /** Fails every so many seconds until the wait gives up. @returns the seconds until then */
  const failUntilTheEnd = async (error: ApiError, every: number, hasAnswer = false) => {
    const start = step.now()
    while (fail(error, { hasAnswer }) !== 'give up' && step.now() < start + 10_000) await pass(every)
    return step.now() - start
  }
  /** Seconds until another prediction may be polled. */
  const heldUp = async () => {
    const start = step.now()
    await clock.run(step.doubt.turn('other', new AbortController().signal))
    return step.now() - start
  }
  return { step, heldUp, judgeOf, fail, pass, failUntilTheEnd }
}

describe('a failure before any good answer', () => {
  test('a refusal that may concern one prediction ends the wait for that one only', () => {
    for (const error of [refused(400), refused(410), refused(402), refused(403)]) {
      const { step, fail } = world()
      assert.equal(fail(error), 'give up')
      assert.equal(step.doubt.believed.aborted, false, error.message)
    }
  })

  test('a refusal of the key or by a web page ends all waits of the step', () => {
    for (const error of [refused(401), refused(302), refused(403, '<html>'), refused(402, '<html>')]) {
      const { step, fail } = world()
      assert.equal(fail(error), 'give up')
      assert.equal(step.doubt.error, error)
    }
  })

  test('a transient failure is retried as long as patience lasts', async () => {
    const { step, fail, failUntilTheEnd } = world()
    assert.equal(typeof fail(refused(503)), 'number')
    assert.equal(await failUntilTheEnd(refused(503), 10), 300)
    assert.equal(step.doubt.believed.aborted, false)
  })

  test('patience is longer for many jobs that share an account', async () => {
    assert.equal(await world(1600).failUntilTheEnd(refused(503), 10), 600)
  })

  test('patience begins anew with a good response', async () => {
    const { judgeOf, fail, pass } = world()
    fail(refused(503))
    await pass(299)
    judgeOf('abc').reset()
    fail(refused(503))
    await pass(299)
    assert.notEqual(fail(refused(503)), 'give up')
  })
})

describe('a failure after a good answer to another prediction', () => {
  const afterAnswer = () => {
    const played = world()
    played.step.lastGood = played.step.now()
    return played
  }

  test('a failure of the connection is retried after a good response to another prediction', async () => {
    for (const error of [refused(503), unconnected, untrusted]) {
      assert.ok((await afterAnswer().failUntilTheEnd(error, 30)) >= 10_000, error.message)
    }
    const { step, fail } = world()
    assert.equal(step.lastGood, undefined)
    assert.equal(fail(untrusted), 'give up')
  })

  test('a refusal of the account is polled again, and one of the prediction is final', () => {
    assert.equal(typeof afterAnswer().fail(refused(401)), 'number')
    const { step, fail } = afterAnswer()
    assert.equal(fail(refused(400)), 'give up')
    assert.equal(step.doubt.believed.aborted, false)
  })
})

describe('a doubt after a good answer', () => {
  test('a refusal that lasts for a minute ends the wait that got it', async () => {
    for (const error of [refused(401), refused(404)]) {
      const { step, failUntilTheEnd } = world()
      step.lastGood = step.now()
      assert.equal(await failUntilTheEnd(error, DOUBT_INTERVAL, true), 60)
      assert.equal(step.doubt.believed.aborted, false)
    }
  })

  test('refusals of the account to several predictions count together, and end all waits', async () => {
    const { step, fail, pass } = world()
    step.lastGood = step.now()
    const ids = ['a', 'b', 'c', 'd', 'e']
    for (const id of ids) {
      assert.notEqual(fail(refused(401), { id, hasAnswer: true }), 'give up')
      await pass(DOUBT_INTERVAL)
    }
    assert.equal(fail(refused(401), { id: 'f', hasAnswer: true }), 'give up')
    assert.equal(step.doubt.believed.aborted, true)
  })

  test('refusals of several predictions do not count together', async () => {
    const { step, fail, pass } = world()
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
      assert.notEqual(fail(refused(404), { id, hasAnswer: true }), 'give up')
      await pass(DOUBT_INTERVAL)
    }
    assert.equal(step.doubt.believed.aborted, false)
  })

  test('a refusal of the account holds up other predictions, unless one of them had a good response since', async () => {
    for (const isContradicted of [false, true]) {
      const { step, fail, pass, heldUp } = world()
      step.lastGood = step.now()
      await pass(1)
      fail(refused(403), { hasAnswer: true })
      await pass(1)
      if (isContradicted) {
        step.lastGood = step.now()
        step.doubt.resolve()
      }
      await pass(1)
      fail(refused(403), { hasAnswer: true })
      assert.equal(await heldUp(), isContradicted ? 0 : DOUBT_INTERVAL)
    }
  })
})
