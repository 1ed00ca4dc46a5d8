import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../src/predictions/answer.ts'
import { NotStartedError } from '../../src/predictions/batch.ts'
import { ConnectionError } from '../../src/predictions/errors.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { createReporter, type Reporter } from '../../src/runner/reporter.ts'
import { printed } from '../support/printed.ts'
import { carryOut } from '../support/run-action.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const request = { method: 'GET', url: 'https://api.test/v1/predictions/abc' } as const
const refused = new ConnectionError(request, Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))

function answerOf(body: Record<string, unknown>): Answer {
  const whole = { id: 'abc', status: 'processing', ...body }
  return { prediction: Prediction.parse(whole), body: whole }
}

/** The lines that a reporter prints, and the annotations. */
async function reported(
  ids: readonly string[],
  act: (reporter: Reporter, clock: VirtualClock) => unknown,
  total = ids.length,
) {
  const clock = new VirtualClock()
  const text = await printed(async () => {
    using reporter = createReporter(ids, { clock, streamLogs: true, total })
    await act(reporter, clock)
  })
  const { lines, annotations } = carryOut(text)
  return { lines: lines.filter((line) => line !== ''), annotations: annotations.map(({ message }) => message) }
}

const IDS = Array.from({ length: 21 }, (_, i) => `id${i}`)
const LOGS = '21 predictions: only the logs of failed ones are shown.'

