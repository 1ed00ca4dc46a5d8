import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InvalidValue, parseDuration, readFileName, readIds, warningsOf } from '../../src/runner/input-values.ts'

describe('a duration', () => {
  test('is read in seconds', () => {
    const durations = {
      '90s': 90,
      '10m': 600,
      '1h30m': 5400,
      '45': 45,
      '1.5': 1.5,
      '500ms': 0.5,
      '1h 30m': 5400,
      '1D': 86_400,
      '0': 0,
      '2m0.5s': 120.5,
    }
    for (const [text, seconds] of Object.entries(durations)) assert.equal(parseDuration(text), seconds, text)
  })
  test('is nothing else', () => {
    for (const text of ['', 'soon', '-5', '5x', 's', 'NaN', 'Infinity', '1e3', '30m1h', '0x10', '٣s', '1,5s'])
      assert.equal(parseDuration(text), undefined, text)
  })
})

test('plain http leaves the machine unless it goes to a loopback host', () => {
  for (const url of ['http://gateway.example.com/v1', 'http://10.0.0.5/v1', 'http://127.0.0.1.example.com/v1'])
    assert.equal(warningsOf(url).length, 1, url)
  for (const url of [
    'https://gateway.example.com/v1',
    'http://localhost:8080/v1',
    'http://127.0.0.1/v1',
    'http://[::1]/v1',
  ])
    assert.deepEqual(warningsOf(url), [], url)
})

describe('prediction IDs', () => {
  const fault = (text: string): string => {
    try {
      readIds(text)
    } catch (error) {
      assert.ok(error instanceof InvalidValue)
      return error.message
    }
    return ''
  }
  test('are read as people separate them, each once and without quotes', () => {
    for (const text of ['a,b', 'a b\nb', 'a，b', 'a、b', '"a","b"', "'a' 'b'", '["a", "b"]', '[" a", "\\"b\\""]']) {
      assert.deepEqual(readIds(text), ['a', 'b'], text)
    }
  })
  test('of a step that has none are named as such', () => {
    for (const text of ['null', 'undefined', 'None', '"null"', 'a,null', '[null]', '["undefined"]']) {
      assert.match(fault(text), /the step that should have created the prediction/, text)
    }
    assert.deepEqual(readIds('nullable'), ['nullable'])
  })
  test('are 5,000 at most, repeated ones not counted', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, i) => `id${i}`)
    assert.equal(readIds([...ids(5000), 'id7'].join()).length, 5000)
    assert.match(fault(ids(5001).join()), /has 5001 IDs, but one step waits for at most 5000/)
  })
})

test('a template of file names is taken as it is, unless it has what no name of a file may have', () => {
  assert.equal(readFileName('圖-{number}', false), '圖-{number}')
  assert.throws(
    () => readFileName('{name}', false),
    /"\{name\}" contains "\{name\}"; the placeholders are \{id\}, \{index\}, \{number\}/,
  )
  assert.throws(() => readFileName('a/b', false), /"a\/b" contains "\/"/)
})
