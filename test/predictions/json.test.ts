import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  DEEPEST,
  exactNumber,
  isRawNumber,
  JsonTooDeepError,
  JsonTooManyPartsError,
  jsonParts,
  jsonStart,
  MOST_NAMES,
  MOST_PARTS,
  MOST_STRINGS,
  MOST_VALUES,
  numberOf,
  parseJson,
  parseJsonInTurns,
  stringifyJson,
} from '../../src/predictions/json.ts'

const again = (text: string) => stringifyJson(parseJson(text).value)

describe('a number', () => {
  test('keeps its digits where a double would change them', () => {
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
  test('is a plain number where it loses nothing', () => {
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
  test('in a string, or in a name, is text', () => {
    const text = '{"18446744073709551615":"[18446744073709551615, NaN]","\\"NaN":"\\\\"}'
    assert.deepEqual(parseJson(text), { value: JSON.parse(text), hadNonFinite: false })
  })
  test('under a name that occurs twice, or that is __proto__, counts like any other', () => {
    assert.equal(again('{"a":18446744073709551615,"a":1,"b":18446744073709551615}'), '{"a":1,"b":18446744073709551615}')
    assert.equal(again('{"__proto__":18446744073709551615}'), '{"__proto__":18446744073709551615}')
  })
  test('is not mistaken for a string that looks like what stands for one', () => {
    const text =
      '["\ufdd00\ufdd112345678901234567890","\\ufdd00\\ufdd15","\\ufdd0\\u0030\\ufdd1x",12345678901234567890]'
    const { value } = parseJson(text)
    assert.deepEqual(
      (value as unknown[]).map((each) => (isRawNumber(each) ? each.rawJSON : each)),
      ['\ufdd00\ufdd112345678901234567890', '\ufdd00\ufdd15', '\ufdd00\ufdd1x', '12345678901234567890'],
    )
  })
  test('that is damaged is a fault of the JSON', () => {
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
  test('is read as a number wherever one is needed', () => {
    assert.equal(numberOf(parseJson('0.1000000000000000055511151231257827').value), 0.1)
    assert.equal(numberOf(2), 2)
    assert.equal(numberOf('2'), undefined)
    assert.equal(exactNumber('12'), 12)
    assert.equal(stringifyJson({ seed: exactNumber('18446744073709551615') }), '{"seed":18446744073709551615}')
  })
})

test('NaN, Infinity and -Infinity outside strings are null, and that is told', () => {
  assert.deepEqual(parseJson('{"a":NaN,"b":[Infinity,-Infinity],"c":"NaN"}'), {
    value: { a: null, b: [null, null], c: 'NaN' },
    hadNonFinite: true,
  })
  assert.equal(parseJson('[1,2]').hadNonFinite, false)
})

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
  test('that is too deep to be written becomes a sentence', () => {
    const deep = Array.from({ length: 100_000 }).reduce((inner) => [inner], 1)
    assert.match(stringifyJson(deep), /^"\(JSON that is nested too deeply/)
    assert.equal(stringifyJson(undefined), 'null')
    assert.equal(stringifyJson({ a: [1] }, 1), '{\n "a": [\n  1\n ]\n}')
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

test('a long text is parsed in turns of the event loop, with the same value', async () => {
  const text = list('{"seed":18446744073709551615,"a":[1,"b"]}', 300_000)
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  const parsed = await parseJsonInTurns(text)
  clearInterval(timer)
  assert.ok(turns > 1, `${turns} turns`)
  assert.equal(stringifyJson(parsed.value), text)
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

test('JSON that is written in parts is the JSON of the whole', () => {
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

test('the start of JSON is all of it if it is short, and costs no more if it is long', () => {
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
