import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { INVISIBLE } from '../../src/predictions/invisible.ts'
import { parseJson } from '../../src/predictions/json/parse.ts'
import { createRedactor } from '../../src/predictions/redact.ts'

const KEY = 'sk-test-0123456789abcdef'
const { text, identifier, tokens, value } = createRedactor(KEY)

const escaped = (key: string) => [...key].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
const percent = (key: string) => [...key].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')
const split = (by: string, length = 7) => (KEY.match(new RegExp(`.{1,${length}}`, 'g')) ?? []).join(by)

describe('the whole key is removed from free text and from identifiers', () => {
  const forms: Record<string, string> = {
    'in plain': KEY,
    'in capitals': KEY.toUpperCase(),
    'as JSON escapes': escaped(KEY),
    'as JSON escapes in JSON in JSON': escaped(KEY).replaceAll('\\', '\\\\\\\\'),
    'with one letter as a JSON escape': KEY.replace('t', '\\u0074'),
    'percent-encoded': percent(KEY),
    'percent-encoded twice': percent(KEY).replaceAll('%', '%25'),
    'with one letter percent-encoded': KEY.replace('t', '%74'),
    'as HTML entities': [...KEY].map((c) => `&#${c.charCodeAt(0)};`).join(''),
    'in hexadecimal': Buffer.from(KEY).toString('hex'),
    'split by zero-width spaces': split('\u200b'),
    'split by direction marks': split('\u200e', 1),
    'split by tag characters': split('\u{e0041}', 2),
    'split by escape sequences of a terminal': split('\u001b[0;31m'),
    'split by NUL': split('\u0000', 1),
  }
  for (const [name, form] of Object.entries(forms)) {
    test(`the whole key is removed, however it is written: ${name}`, () => {
      for (const redact of [text, identifier]) assert.match(redact(`a ${form} b ${form}`), /^a \\*\*\*\* b \\*\*\*\*$/)
    })
  }
  test('the whole key is removed in base64, at each alignment and in both alphabets', () => {
    for (const before of ['', 'a', 'ab', 'Bearer ', 'x: Bearer ']) {
      for (const encoding of ['base64', 'base64url'] as const) {
        const encoded = Buffer.from(`${before}${KEY} and more`).toString(encoding)
        for (const redact of [text, identifier]) {
          const clean = redact(`got ${encoded}.`)
          assert.match(clean, /^got \w{0,20}\*\*\*[\w+/=-]+\.$/)
          assert.ok(!Buffer.from(clean.slice(4), 'base64').toString().includes(KEY.slice(3, -3)))
        }
      }
    }
  })
  test('a key with characters that JSON escapes is removed', () => {
    const odd = createRedactor('sk-"quoted"\\key')
    assert.equal(odd.text(JSON.stringify({ error: 'sk-"quoted"\\key' })), '{"error":"***"}')
  })
  test('a key with characters that HTML and XML have names for is removed', () => {
    const odd = createRedactor('a&b<c>d"e\'f&g<h>i&j')
    for (const quote of ['&#39;', '&apos;', '&#x27;']) {
      const once = `a&amp;b&lt;c&gt;d&quot;e${quote}f&amp;g&lt;h&gt;i&amp;j`
      for (const form of [
        once,
        once.toUpperCase(),
        once.replaceAll('&', '&amp;'),
        once.replaceAll('&', '&#38;'),
        once.replaceAll('&', '&amp;amp;'),
      ])
        for (const redact of [odd.text, odd.identifier])
          assert.equal(redact(`invalid: ${form}.`), 'invalid: ***.', form)
    }
    for (const plain of ['a &amp; b', '&lt;p&gt;', 'a&amp', '&amp;&amp;']) assert.equal(odd.text(plain), plain)
  })
  test('a key is removed if the characters before it turn its beginning into an escape', () => {
    const hexadecimal = createRedactor('41bcdef0123456')
    for (const form of ['%41bcdef0123456', '%41%62cdef0123456', '\\u0041bcdef0123456'])
      assert.ok(!/bcdef0123456|%62/.test(hexadecimal.identifier(form)), form)
  })
  test('the mark of a redaction never completes the key', () => {
    const odd = createRedactor('ab***cd')
    assert.ok(!odd.identifier('abab***cdcd').includes('ab***cd'))
  })
})

