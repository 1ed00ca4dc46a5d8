import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { emptyLog, newLogLines } from '../../src/runner/model-log.ts'

const bar = (n: number) => ` ${String(n * 10).padStart(3)}%|███       | ${n}/10 [00:0${n}<00:0${10 - n},  1.00it/s]`

describe('a growing log', () => {
  /** The lines shown of a log at each of several looks, a second apart; the last look is complete. */
  const shown = (...logs: string[]) => {
    let view = emptyLog
    return logs.map((log, i) => {
      const next = newLogLines(view, log, { now: i, complete: i === logs.length - 1 })
      view = next.view
      return next.lines
    })
  }
  test('a growing log shows only what is new', () =>
    assert.deepEqual(shown('a\nb\n', 'a\nb\n', 'a\nb\nc\n'), [['a', 'b'], [], ['c']]))
  test('an incomplete line is held back until it or the log is complete', () => {
    assert.deepEqual(shown('a\nhal', 'a\nhalf\nq', 'a\nhalf\nquarter'), [['a'], ['half'], ['quarter']])
  })
  test('a log is split at every kind of line end, without empty lines', () => {
    assert.deepEqual(shown('a\r\nb\rc\n\n  \nd'), [['a', 'b', 'c', 'd']])
  })
  test('a rewritten log shows what was not there before', () => {
    assert.deepEqual(shown('a\nb\nc\n', 'b\nc\nd\n', 'x\nd\ne\n'), [['a', 'b', 'c'], ['d'], ['x', 'e']])
    assert.deepEqual(shown('a\nb\n', '', 'a\nb\n'), [['a', 'b'], [], ['a', 'b']])
    assert.deepEqual(shown('x\na\na\n', 'a\na\na\nb\n'), [
      ['x', 'a', 'a'],
      ['a', 'b'],
    ])
  })
  test('a log of which only the end is given continues, or says how much is missing', () => {
    const whole = Array.from({ length: 10 }, (_, i) => `line ${i}\n`).join('')
    const look = (view: typeof emptyLog, from: number, to: number) =>
      newLogLines(view, whole.slice(from, to), { now: 0, complete: false, start: from })
    const first = look(emptyLog, 14, 35)
    assert.deepEqual(first.lines, ['… 14 B of this log are not shown', 'line 2', 'line 3', 'line 4'])
    const second = look(first.view, 28, 49)
    assert.deepEqual(second.lines, ['line 5', 'line 6'])
    assert.deepEqual(look(second.view, 49, 56).lines, ['line 7'])
    const [same, part] = ['same\n', { now: 0, complete: true }]
    const { view } = newLogLines(emptyLog, same.repeat(3), part)
    assert.deepEqual(newLogLines(view, same.repeat(3), { ...part, start: 2 * same.length }).lines, ['same', 'same'])
    assert.deepEqual(look(second.view, 56, 63).lines, ['… 7 B of this log are not shown', 'line 8'])
  })
  test('a progress bar is shown now and then, and at its end', () => {
    const bars = (to: number) => Array.from({ length: to + 1 }, (_, i) => `${bar(i)}\n`).join('')
    assert.deepEqual(shown(bars(2), bars(4), bars(6), `${bars(10)}done`), [[bar(2)], [], [bar(6)], [bar(10), 'done']])
  })
  test('a progress bar at its end is shown once, and a bar that makes no sense is shown as it is', () => {
    assert.deepEqual(shown(`${bar(10)}\n`, `${bar(10)}\nx\n${bar(10)}\n`), [[bar(10)], ['x']])
    assert.deepEqual(shown('999%|x|\n'), [['999%|x|']])
  })
  test('a progress bar that is rewritten with carriage returns is shown as one line', () => {
    assert.deepEqual(shown(`a\n${bar(1)}\r${bar(2)}\r${bar(3)}\rb\n`), [['a', bar(3), 'b']])
  })
  test('a log that never ends is cut off with a notice', () => {
    const log = `${'x'.repeat(1000)}\n`.repeat(2000)
    const [lines, later] = shown(log, `${log}more\n`)
    assert.deepEqual(later, [])
    assert.ok((lines?.length ?? 0) < 1100)
    assert.match(lines?.at(-1) ?? '', /not shown/)
  })
  test('every line of a log that only grows is shown exactly once', () => {
    const lines = fc.array(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 20 })
    fc.assert(
      fc.property(lines, fc.array(fc.nat(80), { maxLength: 5 }), (all, cuts) => {
        const whole = all.map((line) => `${line}\n`).join('')
        const looks = [...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length]
        assert.deepEqual(shown(...looks.map((cut) => whole.slice(0, cut))).flat(), all)
      }),
    )
  })
  test('a log that grows by too much at once says how much is not shown', () => {
    const [, lines] = shown('a\n', `a\n${'\n'.repeat(4 * 2 ** 20)}late\n`)
    assert.deepEqual(lines, ['… 5 B of this log are not shown'])
  })
})
