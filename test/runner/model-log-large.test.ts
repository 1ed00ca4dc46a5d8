import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { emptyLog, newLogLines } from '../../src/runner/model-log.ts'
import { assertGrowsWithSize } from '../support/growth.ts'

// Apart from the other tests of model-log.ts, because large logs take seconds.
describe('a large log', () => {
  test('the time to read a log grows with its length, even if the log is different each time', () => {
    const looks = (length: number) => {
      const large = (look: number) => Array.from({ length: length / 10 }, (_, i) => `${look}${i}\n`).join('')
      const logs = [large(1), large(2), large(3), '\n'.repeat(length), ' \n'.repeat(length / 2), 'x'.repeat(length)]
      return () => {
        let view = emptyLog
        for (const [i, log] of logs.entries()) {
          const next = newLogLines({ ...view, shown: 0 }, log, { now: i, complete: true })
          view = next.view
          assert.ok(next.lines.reduce((sum, line) => sum + line.length, 0) < 1.1 * 2 ** 20)
        }
      }
    }
    assertGrowsWithSize(looks, 4e6)
  })
  test('a rewritten log is compared only at its end', () => {
    const log = (name: string) => Array.from({ length: 2 ** 18 }, (_, i) => `${name} ${i}\n`).join('')
    const look = (view: typeof emptyLog, text: string) =>
      newLogLines(view, text, { now: 0, complete: true, limit: Number.POSITIVE_INFINITY })
    const { lines } = look(look(emptyLog, log('first')).view, log('second'))
    assert.equal(lines.at(-1), `second ${2 ** 18 - 1}`)
    assert.ok(lines.join('\n').length <= 2 ** 20)
  })
})
