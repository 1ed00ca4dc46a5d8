import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JSON_LIMITS, JsonTooManyPartsError } from '../../../src/predictions/json/limits.ts'
import { parseJson } from '../../../src/predictions/json/parse.ts'

const list = (part: string, count: number) => `[${Array.from({ length: count - 1 }, () => part).join()}]`

test('lists, objects and numbers that keep their digits are read up to a million together', () => {
  for (const part of ['{}', '[]', '18446744073709551615', 'NaN']) {
    assert.equal((parseJson(list(part, JSON_LIMITS.parts)).value as unknown[]).length, JSON_LIMITS.parts - 1)
    assert.throws(() => parseJson(list(part, JSON_LIMITS.parts + 1)), JsonTooManyPartsError)
  }
  assert.equal((parseJson(list('1', 2 * JSON_LIMITS.parts)).value as unknown[]).length, 2 * JSON_LIMITS.parts - 1)
})

test('values are read up to ten million', () => {
  const ones = (count: number) => `[${'1,'.repeat(count - 1)}1]`
  assert.equal((parseJson(ones(JSON_LIMITS.values)).value as unknown[]).length, JSON_LIMITS.values)
  assert.throws(() => parseJson(ones(JSON_LIMITS.values + 1)), /more than 10,000,000 values/)
})

test('strings are read up to a million, to which names of properties do not count', () => {
  assert.equal((parseJson(list('"a"', JSON_LIMITS.strings + 1)).value as unknown[]).length, JSON_LIMITS.strings)
  assert.throws(() => parseJson(list('"a"', JSON_LIMITS.strings + 2)), /more than 1,000,000 strings/)
  assert.equal((parseJson(list('{"a":1,"b":2}', 600_000)).value as unknown[]).length, 599_999)
})

describe('names of properties are read up to 200,000', () => {
  const object = (count: number, prefix = '') =>
    `{${Array.from({ length: count }, (_, i) => `"${prefix}${i}" : 1`).join()}}`
  test('names of properties are limited in one object, also in an incomplete one', () => {
    assert.equal(Object.keys(parseJson(object(JSON_LIMITS.names)).value as object).length, JSON_LIMITS.names)
    const larger = object(JSON_LIMITS.names + 1)
    for (const text of [larger, `[${larger.slice(0, -1)}`])
      assert.throws(() => parseJson(text), /more than 200,000 property names/)
  })
  test('names of properties are limited across objects', () => {
    const objects = Array.from({ length: 5 }, (_, i) => object(JSON_LIMITS.names / 4, `${i}-`))
    assert.equal((parseJson(`[${objects.slice(1).join()}]`).value as unknown[]).length, 4)
    assert.throws(() => parseJson(`[${objects.join()}]`), JsonTooManyPartsError)
  })
  test('the property names of objects with the same names in the same order count once', () => {
    assert.equal((parseJson(list(object(100), 10_000)).value as unknown[]).length, 9_999)
    const both = [object(3), '{"2":1,"1":1,"0":1}'].join()
    assert.equal((parseJson(list(both, 100_000)).value as unknown[]).length, 199_998)
  })
})
