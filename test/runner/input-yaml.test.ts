import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { stringifyJson } from '../../src/predictions/json/write.ts'
import { ModelInputError } from '../../src/runner/embedded-files.ts'
import { parseInput } from '../../src/runner/input-yaml.ts'

/** What the API would be sent. */
const sent = (text: string, options?: { isFile: boolean }) => stringifyJson(parseInput(text, 'input', options))
const refused = (text: string, message: RegExp, options?: { isFile: boolean }) =>
  assert.throws(
    () => parseInput(text, 'input', options),
    (error) => {
      assert.ok(error instanceof ModelInputError)
      assert.match(error.message, /^In input[: .[]/)
      assert.match(error.message, message)
      return true
    },
  )

describe('an input', () => {
  for (const [text, json] of [
    ['prompt: a cake\nnum_outputs: 2', '{"prompt":"a cake","num_outputs":2}'],
    ['{"prompt": "a cake: # 5", "ok": true, "none": null}', '{"prompt":"a cake: # 5","ok":true,"none":null}'],
    ['{\n\t"a":\t[1,\t2]\n}', '{"a":[1,2]}'],
    ['seed: 18446744073709551615', '{"seed":18446744073709551615}'],
    ['{"seed": 9007199254740993}', '{"seed":9007199254740993}'],
    ['seed: -9223372036854775808', '{"seed":-9223372036854775808}'],
    ['n: 1.5\nm: 1e3\nz: -0.25', '{"n":1.5,"m":1000,"z":-0.25}'],
    ['x: 0.1234567890123456789', '{"x":0.1234567890123456789}'],
    ['x: 120.12345678901234567890', '{"x":120.12345678901234567890}'],
    ['x: 1.2345678901234567890e12', '{"x":1.2345678901234567890e12}'],
    ['x: 12345678901234567890E+10', '{"x":12345678901234567890E+10}'],
    ['x: -0.12345678901234567890e-10', '{"x":-0.12345678901234567890e-10}'],
    ['x: .12345678901234567890', '{"x":0.12345678901234568}'],
    ['x: +1.2345678901234567890', '{"x":1.2345678901234567}'],
    ['x: 01.2345678901234567890', '{"x":1.2345678901234567}'],
    ['x: 12345678901234567890.', '{"x":12345678901234567000}'],
    ['prompt: "a cake" # quoted', '{"prompt":"a cake"}'],
    ['a: &b [1]\nc: *b', '{"a":[1],"c":[1]}'],
    ['"10": x\n2: y', '{"2":"y","10":"x"}'],
    ['date: 2026-01-31\nno: no', '{"date":"2026-01-31","no":"no"}'],
    ['prompt: "1984"', '{"prompt":"1984"}'],
    ['prompt: |\n  a cake\n  with # candles\n', '{"prompt":"a cake\\nwith # candles\\n"}'],
    ["prompt: 'it''s # 5'", '{"prompt":"it\'s # 5"}'],
    ['# a comment of its own\nprompt: a cake\n# and another\nsteps: 3 # a number', '{"prompt":"a cake","steps":3}'],
    ['prompt: a cake\n\n# at the end', '{"prompt":"a cake"}'],
    ['"<<": 1\na: <<', '{"<<":1,"a":"<<"}'],
    ['"__proto__": 1', '{"__proto__":1}'],
    ['1.10: a\n1.1: b\n010: c\n1e3: d', '{"1.10":"a","1.1":"b","010":"c","1e3":"d"}'],
    ['null: a\ntrue: b\n~: c', '{"null":"a","true":"b","~":"c"}'],
    ['%YAML 1.2\n---\nno: no', '{"no":"no"}'],
    ['n: !!str 5\nm: !!int "5"\nl: !!seq [!!map {a: !!bool "true"}]', '{"n":"5","m":5,"l":[{"a":true}]}'],
  ] as const) {
    test(`${JSON.stringify(text)} is sent as ${json}`, () => assert.equal(sent(text), json))
  }

  for (const text of ['a: 1e400', 'a: -1e400', '{"a": 1e999}', 'a: .inf', 'a: -.inf', 'a: .nan', 'commit: 123e4567']) {
    test(`${text} is refused, because JSON cannot represent the number`, () =>
      refused(text, /is read as a number that JSON cannot represent\. If it is a text, quote it\./))
  }

  test('a text that is cut off by " #" is refused inline, and allowed in a file', () => {
    refused('prompt: a cake # with candles', /the text "a cake" is cut off at " #"/)
    refused('prompt: number #5 cake', /the text "number" is cut off at " #"/)
    refused('a: {prompt: a cake # with\n}', /is cut off at " #"/)
    refused('- a cake # with candles', /is cut off at " #"/)
    refused('prompt: a cake   # with candles', /is cut off at " #"/)
    refused(`prompt: ${'x'.repeat(100)} # with candles`, /the text "x{60}…" is cut off/)
    assert.equal(sent('prompt: a cake # with candles', { isFile: true }), '{"prompt":"a cake"}')
  })

  test('a value that is hidden by "#" is refused inline, and is null in a file', () => {
    const hidden =
      /^In input\.prompt: there is no value before "#", which starts a comment in YAML\. Put the text in quotes/
    for (const text of ['prompt: #1 cake', 'steps: 4\nprompt: # with candles', 'prompt:\t#cake\nsteps: 4']) {
      refused(text, hidden)
      assert.match(sent(text, { isFile: true }), /"prompt":null/)
    }
    assert.equal(sent('sizes: # in pixels\n  - 8\nmask:\n# none\n'), '{"sizes":[8],"mask":null}')
  })

  test('an input that cannot be sent is refused with its place, inline and in a file', () => {
    refused('hero:\n  prompt: a cake # with', /^In input\.hero\.prompt: the text "a cake" is cut/)
    refused('[{sizes: [1, .inf]}]', /^In input\[0\]\.sizes\[1\]: /)
    const file = () => parseInput('hero:\n  seed: .inf', 'the file pictures.yml', { isFile: true })
    assert.throws(file, /In the file pictures\.yml at hero\.seed: "\.inf" is read as a number/)
  })

  for (const [name, text, message] of [
    [
      'a colon in a plain text',
      'prompt: a cake: with cream',
      /Put all texts in quotes, or pass them with \$\{\{ toJSON\(…\) \}\}\.$/,
    ],
    ['a leading quote', 'prompt: "quoted" cake', /Put all texts in quotes/],
    ['a duplicate key', 'a: 1\na: 2', /^In input: Map keys must be unique at line 2, column 1\.$/],
    ['a duplicate key in JSON', '{"a":\t1,"a":\t2}', /unique/],
    ['a number and a text as the same key', '1: a\n"1": b', /unique/],
    ['a date', 'a: !!timestamp 2026-01-31', /^In input\.a: the tag !!timestamp is not supported/],
    ['a set', 'a: [!!set {b, c}]', /^In input\.a\[0\]: the tag !!set is not supported/],
    ['an ordered mapping', 'a: !!omap [b: 1]', /^In input\.a: the tag !!omap is not supported/],
    [
      'a YAML 1.1 directive',
      '%YAML 1.1\n---\nno: 12:30',
      /^In input: it is marked as YAML 1\.1, but read as YAML 1\.2\. Remove the line that starts with %YAML\.$/,
    ],
    [
      'several documents',
      'a: 1\n---\nb: 2',
      /^In input: it has several YAML documents: a line "---" starts another one\. Remove the line, or put the text that contains it in quotes\.$/,
    ],
    ['a mapping as a key', 'prompt: {? {a: 1} : 1}', /a key is a mapping/],
    ['two lists as keys', '? [1]\n: a\n? [2]\n: b', /^In input: a key is a list/],
    ['a list and a text as keys', '? [1]\n: a\nundefined: b', /^In input: a key is a list/],
    ['a list as a key', 'prompt: {? ["##[set-output name=x]1"] : 1}', /a key is a list/],
    ['an alias of a list as a key', 'a: &x ["##[set-output name=x]1"]\n? *x\n: 1', /a key is a list/],
    ['binary data', 'a: !!binary aGVsbG8=', /binary data cannot be sent|tag/i],
    ['an unknown tag', 'a: !secret x', /tag/i],
    [
      'a merge key',
      'base: &b {size: 1}\nhero:\n  <<: *b',
      /^In input\.hero: merge keys \(<<\) are not supported\. Put shared values into input or input-file\.$/,
    ],
    [
      'an alias inside the value that it refers to',
      'a: &a [*a]',
      /^In input\.a\[0\]: the alias \*a refers to a value that contains it/,
    ],
    ['an unknown alias', 'a: *b', /alias/i],
  ] as const) {
    test(`an input with ${name} is refused`, () => refused(text, message))
  }

  test('an input that grows through aliases is refused', () => {
    const lines = ['a0: &a0 [x, x]', ...Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`)]
    refused(lines.join('\n'), /alias/i)
  })

  test('an input that is nested too deeply is refused', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
    assert.equal(sent(nested(200)), nested(200))
    refused(nested(201), /^In input: it is nested deeper than 200 levels\.$/)
    const mapping = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
    assert.equal(sent(mapping(200)), mapping(200))
    refused(mapping(201), /nested deeper than 200 levels/)
    refused(`a: ${'['.repeat(500)}${']'.repeat(500)}`, /nested deeper than 200 levels/)
    refused(`a: ${'['.repeat(50_000)}${']'.repeat(50_000)}`, /nested deeper than 200 levels/)
  })

  test('reading an input as YAML prints nothing', async () => {
    const heard: unknown[] = []
    const listen = (warning: unknown) => heard.push(warning)
    process.on('warning', listen)
    for (const text of ['a: !x 1', '? [1]\n: 2', 'a: !!binary x', '%FOO\n---\na: 1', 'a: &x [1]\n? *x\n: 2']) {
      try {
        parseInput(text, 'input')
      } catch {}
    }
    // Node emits warnings in a later turn.
    await nextTurn()
    process.off('warning', listen)
    assert.deepEqual(heard, [])
  })

  test('a JSON input is sent unchanged', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const json = JSON.stringify(value)
        assert.equal(sent(json), JSON.stringify(JSON.parse(json)))
      }),
    )
  })
})
