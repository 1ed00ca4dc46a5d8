import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Answer } from '../../src/predictions/answer.ts'
import { type BatchOptions, runBatch } from '../../src/predictions/batch.ts'
import { CreateError } from '../../src/predictions/create.ts'
import { ConnectionError, RefusalError } from '../../src/predictions/errors.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const REQUEST = { method: 'POST', url: 'https://api.test/v1/predictions' } as const
const answerOf = (id: string, status: string, error: unknown = null): Answer => {
  const prediction = { id, status, error }
  return { prediction, body: prediction }
}
const ended = (id: string, status: string, error?: unknown): Outcome => ({
  id,
  end: 'ended',
  status,
  answer: answerOf(id, status, error),
  error: undefined,
  waited: 1,
})
const refused = (status: number) =>
  new CreateError(`refused ${status}`, {
    mayRun: false,
    cause: new RefusalError(REQUEST, { status, headers: {}, text: '' }),
  })

interface World {
  /** What the n-th creation, from 0, is answered with; an ID by default. */
  create?(name: string, n: number): Error | undefined
  /** How the prediction of an entry ends; `attempt` counts from 1. */
  end?(name: string, attempt: number, id: string): Outcome
  /** Seconds that each runs. */
  seconds?: number
  maxParallel?: number
  mostFailed?: number
  attempts?: number
  ownDeadline?: boolean
  signal?: AbortSignal
}