describe('the reporter', () => {
  test('the reporter prints each status once, the first one with the model', async () => {
    const { lines } = await reported(['abc'], ({ answered }) => {
      answered({ id: 'abc', now: 1, answer: answerOf({ status: 'starting', model: 'owner/name' }), left: undefined })
      answered({ id: 'abc', now: 2, answer: answerOf({ status: 'starting', model: 'owner/name' }), left: undefined })
      answered({ id: 'abc', now: 3, answer: answerOf({ model: 'owner/name' }), left: undefined })
    })
    assert.deepEqual(lines, ['[1.0 s] abc: starting · owner/name', '[3.0 s] abc: processing'])
  })

  test('the reporter prints only the end of each prediction if there are more than twenty', async () => {
    const { lines } = await reported(IDS, ({ answered, failed, settled }) => {
      answered({ id: 'id0', now: 1, answer: answerOf({ id: 'id0' }), left: undefined })
      failed({ id: 'id0', now: 2, error: refused, pause: 1 })
      const answer = answerOf({ id: 'id0', status: 'succeeded', output: ['https://x.test/a.png'] })
      settled({ id: 'id0', end: 'ended', status: 'succeeded', answer, error: undefined, waited: 3 })
    })
    assert.deepEqual(lines, [LOGS, '[3.0 s] id0: done · succeeded · 1 file · 1 of 21'])
  })

  test('the reporter counts each input that has ended once, even after another attempt', async () => {
    const outcome = (id: string, status: string): Outcome => {
      const answer = answerOf({ id, status })
      return { id, end: 'ended', status, answer, error: undefined, waited: 1 }
    }
    const { lines } = await reported(
      [],
      async ({ started, settled }, clock) => {
        started('hero', answerOf({ id: 'id0' }))
        settled(outcome('id0', 'failed'))
        started('hero', answerOf({ id: 'id1' }))
        settled(outcome('id1', 'succeeded'))
        for (let i = 2; i < 8; i++) started(`n${i}`, answerOf({ id: `id${i}` }))
        await clock.run(clock.sleep(26))
      },
      30,
    )
    const counts = lines.map((line) => /\d+ of 30/.exec(line)?.[0]).filter(Boolean)
    assert.deepEqual(counts, ['1 of 30', '1 of 30', '1 of 30'], lines.join('\n'))
  })

  test('the reporter prints the log of a prediction among many only if it fails', async () => {
    const { lines } = await reported(IDS, ({ answered }) => {
      const answer = (id: string, status: string) => answerOf({ id, status, logs: `log of ${id}\n` })
      answered({ id: 'id0', now: 1, answer: answer('id0', 'processing'), left: undefined })
      answered({ id: 'id1', now: 2, answer: answer('id1', 'succeeded'), left: undefined })
      answered({ id: 'id2', now: 3, answer: answer('id2', 'failed'), left: undefined })
    })
    assert.deepEqual(lines, [LOGS, 'id2 │ log of id2'])
  })

  test('the reporter prints the name of the input before log lines and problems if there are several inputs', async () => {
    const { lines } = await reported(
      [],
      ({ started, answered, failed }) => {
        for (const [name, id] of [
          ['hero', 'abcdefghijkl'],
          ['a name\nof more than twenty characters', 'mnopqrstuvwx'],
        ] as const) {
          started(name, answerOf({ id }))
          answered({ id, now: 1, answer: answerOf({ id, logs: 'a line\n' }), left: undefined })
        }
        failed({ id: 'abcdefghijkl', now: 2, error: refused, pause: 2 })
      },
      2,
    )
    assert.deepEqual(
      lines.filter((line) => line.includes('│')),
      ['hero │ a line', 'a name ⏎ of more than … │ a line'],
    )
    assert.match(lines.at(-1) ?? '', /^\[2\.0 s\] hero: retrying in 2\.0 s: GET /)
  })

  test('the reporter names a started prediction after its input', async () => {
    const { lines } = await reported([], ({ started, answered, settled }) => {
      const answer = answerOf({ id: 'abc', status: 'starting', model: 'owner/name' })
      started('hero', answer)
      answered({ id: 'abc', now: 1, answer, left: undefined })
      settled({ id: 'abc', end: 'ended', status: 'succeeded', answer, error: undefined, waited: 3 })
    })
    assert.equal(lines[0], '[0.0 s] hero: started abc · owner/name')
    assert.match(lines[1] ?? '', /^\[3\.0 s\] hero: done · succeeded/)
  })

  test('the reporter prints no status of a single started prediction twice', async () => {
    const { lines } = await reported(
      [],
      ({ started, answered }) => {
        started('hero', answerOf({ status: 'starting' }))
        answered({ id: 'abc', now: 1, answer: answerOf({ status: 'starting' }), left: undefined })
        answered({ id: 'abc', now: 2, answer: answerOf({}), left: undefined })
      },
      1,
    )
    assert.deepEqual(lines, ['[0.0 s] hero: started abc', '[2.0 s] hero: processing'])
  })

  test('the reporter prints the reason for another attempt', async () => {
    const answer = answerOf({ status: 'failed', error: 'The model did not start (code: E6716)' })
    const outcome: Outcome = { id: 'abc', end: 'ended', status: 'failed', answer, error: undefined, waited: 1 }
    const { lines } = await reported([], ({ again }) => again('hero', outcome, 5), 1)
    assert.deepEqual(lines, ['[0.0 s] hero: The model did not start (code: E6716) · the next attempt begins in 5.0 s'])
  })

  test('the reporter prints each refusal, and once that nothing new is started', async () => {
    const { lines } = await reported(
      [],
      ({ notStarted }) => {
        notStarted('hero', new Error('The API said no.'))
        for (const name of ['logo', 'icon']) notStarted(name, new NotStartedError('the first 3 have all failed', false))
      },
      1,
    )
    assert.deepEqual(lines, [
      '[0.0 s] hero: The API said no.',
      '[0.0 s] No more predictions are started: the first 3 have all failed.',
    ])
  })

  test('the reporter shows the progress that an API reports in percent', async () => {
    const { lines } = await reported(['abc'], async ({ answered }, clock) => {
      answered({ id: 'abc', now: 1, answer: { ...answerOf({}), progress: 0.425 }, left: undefined })
      await clock.run(clock.sleep(26))
    })
    assert.deepEqual(lines, ['[1.0 s] abc: processing', '[25 s] abc: processing · 42.5 %'])
  })

  test('the heartbeat reports the state every 25 seconds, in at most six lines', async () => {
    const { lines } = await reported(IDS, async ({ answered }, clock) => {
      answered({ id: 'id0', now: 1, answer: answerOf({ id: 'id0' }), left: 60 })
      await clock.run(clock.sleep(51))
    })
    assert.deepEqual(lines.slice(0, 7), [
      LOGS,
      '[25 s] id0: processing · about 36 s left',
      ...[1, 2, 3, 4].map((i) => `[25 s] id${i}: no response yet`),
      '[25 s] 0 of 21 ended; 1 processing, 20 without a status',
    ])
    assert.equal(lines.length, 13)
    assert.equal(lines[7], '[50 s] id0: processing · about 11 s left')
  })

  test('the reporter prints the same problem once, and repeats it in the heartbeat', async () => {
    const { lines } = await reported(['abc'], async ({ failed }, clock) => {
      failed({ id: 'abc', now: 1, error: refused, pause: 2 })
      failed({ id: 'abc', now: 3, error: refused, pause: 4 })
      await clock.run(clock.sleep(26))
    })
    assert.equal(lines.length, 2)
    assert.match(lines[0] ?? '', /^\[1\.0 s\] retrying in 2\.0 s: GET .* refuses connections/)
    assert.match(lines[1] ?? '', /^\[25 s\] abc: no response yet · last request failed: GET /)
  })

  test('the reporter warns once of each unusual status, and of another ID', async () => {
    const { annotations } = await reported(['abc'], ({ answered }) => {
      for (const status of ['success', 'success', 'strange', 'strange']) {
        answered({ id: 'abc', now: 1, answer: answerOf({ status, id: 'other' }), left: undefined })
      }
    })
    assert.deepEqual(annotations, [
      'The API\'s status "success" is treated as "succeeded".',
      'Prediction abc was requested, and the API returned one with the ID "other".',
      'The API\'s status is "strange", which is unknown. It does not end the wait, unless it stays unchanged together with an error or a completion time.',
    ])
  })

  test('the reporter prints why the wait for an unfinished prediction ended', async () => {
    const outcome = { id: 'abc', status: '', answer: undefined, waited: 9 }
    const ends = [
      ['timeout', undefined, 'not finished in time'],
      ['refused', refused, 'API not reached'],
      ['refused', undefined, 'request refused'],
      ['interrupted', undefined, 'interrupted'],
    ] as const
    for (const [end, error, words] of ends) {
      const { lines } = await reported(['abc'], ({ settled }) => settled({ ...outcome, end, error }))
      assert.deepEqual(lines, [`[9.0 s] abc: ${words}`])
    }
  })

  test('a bug in the heartbeat causes a warning', async () => {
    const { annotations } = await reported(['abc'], async ({ answered }, clock) => {
      answered({
        id: 'abc',
        now: 1,
        answer: answerOf({}),
        left: {
          valueOf: () => {
            throw new Error('a bug')
          },
        } as never,
      })
      await clock.run(clock.sleep(30))
    })
    assert.deepEqual(annotations, ['A bug in this action stopped the regular status lines: a bug'])
  })
})
