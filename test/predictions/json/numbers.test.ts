import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exactNumber, numberOf } from '../../../src/predictions/json/numbers.ts'
import { parseJson } from '../../../src/predictions/json/parse.ts'
import { stringifyJson } from '../../../src/predictions/json/write.ts'

test('a number that keeps its digits is read as a number wherever one is needed', () => {
  assert.equal(numberOf(parseJson('0.1000000000000000055511151231257827').value), 0.1)
  assert.equal(numberOf(2), 2)
  assert.equal(numberOf('2'), undefined)
  assert.equal(exactNumber('12'), 12)
  assert.equal(stringifyJson({ seed: exactNumber('18446744073709551615') }), '{"seed":18446744073709551615}')
})
