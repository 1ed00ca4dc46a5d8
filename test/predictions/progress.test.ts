import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isProgressLine, progressOf } from '../../src/predictions/progress.ts'

describe('the progress that a log shows', () => {
  const marks: [string, string, number, number | undefined][] = [
    ['a bar with a rate', '45%|████▌     | 18/40 [00:03<00:04,  5.00it/s]', 0.45, 4.4],
    ['a bar with seconds per step', ' 10%|█  | 2/20 [00:08<01:12,  4.00s/it]', 0.1, 72],
    ['a bar without the time left', '  0%|   | 0/40 [00:00<?, ?it/s]', 0, undefined],
    ['a bar with hours', ' 1%|  | 1/100 [1:00:00<99:00:00, 3600.00s/it]', 0.01, 356_400],
    ['a bar without a rate', ' 50%|██ | 5/10 [00:05<00:05]', 0.5, 5],
    ['a download, whose rate is not that of the model', 'x: 50%|██| 1.00G/2.00G [00:10<00:10, 100MB/s]', 0.5, 10],
    ['a percentage', 'Progress: 40%', 0.4, undefined],
    ['a bar with minutes', '50%|██ | 5/10 [05:00<04:30]', 0.5, 270],
    ['a bar with hours, minutes and seconds', '50%|██ | 5/10 [1:02:03<2:03:04]', 0.5, 7384],
    ['a bar whose rate is zero', '50%|██ | 5/10 [00:05<00:07, 0.00it/s]', 0.5, 7],
    ['a bar that counts seconds', '50%|██ | 5/10 [00:05<00:05, 2.00s/s]', 0.5, 2.5],
    ['a bar at its end', '100%|██| 10/10 [00:05<00:00, 2.00it/s]', 1, 0],
    ['a bar that has begun', '  0%|  | 0/10 [00:00<00:09, 1.00it/s]', 0, 10],
    ['a percentage at its end', 'Progress: 100%', 1, undefined],
    [
      'the last of several bars',
      '100%|██| 7/7 [00:01<00:00, 7.00it/s]\n 25%|█ | 5/20 [00:01<00:03, 5.00it/s]',
      0.25,
      3,
    ],
    [
      'the last state of a bar that is rewritten',
      '10%|█ | 1/10 [00:01<00:09, 1.00it/s]\r20%|██ | 2/10 [00:02<00:08, 1.00it/s]',
      0.2,
      8,
    ],
  ]
  for (const [name, log, fraction, left] of marks) {
    test(`the progress in a log is read from ${name}`, () => {
      const progress = progressOf(log)
      assert.equal(progress?.fraction, fraction)
      assert.equal(progress?.left, left)
    })
  }

  test('a log without a valid progress mark has no progress', () => {
    const past = '12/10 [00:01<00:01, 1.00it/s]'
    for (const log of ['', 'loading', '250%', '5/0 [00:01<00:01, 1.00it/s]', '0/0 [00:00<?, ?it/s]', past])
      assert.equal(progressOf(log), undefined, log)
  })
  test('the progress is searched for only at the end of a log', () => {
    assert.equal(progressOf(`40%\n${'x'.repeat(100_000)}`), undefined)
  })
  test('the progress is written as a percentage with the steps', () =>
    assert.deepEqual(
      ['45%|█ | 18/40 [00:03<00:04, 5.00it/s]', 'Progress: 40.5%'].map((log) => progressOf(log)?.text),
      ['45 % (18/40)', '40.5 %'],
    ))
  test('a progress mark keeps its identity until the next mark', () => {
    const first = progressOf('a\n40%')
    assert.equal(progressOf('a\n40%\nlines after it\n')?.at, first?.at)
    assert.notEqual(progressOf('a\n40%\n40%')?.at, first?.at)
    const [bar, before] = ['5/10 [00:05<00:05, 1.00it/s]\n', 'x'.repeat(2000)]
    const barMark = progressOf(before + bar)
    assert.equal(progressOf(`${before}${bar}${'y'.repeat(90)}`)?.at, barMark?.at)
    assert.notEqual(progressOf(before + bar + bar)?.at, barMark?.at)
  })
  test('the progress is finite and between 0 and 1, whatever the log says', () => {
    const pieces = fc.constantFrom(
      '0',
      '9'.repeat(13),
      '1/',
      '/',
      ' [',
      ':',
      '<',
      '?',
      ']',
      '%',
      '|',
      ', ',
      'it/s',
      's/it',
      'k',
      'NaN',
      '\r',
      '\n',
      '00:01',
      '.',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        const progress = progressOf(parts.join(''))
        if (progress === undefined) return
        assert.ok(progress.fraction >= 0 && progress.fraction <= 1)
        assert.ok(progress.left === undefined || (Number.isFinite(progress.left) && progress.left >= 0))
      }),
      { numRuns: 2000 },
    )
  })
})

test('a line with a bar or a percentage is a progress line, and other lines are not', () => {
  for (const line of [
    '45%|████▌     | 18/40 [00:03<00:04,  5.08it/s]',
    'Sampler:  45%|███| 1/2 [00:01<00:01]',
    'Progress: 40%',
    '  7 %',
  ])
    assert.equal(isProgressLine(line), true, line)
  for (const line of [
    `${'x'.repeat(300)}45%|█|`,
    '',
    'Prompt executed in 8 seconds',
    '100% of users like 5 cakes',
    'gained 40% by caching',
  ])
    assert.equal(isProgressLine(line), false, line)
})