describe('a piece of the key', () => {
  const piece = KEY.slice(3, 15)
  test('a piece of twelve characters of the key is removed from free text, however it is written', () => {
    for (const form of [
      piece,
      escaped(piece),
      percent(piece),
      piece.toUpperCase(),
      `${piece.slice(0, 5)}\u200b${piece.slice(5)}`,
    ])
      assert.equal(text(`a ${form}.`), 'a ***.')
  })
  test('a piece of eleven characters of the key stays', () =>
    assert.equal(text(`a ${piece.slice(1)}.`), `a ${piece.slice(1)}.`))
  test('a piece of the key of any length stays in an identifier', () => {
    assert.equal(identifier(`https://x.test/${KEY.slice(0, -1)}`), `https://x.test/${KEY.slice(0, -1)}`)
  })
  test('a piece of the key that a line break splits is removed from both lines', () => {
    const short = createRedactor('sk-0123456789abcdefghijklmn')
    assert.equal(short.text('sk-0123456789\nabcdefghijklmn'), '***\n***')
  })
})

describe('the shape in which gateways echo a key', () => {
  test('a masked key, as gateways echo it, is removed from free text', () => {
    assert.equal(text('[sk-tes***def] quota used up'), '[***] quota used up')
    assert.equal(text('bad key: sk-abc****************xyz.'), 'bad key: ***')
    const other = createRedactor('r8_abcdefghijklmnopq')
    for (const shape of ['r8_ab***pq', 'r8_abc...opq', 'r8_…nopq', 'r8_abcd******', 'r8_a•••••q'.replace('q', 'pq')])
      assert.equal(other.text(`token ${shape} is wrong`), 'token *** is wrong', shape)
  })
  test('stars and dots that are no masked key stay', () => {
    for (const shape of ['***bold***', 'a *** b', 'task-***x', '2 ** 3 **** 4', 'wait...', 'sk-test... no'])
      assert.equal(text(shape), shape)
    assert.equal(createRedactor('team-succeeded-7f3a').text('***team*** won'), '***team*** won')
  })
  test('a masked key stays in an identifier', () => assert.equal(identifier('sk-tes***def'), 'sk-tes***def'))
})

test('redacting a key that is made of words leaves URLs, statuses and names intact', () => {
  const proxy = createRedactor('replicate-proxy-key-7f3a')
  const answer = {
    id: 'replicate-proxy-key-1',
    status: 'succeeded',
    model: 'replicate-proxy-key/model',
    output: ['https://replicate.delivery/replicate-proxy-key/a.png'],
    logs: 'replicate-proxy\nreplicate.delivery',
    urls: { get: 'https://api.replicate.com/v1/predictions/replicate-proxy-key-1' },
  }
  assert.deepEqual(proxy.value(answer), { ...answer, logs: '***\nreplicate.delivery' })
  const team = { status: 'succeeded', output: 'team-succeed', error: null }
  assert.equal(createRedactor('team-succeeded-7f3a').value({ ...team, output: 'succeeded' }).status, 'succeeded')
})

test('a redactor that is prepared for a value redacts like the one before it', async () => {
  const prepared = await createRedactor(KEY).prepare({ logs: `a ${KEY}`, status: KEY })
  assert.equal(prepared.text(`a ${KEY}, sk-tes***def`), 'a ***, ***')
  assert.equal(prepared.identifier(`${KEY}/sk-tes***def`), '***/sk-tes***def')
  assert.deepEqual(prepared.tokens([KEY.slice(0, 9), KEY.slice(9)]), ['***', ''])
  assert.deepEqual(prepared.value({ [KEY]: [KEY] }), { '***': ['***'] })
  assert.equal((await prepared.prepare(KEY)).text(KEY), '***')
})

describe('tokens', () => {
  test('tokens that contain the key together are redacted together', () => {
    assert.deepEqual(tokens(['my ', ...(KEY.match(/.{1,7}/g) ?? []), ' ok']), ['my ', '***', '', '', '', ' ok'])
    assert.deepEqual(tokens([`a${KEY.slice(0, 9)}`, `${KEY.slice(9)}b`, `${KEY}c${KEY}`]), ['a***', 'b', '***c***'])
  })
  test('tokens without the key are returned as they are', () => {
    const list = ['sk-', 'test', ' 0123']
    assert.equal(tokens(list), list)
  })
})

describe('a value', () => {
  test('a value is redacted in strings and in property names, at any depth', () => {
    const deep = (inner: unknown) => Array.from({ length: 20_000 }).reduce((each) => [each], inner)
    const clean = value(deep({ [KEY]: { [KEY]: KEY }, a: 1 }))
    let inner: unknown = clean
    while (Array.isArray(inner)) inner = inner[0]
    assert.deepEqual(inner, { '***': { '***': '***' }, a: 1 })
  })
  test('a redacted value keeps the order of its properties, and both of two names that become the same', () => {
    const clean = value({ z: 1, [`${KEY}`]: 2, [escaped(KEY)]: 3, a: 4, __proto__: null })
    assert.equal(JSON.stringify(clean), '{"z":1,"***":2,"*** (2)":3,"a":4}')
    assert.equal(JSON.stringify(value(JSON.parse(`{"__proto__":"${KEY}"}`))), '{"__proto__":"***"}')
  })
  test('a value without the key is returned as the same object', () => {
    const answer = { a: ['x', { b: 1 }], c: null, d: 'sk-' }
    assert.equal(value(answer), answer)
  })
  test('a key that is a number is removed from numbers too', () => {
    const digits = createRedactor('123456789012345678')
    const { value: answer } = parseJson('{"a":123456789012345678,"b":[1,9876543210987654321]}')
    assert.equal(JSON.stringify(digits.value(answer)), '{"a":"***","b":[1,9876543210987654321]}')
    assert.deepEqual(createRedactor('123456').value({ a: 91234567 }), { a: '9***7' })
  })
})

