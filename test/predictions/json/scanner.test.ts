import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  JSON_LIMITS,
  type JsonLimits,
  JsonTooDeepError,
  JsonTooManyPartsError,
} from '../../../src/predictions/json/limits.ts'
import { Scanner } from '../../../src/predictions/json/scanner.ts'
import { assertGrowsWithSize } from '../../support/growth.ts'

/** Scans a text whole. @returns what must be edited */
function scan(text: string, limits: Partial<JsonLimits> = {}): string[] {
  const scanner = new Scanner(text, { ...JSON_LIMITS, ...limits })
  while (!scanner.scanOn());
  const { edits } = scanner
  return edits.flatMap((start, i) => (i % 2 === 0 ? [text.slice(start, edits[i + 1])] : []))
}

const tooMany = (most: string, parts: string) => ({
  name: 'JsonTooManyPartsError',
  message: `JSON of more than ${most} ${parts}`,
})

describe('the scan of JSON', () => {
  test('the scan finds the numbers whose digits a double would change, wherever they are', () => {
    for (const digits of [
      '9007199254740993',
      '-9007199254740993',
      '123456789012345678901234567890',
      '0.1000000000000000055511151231257827',
      '1e400',
      '-1E+400',
      '12e-400',
      '0.5e999',
      '100e99999',
    ]) {
      for (const text of [digits, ` ${digits} `, `[${digits}]`, `{"a":${digits},"b":1}`, `[1,${digits}\n,${digits}]`])
        assert.deepEqual([...new Set(scan(text))], [digits], text)
    }
  })

  test('the scan finds NaN and infinities, which JSON does not have', () => {
    assert.deepEqual(scan('[NaN,-Infinity , Infinity]'), ['NaN', '-Infinity', 'Infinity'])
    assert.deepEqual(scan('NaN'), ['NaN'])
  })

  test('the scan leaves numbers that a double keeps', () => {
    for (const digits of [
      '0',
      '-0',
      '1e5',
      '0.25E-3',
      '9007199254740991',
      '3.141592653589793',
      '100000000000000000000',
    ])
      assert.deepEqual(scan(`[${digits}, "NaN",${digits}]`), [], digits)
  })

  test('the scan leaves words that are almost a number', () => {
    for (const word of [
      '00000000000000000001',
      '1234567890123456789.',
      '.1234567890123456789',
      '--12345678901234567890',
      '12345678901234567890e',
      '12345678901234567890e1.5',
      '12345678901234567890/1',
      '12345678901234567890a',
      '1e400x',
      '1.e400',
      'NaNs',
      '-NaN',
      'Infinity1',
      'infinity',
      'nan',
      'true',
      'null',
    ])
      assert.deepEqual(scan(word), [], word)
  })

  test('the scan leaves the content of strings, whatever backslashes they have', () => {
    for (const text of ['NaN', '1e400,', '"', '"NaN', '\\', '\\"', '\\\\"NaN', '\\\\\\', '[[[[', 'a\\"[[[[\\\\"1e400'])
      assert.deepEqual(scan(JSON.stringify([text, { [text]: text }]), { depth: 2 }), [], text)
    assert.deepEqual(scan('["\\\\",NaN,"\\"",NaN]'), ['NaN', 'NaN'])
    assert.deepEqual(scan('[1,"NaN'), [])
    assert.deepEqual(scan('[1,"NaN\\"NaN'), [])
  })

  test('the scan is done in turns that read a part each', () => {
    const scanner = new Scanner(`[${' '.repeat(9)}NaN${' '.repeat(6)}1]`, JSON_LIMITS)
    assert.equal(scanner.scanOn(10), false)
    assert.deepEqual(scanner.edits, [])
    assert.equal(scanner.scanOn(10), false)
    assert.deepEqual(scanner.edits, [10, 13])
    assert.equal(scanner.scanOn(10), true)
    assert.deepEqual(scanner.edits, [10, 13])
    assert.equal(new Scanner('1234', JSON_LIMITS).scanOn(4), true)
    assert.equal(new Scanner('"1234"', JSON_LIMITS).scanOn(1), true)
    assert.equal(new Scanner('[1234]', JSON_LIMITS).scanOn(), true)
  })
})

