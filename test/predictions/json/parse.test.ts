import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { JsonTooDeepError } from '../../../src/predictions/json/limits.ts'
import { isJsonObject, isRawNumber } from '../../../src/predictions/json/numbers.ts'
import { parseJson, parseJsonInTurns } from '../../../src/predictions/json/parse.ts'
import { stringifyJson } from '../../../src/predictions/json/write.ts'

const again = (text: string) => stringifyJson(parseJson(text).value)

describe('a number', () => {
  test('a number keeps its digits if a double would change them', () => {
    const kept = [
      '18446744073709551615',
      '9007199254740993',
      '-9223372036854775808',
      '1e400',
      '1000000000000000000000',
      '-1E+400',
      '1e-400',
    ]
    for (const digits of [...kept, '0.1000000000000000055511151231257827', '123456789012345678901234567890'])
      for (const text of [digits, `[${digits}]`, `{"a":{"b":[1,${digits},"x"]},"c":${digits}}`])
        assert.equal(again(text), text)
  })
  test('a number that loses nothing as a double is a plain number', () => {
    for (const [text, value] of [
      ['0', 0],
      ['-0', -0],
      ['9007199254740991', 9007199254740991],
      ['9007199254740992', 9007199254740992],
      ['1.50', 1.5],
      ['1e3', 1000],
      ['3.1415926535897931', Math.PI],
      ['0.000000000000000000000123', 1.23e-22],
      ['19513023469456550', 19513023469456550],
    ] as const)
      assert.equal(parseJson(` ${text}\n`).value, value, text)
  })
  test('a number in a string or in a property name is text', () => {
    const text = '{"18446744073709551615":"[18446744073709551615, NaN]","\\"NaN":"\\\\"}'
    assert.deepEqual(parseJson(text), { value: JSON.parse(text), hadNonFinite: false })
  })
  test('a number under a repeated property name or under __proto__ is read like any other', () => {
    assert.equal(again('{"a":18446744073709551615,"a":1,"b":18446744073709551615}'), '{"a":1,"b":18446744073709551615}')
    assert.equal(again('{"__proto__":18446744073709551615}'), '{"__proto__":18446744073709551615}')
  })
  test('a string that looks like the placeholder of a number stays a string', () => {
    const text =
      '["\ufdd00\ufdd112345678901234567890","\\ufdd00\\ufdd15","\\ufdd0\\u0030\\ufdd1x",12345678901234567890]'
    const { value } = parseJson(text)
    assert.deepEqual(
      (value as unknown[]).map((each) => (isRawNumber(each) ? each.rawJSON : each)),
      ['\ufdd00\ufdd112345678901234567890', '\ufdd00\ufdd15', '\ufdd00\ufdd1x', '12345678901234567890'],
    )
  })
  test('a number that keeps its digits is a property like any other', () => {
    const { value } = parseJson('{"a":18446744073709551615,"b":1}')
    assert.ok(isJsonObject(value))
    const { a, ...others } = Object.getOwnPropertyDescriptors(value)
    assert.deepEqual({ ...a, value: 1 }, others.b)
  })
  test('a damaged number is a syntax error', () => {
    for (const text of [
      '00000000000000000001',
      '1234567890123456789.',
      '--12345678901234567890',
      '[1e]',
      'NaNs',
      '[Infinity1]',
      '-NaN',
    ])
      assert.throws(() => parseJson(text), SyntaxError, text)
  })
})

test('NaN, Infinity and -Infinity outside strings are read as null, and reported', () => {
  assert.deepEqual(parseJson('{"a":NaN,"b":[Infinity,-Infinity],"c":"NaN"}'), {
    value: { a: null, b: [null, null], c: 'NaN' },
    hadNonFinite: true,
  })
  for (const text of ['[1,2]', '[18446744073709551615]', '[1e400,"NaN"]'])
    assert.equal(parseJson(text).hadNonFinite, false, text)
})

describe('nesting', () => {
  const nested = (depth: number, open = '[', close = ']') => `${open.repeat(depth)}1${close.repeat(depth)}`
  test('JSON is read up to the limit of nesting and not beyond', () => {
    for (const text of [nested(200), nested(200).replace('1', '18446744073709551615')]) assert.equal(again(text), text)
    for (const text of [nested(201), nested(20_000), nested(201, '{"a":', '}'), '['.repeat(1e6)])
      assert.throws(() => parseJson(text), JsonTooDeepError)
  })
  test('brackets in strings do not count as nesting', () => {
    for (const text of ['[{"', '[\\"', '\\\\[', '"\\']) {
      const json = JSON.stringify([text.repeat(5000), { [text.repeat(300)]: 1 }])
      assert.deepEqual(parseJson(json).value, JSON.parse(json))
    }
  })
})

test('a text is parsed within the limits that are given', () => {
  const limits = { depth: 1, parts: 1, values: 3, strings: 1, names: 0 }
  assert.deepEqual(parseJson('[1,"2",3]', limits).value, [1, '2', 3])
  for (const text of ['[[]]', '[1,2,3,4]', '["1","2"]', '[NaN]', '{"a":1}'])
    assert.throws(() => parseJson(text, limits), /^JsonToo/, text)
})

test('a long text is parsed in turns of the event loop, with the same value', async () => {
  const gap = ' '.repeat(2 ** 22)
  const text = `[18446744073709551615,${gap}NaN,${gap}{"a":[1,"b"]},1e400]`
  let turns = 0
  const count = () => {
    turns++
    turn = setImmediate(count)
  }
  let turn = setImmediate(count)
  const parsed = await parseJsonInTurns(text)
  clearImmediate(turn)
  assert.ok(turns > 1, `${turns} turns`)
  assert.deepEqual([stringifyJson(parsed.value), parsed.hadNonFinite], [stringifyJson(parseJson(text).value), true])
  assert.equal(stringifyJson(parsed.value), '[18446744073709551615,null,{"a":[1,"b"]},1e400]')
  await assert.rejects(parseJsonInTurns('['.repeat(300)), JsonTooDeepError)
})

test('any JSON is read as JSON.parse reads it, with any integer in its midst', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (json, seed) => {
      const text = JSON.stringify(json)
      assert.deepEqual(parseJson(text).value, JSON.parse(text))
      const around = `{"a":[${text},${seed},{"b":${seed}}],"c":${text}}`
      assert.equal(
        again(around),
        JSON.stringify({ a: [json, 0, { b: 0 }], c: json }).replace(
          /,0,\{"b":0\}\],"c":/,
          `,${seed},{"b":${seed}}],"c":`,
        ),
      )
    }),
    { numRuns: 1000 },
  )
})

test('any text is parsed as JSON.parse does it, or refused as it does', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '\\',
    '1',
    '-',
    'e',
    '.',
    '12345678901234567890',
    'a',
    ' ',
    'null',
  )
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: pieces, maxLength: 12 }), fc.string()), (text) => {
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        assert.throws(() => parseJson(text), SyntaxError)
        return
      }
      assert.equal(JSON.stringify(JSON.parse(again(text))), JSON.stringify(expected))
    }),
    { numRuns: 3000 },
  )
})
