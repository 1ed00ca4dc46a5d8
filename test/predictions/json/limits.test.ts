import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DEEPEST,
  JsonTooDeepError,
  JsonTooManyPartsError,
  MOST_NAMES,
  MOST_PARTS,
  MOST_STRINGS,
  MOST_VALUES,
} from '../../../src/predictions/json/limits.ts'
import { parseJson } from '../../../src/predictions/json/parse.ts'
import { stringifyJson } from '../../../src/predictions/json/write.ts'

const again = (text: string) => stringifyJson(parseJson(text).value)

describe('nesting', () => {
  const nested = (depth: number, open = '[', close = ']') => `${open.repeat(depth)}1${close.repeat(depth)}`
  test('is read to its limit and not beyond', () => {
    assert.equal(again(nested(DEEPEST)), nested(DEEPEST))
    for (const text of [nested(DEEPEST + 1), nested(20_000), nested(DEEPEST + 1, '{"a":', '}'), '['.repeat(1e6)])
      assert.throws(() => parseJson(text), JsonTooDeepError)
  })
  test('of brackets in strings does not count', () => {
    for (const text of ['[{"', '[\\"', '\\\\[', '"\\']) {
      const json = JSON.stringify([text.repeat(5000), { [text.repeat(300)]: 1 }])
      assert.deepEqual(parseJson(json).value, JSON.parse(json))
    }
  })
})

const list = (part: string, count: number) => `[${Array.from({ length: count - 1 }, () => part).join()}]`

test('lists, objects and numbers that keep their digits are read up to a million together', () => {
  for (const part of ['{}', '[]', '18446744073709551615', 'NaN']) {
    assert.equal((parseJson(list(part, MOST_PARTS)).value as unknown[]).length, MOST_PARTS - 1)
    assert.throws(() => parseJson(list(part, MOST_PARTS + 1)), JsonTooManyPartsError)
  }
  assert.equal((parseJson(list('1', 2 * MOST_PARTS)).value as unknown[]).length, 2 * MOST_PARTS - 1)
})

test('values are read up to ten million', () => {
  const ones = (count: number) => `[${'1,'.repeat(count - 1)}1]`
  assert.equal((parseJson(ones(MOST_VALUES)).value as unknown[]).length, MOST_VALUES)
  assert.throws(() => parseJson(ones(MOST_VALUES + 1)), /more than 10,000,000 values/)
})

test('strings are read up to a million, to which names of properties do not count', () => {
  assert.equal((parseJson(list('"a"', MOST_STRINGS + 1)).value as unknown[]).length, MOST_STRINGS)
  assert.throws(() => parseJson(list('"a"', MOST_STRINGS + 2)), /more than 1,000,000 strings/)
  assert.equal((parseJson(list('{"a":1,"b":2}', 600_000)).value as unknown[]).length, 599_999)
})

describe('names of properties are read up to 200,000', () => {
  const object = (count: number, prefix = '') =>
    `{${Array.from({ length: count }, (_, i) => `"${prefix}${i}" : 1`).join()}}`
  test('names of properties are limited in one object, also in an incomplete one', () => {
    assert.equal(Object.keys(parseJson(object(MOST_NAMES)).value as object).length, MOST_NAMES)
    const larger = object(MOST_NAMES + 1)
    for (const text of [larger, `[${larger.slice(0, -1)}`])
      assert.throws(() => parseJson(text), /more than 200,000 property names/)
  })
  test('names of properties are limited across objects', () => {
    const objects = Array.from({ length: 5 }, (_, i) => object(MOST_NAMES / 4, `${i}-`))
    assert.equal((parseJson(`[${objects.slice(1).join()}]`).value as unknown[]).length, 4)
    assert.throws(() => parseJson(`[${objects.join()}]`), JsonTooManyPartsError)
  })
  test('where objects with the same names in the same order count once', () => {
    assert.equal((parseJson(list(object(100), 10_000)).value as unknown[]).length, 9_999)
    const both = [object(3), '{"2":1,"1":1,"0":1}'].join()
    assert.equal((parseJson(list(both, 100_000)).value as unknown[]).length, 199_998)
  })
})
