import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JSON_LIMITS, JsonTooDeepError, JsonTooManyPartsError } from '../../../src/predictions/json/limits.ts'

test('an error about JSON that exceeds a limit has the limit, as the rest of a sentence', () => {
  const deep = new JsonTooDeepError(JSON_LIMITS.depth)
  assert.equal(`${deep}`, 'JsonTooDeepError: JSON that is nested deeper than 200 levels')
  assert.equal(deep.levels, 200)
  const many = new JsonTooManyPartsError(JSON_LIMITS.values, 'values')
  assert.equal(`${many}`, 'JsonTooManyPartsError: JSON of more than 10,000,000 values')
})

test('the limits of the JSON that a step reads are as documented', () => {
  assert.deepEqual(JSON_LIMITS, {
    depth: 200,
    parts: 1_000_000,
    values: 10_000_000,
    strings: 1_000_000,
    names: 200_000,
  })
})
