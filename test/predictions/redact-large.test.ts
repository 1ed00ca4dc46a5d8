import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRedactor } from '../../src/predictions/redact.ts'
import { assertGrowsWithSize } from '../support/growth.ts'

// Apart from the other tests of redact.ts, because large texts take seconds.

const KEY = 'sk-test-0123456789abcdef'
const { text, value } = createRedactor(KEY)

test('a long text and a long list of tokens are redacted in turns of the event loop, with the same result', async () => {
  const long = `${'sk-test%41 '.repeat(200_000)}${KEY.replaceAll('-', '%2d')}${'x'.repeat(2 ** 20)}`
  const given = { logs: long, status: long, list: [long.slice(0, 9), long.slice(9), KEY.slice(0, 9), KEY.slice(9)] }
  let turns = 0
  const count = setInterval(() => turns++, 0)
  const prepared = await createRedactor(KEY).prepare(given)
  clearInterval(count)
  assert.ok(turns > 3, `${turns} turns`)
  assert.deepEqual(prepared.value(given), value(given))
  assert.equal(prepared.text(long), text(long))
  assert.notEqual(prepared.text(long), long)
})

test('the time to redact a text grows with its length, whatever it contains', () => {
  const units = [
    'the quick brown fox\n',
    'iVBORw0KGgoAAAANSUhEUg',
    '%41a%73k',
    '\\',
    'sk-test-01',
    '.sk-a',
    '&amp;',
    '&',
    '&#',
    's\u001b[0m',
    '***.sk-a',
    `${KEY} `,
  ]
  for (const unit of units) {
    const redacting = (length: number) => {
      const given = `***${unit.repeat(length / unit.length)}`
      return () => text(given)
    }
    assertGrowsWithSize(redacting, 2 ** 19, unit)
  }
})