/** Plays a batch in virtual time and notes when what happened. */
async function play(names: readonly string[], world: World = {}) {
  const clock = new VirtualClock()
  const start = clock.now()
  const created: { name: string; at: number }[] = []
  const pauses: number[] = []
  let running = 0
  let most = 0
  const options: BatchOptions<string> = {
    async create(request, name) {
      assert.equal(request, `request of ${name}`)
      const n = created.length
      created.push({ name, at: clock.now() - start })
      await clock.sleep(0.1)
      const error = world.create?.(name, n)
      if (error) throw error
      return answerOf(`id${n}`, 'starting')
    },
    async wait(id, answer, name) {
      assert.equal(answer.prediction.id, id)
      most = Math.max(most, ++running)
      await clock.sleep(world.seconds ?? 10)
      running--
      const attempt = created.filter((each) => each.name === name).length
      return world.end?.(name, attempt, id) ?? ended(id, 'succeeded')
    },
    maxParallel: world.maxParallel ?? 10,
    ...(world.mostFailed === undefined ? {} : { mostFailed: world.mostFailed }),
    attempts: world.attempts ?? 1,
    ownDeadline: world.ownDeadline ?? false,
    clock,
    signal: world.signal ?? new AbortController().signal,
    random: () => 0.5,
    observer: { started() {}, again: (_name, _outcome, pause) => pauses.push(pause), settled() {} },
  }
  const entries = names.map((name) => ({ name, request: `request of ${name}` }))
  const results = await clock.run(runBatch(entries, options))
  return { results, created, pauses, most, took: clock.now() - start, clock }
}
const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`)

describe('a batch', () => {
  test('every entry of a batch is started once, and the results have the order of the entries', async () => {
    const { results, created } = await play(names(20))
    assert.deepEqual(
      results.map(({ name, outcome }) => [name, outcome?.status]),
      names(20).map((name) => [name, 'succeeded']),
    )
    assert.equal(created.length, 20)
  })

  test('no more predictions run at the same time than max-parallel allows', async () => {
    assert.equal((await play(names(20), { maxParallel: 3 })).most, 3)
  })

  test('the create requests of a batch are sent one after the other', async () => {
    const { created } = await play(names(3))
    assert.deepEqual(
      created.map(({ at }) => at.toFixed(1)),
      ['0.0', '0.1', '0.2'],
    )
  })

  for (const status of [400, 413, 422]) {
    test(`a refusal with ${status} fails its own entry only`, async () => {
      const { results } = await play(names(5), { create: (name) => (name === 'n1' ? refused(status) : undefined) })
      assert.deepEqual(
        results.map(({ refusal }) => refusal?.message),
        [undefined, `refused ${status}`, undefined, undefined, undefined],
      )
    })
  }

  for (const status of [401, 402, 403, 404, 405, 429]) {
    test(`after a refusal with ${status} nothing more is started, and what was started is waited for`, async () => {
      const { results, created } = await play(names(5), {
        create: (name) => (name === 'n1' ? refused(status) : undefined),
      })
      assert.equal(created.length, 2)
      assert.equal(results[0]?.outcome?.status, 'succeeded')
      assert.equal(
        results[4]?.refusal?.message,
        `No prediction was started: the API refused an earlier one (${status}).`,
      )
    })
  }

  test('nothing more is started if the API cannot be reached', async () => {
    const cause = new ConnectionError(REQUEST, Object.assign(new Error('no host'), { code: 'ENOTFOUND' }))
    const unreached = new CreateError('no host', { mayRun: false, cause })
    const { created, results } = await play(names(5), { create: (_, n) => (n === 1 ? unreached : undefined) })
    assert.equal(created.length, 2)
    assert.equal(results[4]?.refusal?.message, 'No prediction was started: the API could not be reached.')
  })

  test('a create request whose response was lost is not retried, and the other entries go on', async () => {
    const lost = new CreateError('lost', { mayRun: true })
    const { results, created } = await play(names(4), { attempts: 5, create: (_, n) => (n === 1 ? lost : undefined) })
    assert.equal(created.length, 4)
    assert.deepEqual(
      results.map(({ mayRun }) => mayRun),
      [false, true, false, false],
    )
  })

  test('nothing more is started when the first ten predictions have all failed', async () => {
    const { created, results } = await play(names(30), { end: (_name, _attempt, id) => ended(id, 'failed', 'NSFW') })
    assert.equal(created.length, 10)
    assert.match(results[29]?.refusal?.message ?? '', /: the first 10 have all failed\.$/)
  })

  test('one success among the first ten predictions lets the others start', async () => {
    const { created } = await play(names(30), {
      end: (name, _attempt, id) => ended(id, name === 'n9' ? 'succeeded' : 'failed', 'NSFW'),
    })
    assert.equal(created.length, 30)
  })

  for (const status of [400, 413, 422]) {
    test(`a refusal with ${status} does not count as one of the first failures`, async () => {
      const { created, results } = await play(names(30), { create: () => refused(status) })
      assert.equal(created.length, 30)
      assert.ok(results.every(({ refusal }) => refusal?.message === `refused ${status}`))
      const mixed = await play(names(30), {
        maxParallel: 4,
        create: (_, n) => (n % 2 === 0 ? refused(status) : undefined),
        end: (_name, _attempt, id) => ended(id, 'failed', 'NSFW'),
      })
      // Four that failed, and as many refusals as there were before the fourth.
      assert.equal(mixed.results.filter(({ outcome }) => outcome?.status === 'failed').length, 4)
    })
  }

  test('a file that could not be sent does not count as one of the first failures', async () => {
    const unread = new CreateError('no file', { mayRun: false, cause: new Error('ENOENT') })
    assert.equal((await play(names(30), { create: () => unread })).created.length, 30)
  })

  test('nothing more is started if the first create requests all got no response, an empty 422, a 501 or a 302', async () => {
    const lost = new CreateError('lost', { mayRun: true })
    const bodyless = new CreateError('lost', {
      mayRun: true,
      cause: new RefusalError(REQUEST, { status: 422, headers: {}, text: '' }),
    })
    for (const error of [lost, bodyless, refused(501), refused(302)]) {
      assert.equal((await play(names(30), { create: () => error })).created.length, 10)
    }
  })

  for (const status of ['canceled', 'aborted']) {
    test(`a prediction that was ${status} does not count as one of the first failures`, async () => {
      const { created } = await play(names(30), { end: (_name, _attempt, id) => ended(id, status) })
      assert.equal(created.length, 30)
    })
  }

  test('with max-parallel 1, nothing more is started after three failures', async () => {
    const { created } = await play(names(30), {
      maxParallel: 1,
      end: (_name, _attempt, id) => ended(id, 'failed', 'NSFW'),
    })
    assert.equal(created.length, 3)
  })

  test('nothing more is started after the given number of failures, however many run at once', async () => {
    for (const maxParallel of [1, 10]) {
      const { created } = await play(names(30), { maxParallel, mostFailed: 5, create: () => refused(501) })
      assert.equal(created.length, 5)
    }
  })

  test('nothing is started after the step was canceled', async () => {
    const stop = new AbortController()
    const { created, results } = await play(names(5), {
      maxParallel: 1,
      signal: stop.signal,
      end(name, _attempt, id) {
        if (name === 'n1') stop.abort(new Error('the step was canceled'))
        return ended(id, 'succeeded')
      },
    })
    assert.equal(created.length, 2)
    assert.equal(results[3]?.refusal?.message, 'No prediction was started: the step was canceled.')
  })

  test('a reason that is a sentence gets no second full stop', async () => {
    const signal = AbortSignal.abort(new Error('The step was canceled or timed out (SIGINT).'))
    const { results } = await play(['hero'], { signal })
    assert.equal(
      results[0]?.refusal?.message,
      'No prediction was started: The step was canceled or timed out (SIGINT).',
    )
  })

  test('a bug while a prediction is created is thrown', async () => {
    await assert.rejects(play(names(1), { create: () => new TypeError('a bug') }), TypeError)
  })
})

describe('attempts', () => {
  const failing = (error: string) => ({
    attempts: 5,
    end: (_name: string, attempt: number, id: string) => ended(id, attempt < 5 ? 'failed' : 'succeeded', error),
  })

  for (const code of ['PA', 'E1000', 'E003', 'E004', 'E6716', 'E8765', 'E9243', 'E9825', 'E9828']) {
    test(`a failure with code ${code} is retried after pauses of 5, 15 and 45 seconds`, async () => {
      const { created, results, pauses } = await play(['hero'], failing(`Something failed (code: ${code})`))
      assert.equal(created.length, 5)
      assert.deepEqual(pauses, [5, 15, 45, 45])
      assert.equal(results[0]?.outcome?.id, 'id4')
      assert.deepEqual(
        results[0]?.earlier.map(({ id }) => id),
        ['id0', 'id1', 'id2', 'id3'],
      )
    })
  }

  for (const error of ['(E001)', '(E1001)', 'flagged as sensitive (E005)', '(code: E8367)', 'NSFW content', '']) {
    test(`a failure with the error "${error}" is not retried`, async () => {
      assert.equal((await play(['hero'], failing(error))).created.length, 1)
    })
  }

  test('an aborted prediction is started again, but not a canceled one or one that timed out', async () => {
    const count = async (outcome: Partial<Outcome>) =>
      (await play(['hero'], { attempts: 2, end: (_n, _a, id) => ({ ...ended(id, 'aborted'), ...outcome }) })).created
        .length
    assert.equal(await count({}), 2)
    assert.equal(await count({ status: 'canceled' }), 1)
    assert.equal(await count({ end: 'timeout' }), 1)
  })

  test('an aborted prediction is not started again if the request set a deadline of its own', async () => {
    const world = { attempts: 2, end: (_n: string, _a: number, id: string) => ended(id, 'aborted') }
    assert.equal((await play(['hero'], { ...world, ownDeadline: true })).created.length, 1)
  })

  test('an attempt that may have been started is reported together with the failure before it', async () => {
    const lost = new CreateError('The answer was lost.', { mayRun: true })
    const { created, results } = await play(['hero'], {
      ...failing('(E003)'),
      create: (_, n) => (n === 1 ? lost : undefined),
    })
    assert.equal(created.length, 2)
    assert.equal(results[0]?.outcome?.id, 'id0')
    assert.equal(results[0]?.mayRun, true)
    assert.match(results[0]?.refusal?.message ?? '', /^The answer was lost\. The prediction may have been started/)
  })

  test('each new attempt starts after its pause', async () => {
    const { created } = await play(['hero'], { ...failing('(E003)'), seconds: 1 })
    assert.deepEqual(
      created.map(({ at }) => Math.round(at)),
      [0, 6, 22, 68, 114],
    )
  })

  test('no attempt is made or announced after a cancellation or a refusal that concerns the account', async () => {
    const stop = new AbortController()
    const canceled = await play(['hero'], {
      attempts: 3,
      signal: stop.signal,
      end(_name, _attempt, id) {
        stop.abort(new Error('the step was canceled'))
        return ended(id, 'failed', '(E003)')
      },
    })
    const refusedAccount = await play(names(2), {
      ...failing('(E003)'),
      create: (_, n) => (n === 1 ? refused(402) : undefined),
    })
    for (const [{ pauses, results }, reason] of [
      [canceled, /^No further attempt was made: the step was canceled/],
      [refusedAccount, /^No further attempt was made: .*402/],
    ] as const) {
      assert.deepEqual(pauses, [])
      assert.equal(results[0]?.outcome?.status, 'failed')
      assert.match(results[0]?.refusal?.message ?? '', reason)
    }
  })

  test('an entry that is retried keeps its place, so that no more run than max-parallel allows', async () => {
    const world = { attempts: 3, maxParallel: 2, end: failing('(E003)').end }
    const { most, created } = await play(names(5), world)
    assert.equal(most, 2)
    assert.ok(created.length > 2)
  })

  test('the attempts of one entry count as one among the first failures', async () => {
    const { created } = await play(['hero'], { ...failing('(E003)'), maxParallel: 1 })
    assert.equal(created.length, 5)
  })

  test('a batch makes at most as many attempts as requested', async () => {
    const world = { attempts: 2, end: (_n: string, _a: number, id: string) => ended(id, 'failed', '(E003)') }
    const { created, results } = await play(['hero'], world)
    assert.equal(created.length, 2)
    assert.equal(results[0]?.outcome?.status, 'failed')
  })

  test('no attempt is made if the step is canceled in the pause before it', async () => {
    const stop = new AbortController()
    const { created, results } = await play(['hero'], {
      attempts: 3,
      signal: stop.signal,
      end(_name, _attempt, id) {
        queueMicrotask(() => queueMicrotask(() => stop.abort(new Error('the step was canceled'))))
        return ended(id, 'failed', '(E003)')
      },
    })
    assert.equal(created.length, 1)
    assert.equal(results[0]?.outcome?.status, 'failed')
    assert.deepEqual(results[0]?.earlier, [])
    assert.equal(results[0]?.refusal?.message, 'No further attempt was made: the step was canceled.')
  })
})

/** What becomes of a creation, or of the prediction that it starts. */
const FATES = ['succeeded', 'failed', '(E003)', 'lost', '422', '401', 'stop'] as const

describe('whatever happens', () => {
  test('whatever happens, a batch starts nothing that was not requested', async () => {
    const worlds = fc.record({
      count: fc.integer({ min: 1, max: 12 }),
      maxParallel: fc.integer({ min: 1, max: 6 }),
      attempts: fc.integer({ min: 1, max: 5 }),
      fates: fc.array(fc.constantFrom(...FATES), { minLength: 1, maxLength: 60 }),
    })
    const check = async ({
      count,
      maxParallel,
      attempts,
      fates,
    }: typeof worlds extends fc.Arbitrary<infer T> ? T : never) => {
      const stop = new AbortController()
      const fateOf = (n: number) => fates[n % fates.length] ?? 'succeeded'
      const { created, results, most } = await play(names(count), {
        ...{ maxParallel, attempts, signal: stop.signal },
        create(_name, n) {
          const fate = fateOf(n)
          if (fate === 'stop') stop.abort(new Error('the step was canceled'))
          if (fate === 'lost') return new CreateError('lost', { mayRun: true })
          return fate === '422' || fate === '401' ? refused(Number(fate)) : undefined
        },
        end(_name, _attempt, id) {
          const fate = fateOf(Number(id.slice(2)))
          return fate === '(E003)' ? ended(id, 'failed', fate) : ended(id, fate === 'failed' ? fate : 'succeeded')
        },
      })
      const made = created.map(({ name }, n) => ({ name, fate: fateOf(n) }))
      const last = made.findIndex(({ fate }) => fate === 'stop' || fate === '401')
      assert.ok(last < 0 || last === made.length - 1, 'nothing is created after a cancel or a refusal of the account')
      assert.ok(most <= maxParallel, `${most} ran at the same time`)
      for (const [name, own] of Map.groupBy(made, (each) => each.name)) {
        assert.ok(own.length <= attempts, `${own.length} were created for ${name}`)
        assert.ok(
          own.slice(0, -1).every(({ fate }) => fate === '(E003)'),
          `${name} was tried again without need`,
        )
      }
      assert.equal(results.length, count)
      const known = results.flatMap(({ outcome, earlier }) => [...earlier, ...(outcome ? [outcome] : [])])
      const started = made.filter(({ fate }) => !['lost', '422', '401'].includes(fate))
      assert.equal(known.length, started.length, 'all that was started is reported')
    }
    await fc.assert(fc.asyncProperty(worlds, check), { numRuns: 300 })
  })
})
