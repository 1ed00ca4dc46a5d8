import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseJson } from '../../src/predictions/json/parse.ts'
import { stringifyJson } from '../../src/predictions/json/write.ts'
import { LONG, longTextsOf, type Redactions, redactValue } from '../../src/predictions/redact-value.ts'

/** Puts in the place of each `KEY` a mark that shows how the text was redacted. */
const marks: Redactions = {
  text: (text) => text.replaceAll('KEY', '[text]'),
  identifier: (text) => text.replaceAll('KEY', '[identifier]'),
  tokens: (tokens) => {
    const joined = tokens.join('')
    return joined.includes('KEY') ? [joined.replaceAll('KEY', '[tokens]'), ...tokens.slice(1).map(() => '')] : tokens
  },
}
const redact = <T>(value: T) => redactValue(value, marks)

describe('a JSON value', () => {
  test('a JSON value is the same object if nothing is removed from it', () => {
    for (const value of [
      { a: ['x', { b: null }], c: 1, d: true, e: [], f: {}, g: '' },
      ['a', 'b'],
      'text',
      1,
      null,
      undefined,
      false,
    ])
      assert.equal(redact(value), value)
  })

  test('a JSON value is copied if something is removed from it, and the original does not change', () => {
    const value = { keep: [1, null, { deep: true }], error: 'the KEY' }
    const copy = redact(value)
    assert.deepEqual(copy, { keep: [1, null, { deep: true }], error: 'the [text]' })
    assert.deepEqual(value, { keep: [1, null, { deep: true }], error: 'the KEY' })
  })

  test('names and addresses in a JSON value are redacted as identifiers, and other texts as free text', () => {
    const names = ['id', 'status', 'model', 'version', 'name', 'type', 'object']
    for (const name of names) assert.deepEqual(redact({ [name]: 'a KEY' }), { [name]: 'a [identifier]' })
    for (const name of ['error', 'logs', 'prompt', 'idea'])
      assert.deepEqual(redact({ [name]: 'KEY' }), { [name]: '[text]' })
    for (const address of [
      'https://files.test/KEY/a.png',
      'http://files.test/KEY',
      'HTTPS://KEY',
      'data:text/plain,KEY',
    ])
      assert.equal(redact(address), address.replace('KEY', '[identifier]'))
    for (const text of ['see https://files.test/KEY', 'https://files.test/KEY and more', 'ftp://KEY', 'https://\nKEY'])
      assert.equal(redact(text), text.replace('KEY', '[text]'))
  })

  test('property names are redacted, and those that become the same are numbered', () => {
    assert.deepEqual(redact({ 'a KEY': null }), { 'a [identifier]': null })
    const same = redact({ KEY: 1, '[identifier]': 2, x: 'KEY', '[identifier] (2)': 4 })
    assert.deepEqual(Object.entries(same), [
      ['[identifier]', 1],
      ['[identifier] (2)', 2],
      ['x', '[text]'],
      ['[identifier] (2) (2)', 4],
    ])
  })

  test('redaction keeps the order of properties and items, and __proto__', () => {
    const value = JSON.parse('{"b":1,"a":[{"d":"KEY","c":2},"x",3],"__proto__":{"e":"KEY"}}')
    assert.equal(JSON.stringify(redact(value)), '{"b":1,"a":[{"d":"[text]","c":2},"x",3],"__proto__":{"e":"[text]"}}')
  })

  test('a list of texts is redacted as a whole, and a list of addresses one by one', () => {
    assert.deepEqual(redact({ output: ['my K', 'EY', ' is'] }), { output: ['my [tokens] is', '', ''] })
    assert.deepEqual(redact(['https://a.test/K', 'EY']), ['https://a.test/[tokens]', ''])
    const addresses = ['https://a.test/KEY', 'https://b.test/']
    assert.deepEqual(redact(addresses), ['https://a.test/[identifier]', 'https://b.test/'])
    assert.deepEqual(redact([['KEY', 'a'], 'KEY', 1]), [['[tokens]a', ''], '[text]', 1])
    // The items of a list have the name of the list.
    assert.deepEqual(redact({ id: ['KEY', 1] }), { id: ['[identifier]', 1] })
  })

  test('numbers are redacted by their digits', () => {
    const digits: Redactions = { ...marks, identifier: (text) => (text.includes('12345') ? '***' : text) }
    assert.deepEqual(redactValue([12_345, 1.5, '12345'], digits), ['***', 1.5, '12345'])
    const { value } = parseJson('{"a":12345678901234567890,"b":98765432109876543210}')
    assert.equal(stringifyJson(redactValue(value, digits)), '{"a":"***","b":98765432109876543210}')
    assert.equal(redactValue(value, marks), value)
  })

  test('a JSON value is redacted at any depth', () => {
    let deep: unknown = 'KEY'
    for (let i = 0; i < 100_000; i++) deep = i % 2 === 0 ? [deep] : { a: deep }
    let copy = redact(deep)
    for (let i = 0; i < 100_000; i++) copy = Object.values(copy as object)[0]
    // A list of one text is a list of tokens.
    assert.equal(copy, '[tokens]')
  })
})

test('the long texts of a JSON value are grouped by how they are redacted', () => {
  const [text, short] = ['x'.repeat(LONG), 'x'.repeat(LONG - 1)]
  const [id, tokens] = [`i${text}`, ['a', short]]
  const found = longTextsOf({ text, short, id, inner: [{ tokens, few: ['a', short.slice(1)] }, 1], version: short })
  assert.deepEqual([...found.texts], [text])
  assert.deepEqual([...found.identifiers], [id])
  assert.deepEqual([...found.lists], [tokens])
})
