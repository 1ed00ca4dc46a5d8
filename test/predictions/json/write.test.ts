import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJson } from '../../../src/predictions/json/parse.ts'
import { jsonParts, jsonStart, stringifyJson } from '../../../src/predictions/json/write.ts'

test('nesting that is too deep to be written becomes a sentence', () => {
  const deep = Array.from({ length: 100_000 }).reduce((inner) => [inner], 1)
  assert.match(stringifyJson(deep), /^"\(JSON that is nested too deeply/)
  assert.equal(stringifyJson(undefined), 'null')
  assert.throws(() => stringifyJson(1n), TypeError)
  assert.equal(stringifyJson({ a: [1] }, 1), '{\n "a": [\n  1\n ]\n}')
})

test('JSON that is written in parts is the same as JSON that is written as a whole', () => {
  const list = Array.from({ length: 25_001 }, (_, i) => ({ i }))
  const values = [
    list,
    { a: list, b: [list], __proto__: null },
    {},
    [],
    'x',
    null,
    parseJson('{"n":18446744073709551615}').value,
  ]
  for (const value of values) assert.equal([...jsonParts(value)].join(''), JSON.stringify(value))
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal([...jsonParts(value)].join(''), JSON.stringify(value))))
  assert.ok([...jsonParts({ list })].every(({ length }) => length < 200_000))
})

/** Characters of the longest number that JSON.stringify writes, and some. */
const LONGEST_NUMBER = 40

test('the start of JSON is complete if it is short, and is written without the rest if it is long', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.nat(40), (value, most) => {
      const whole = JSON.stringify(value)
      assert.equal(jsonStart(value, whole.length), whole)
      const start = jsonStart(value, most)
      if (whole.length <= most) assert.equal(start, whole)
      else assert.ok(start.length > most && start.length <= 6 * most + LONGEST_NUMBER)
    }),
  )
  let reads = 0
  const items: unknown[] = Array(1000).fill({})
  const list = new Proxy(items, {
    get(target, name) {
      reads++
      return Reflect.get(target, name)
    },
  })
  assert.equal(jsonStart(list, 10), '[{},{},{},{}')
  assert.ok(reads < 20, `${reads} reads`)
})

test('the start of JSON ends with the part that exceeds the length', () => {
  for (const [value, most, start] of [
    [{ a: { b: 1 }, d: 3 }, 5, '{"a":{'],
    [{ a: [{ b: 1 }, 2], d: 3 }, 6, '{"a":[{'],
    [['x'.repeat(1000), 1], 10, `["${'x'.repeat(10)}"`],
    ['x'.repeat(1000), 10, `"${'x'.repeat(10)}"`],
    [{ ['x'.repeat(1000)]: 1 }, 10, `{"${'x'.repeat(10)}"`],
    [undefined, 10, 'null'],
  ] as const)
    assert.equal(jsonStart(value, most), start)
  assert.deepEqual([...jsonParts(undefined)], ['null'])
})