test('the scan takes time in proportion to the text, also if it is no JSON', () => {
  const shapes: Record<string, (size: number) => string> = {
    'a long name before many colons': (size) => `{"${'a'.repeat(size)}"${':'.repeat(size)}`,
    'a string of backslashes and quotes': (size) => `"${'\\\\'.repeat(size)}${'\\"'.repeat(size)}`,
    'many long words': (size) => '1e'.repeat(size),
  }
  for (const [name, make] of Object.entries(shapes)) {
    assertGrowsWithSize(
      (size) => {
        const text = make(size)
        return () => scan(text)
      },
      4000,
      name,
    )
  }
})

describe('the scan of JSON accepts', () => {
  test('the scan accepts lists and objects up to the given depth', () => {
    for (const text of ['[[1],[1]]', '{"a":{}}', '[{"a":1}, {"b":"[[["}, []]', '[{},{},{}]'])
      assert.deepEqual(scan(text, { depth: 2 }), [], text)
    for (const text of ['[[[', '[{"a":[]}]', '{"a":{"b":{}}}', '[[1],[[1]]]', '[{},{"a":{}}]'])
      assert.throws(() => scan(text, { depth: 2 }), JsonTooDeepError, text)
    assert.throws(() => scan('[[[', { depth: 2 }), { message: 'JSON that is nested deeper than 2 levels', levels: 2 })
  })

  test('the scan accepts the given number of lists, objects and numbers to edit together', () => {
    const text = '[{"a":[]},{},12345678901234567890,NaN,1,"[",2,3]'
    assert.deepEqual(scan(text, { parts: 6 }), ['12345678901234567890', 'NaN'])
    assert.throws(() => scan(text, { parts: 5 }), tooMany('5', 'arrays and objects'))
    assert.throws(() => scan('[[],[]]', { parts: 2 }), tooMany('2', 'arrays and objects'))
    assert.throws(() => scan('{"a":{}}', { parts: 1 }), JsonTooManyPartsError)
  })

  test('the scan accepts the given number of values', () => {
    assert.deepEqual(scan('[1,"a,b",{"c":1}]', { values: 3 }), [])
    assert.throws(() => scan('[1,"a,b",{"c":1},2]', { values: 3 }), tooMany('3', 'values'))
    assert.throws(() => scan('{"a":1,"b":2,"c":3,"d":4}', { values: 3 }), tooMany('3', 'values'))
    assert.throws(() => scan(`[${'1,'.repeat(1234)}1]`, { values: 1234 }), tooMany('1,234', 'values'))
  })

  test('the scan accepts the given number of strings, without counting property names', () => {
    assert.deepEqual(scan('["a",{"b":"c","d":1},2]', { strings: 2 }), [])
    assert.throws(() => scan('["a",{"b":"c","d":"e"}]', { strings: 2 }), tooMany('2', 'strings'))
  })

  test('the scan accepts the given number of property names, and counts those of like objects once', () => {
    const names = 4
    for (const text of [
      '{"a":1,"b":{"c":2,"d":3}}',
      '[{"a":1,"b":2},{"a":3,"b":4},{"c":1,"d":2}]',
      '{"a":1,"a":1,"a" : 1}',
    ])
      assert.deepEqual(scan(text, { names }), [], text)
    for (const text of [
      '{"a":1,"b":{"c":2,"d":3},"e":4}',
      '[{"a":1,"b":2},{"b":3,"a":4},{"c":1}]',
      '[{"a":1},{"b":1},{"c":1},{"d":1},{"e":1}]',
    ])
      assert.throws(() => scan(text, { names }), tooMany('4', 'property names'), text)
  })
})