/** Printable ASCII without blanks, as the input demands of a key. */
const printable = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code))
const key = fc.oneof(
  fc.string({ unit: printable, minLength: 6, maxLength: 60 }),
  fc.string({ unit: fc.constantFrom('a', 'b', '0', '4', '1', '%', '\\', '*', '-', 'u'), minLength: 6, maxLength: 30 }),
)
const nasty = fc.string({
  unit: fc.constantFrom('%', '\\', '\\u00', '4', '1', 'a', '*', '&#', '\u200b', ' ', '"', 'sk-'),
  maxLength: 12,
})
const around = fc.oneof(fc.string(), nasty)
/** How one character of the key may be written. */
const spelling = fc.constantFrom(
  (c: string) => c,
  (c: string) => `\\u00${c.charCodeAt(0).toString(16)}`,
  (c: string) => `\\u00${c.charCodeAt(0).toString(16).toUpperCase()}`,
  (c: string) => `&#${c.charCodeAt(0)};`,
  (c: string) => `&amp;#x${c.charCodeAt(0).toString(16)};`,
  (c: string) => `%${c.charCodeAt(0).toString(16)}`,
  (c: string) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  (c: string) => `\u200b${c}`,
  (c: string) => `\u0000${c}`,
  (c: string) => `\u001b[1m${c}`,
  (c: string) => JSON.stringify(c).slice(1, -1),
)
const spelled = key.chain((plain) =>
  fc.record({
    plain: fc.constant(plain),
    form: fc
      .array(spelling, { minLength: plain.length, maxLength: plain.length })
      .map((spellings) => [...plain].map((c, i) => spellings[i]?.(c)).join('')),
  }),
)

describe('for any key', () => {
  test('for any key and any spelling of its characters, neither the spelling nor the key stays', () => {
    fc.assert(
      fc.property(spelled, around, around, ({ plain, form }, before, after) => {
        for (const redact of [createRedactor(plain).text, createRedactor(plain).identifier]) {
          const clean = redact(before + form + after)
          assert.ok(!clean.includes(form), clean)
          assert.ok(!visible(clean).toLowerCase().includes(plain.toLowerCase()), clean)
        }
      }),
      { numRuns: 3000 },
    )
  })
  test('for any key and any text, no twelve characters of the key in a row stay in free text', () => {
    fc.assert(
      fc.property(key, around, around, fc.nat(60), fc.nat(60), (plain, before, after, a, b) => {
        const clean = createRedactor(plain).text(before + plain.slice(Math.min(a, b), Math.max(a, b)) + after)
        for (let i = 0; i + 12 <= plain.length; i++) assert.ok(!visible(clean).includes(plain.slice(i, i + 12)), clean)
      }),
      { numRuns: 2000 },
    )
  })
  test('for any key and any JSON without it, the value is returned as the same object', () => {
    fc.assert(
      fc.property(fc.string({ unit: printable, minLength: 12, maxLength: 60 }), fc.jsonValue(), (plain, json) => {
        assert.equal(createRedactor(plain).value(json), json)
      }),
      { numRuns: 1000 },
    )
  })
  test('for any key and any JSON that contains it, no string and no property name keeps it', () => {
    fc.assert(
      fc.property(spelled, fc.jsonValue({ maxDepth: 4 }), ({ plain, form }, json) => {
        const clean = createRedactor(plain).value({
          [form]: json,
          a: [json, `x${form}`, [form.slice(0, 5), form.slice(5)]],
        })
        const seen: string[] = []
        JSON.stringify(clean, (name, each: unknown) => {
          seen.push(name)
          if (typeof each === 'string') seen.push(each)
          if (Array.isArray(each) && each.every((item) => typeof item === 'string')) seen.push(each.join(''))
          return each
        })
        for (const each of seen) assert.ok(!visible(each).includes(plain), each)
      }),
      { numRuns: 1000 },
    )
  })
})

/** What is left of a text when nobody sees the rest. */
const visible = (text: string) => stripVTControlCharacters(text).replace(INVISIBLE, '')
