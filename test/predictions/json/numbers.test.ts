import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exactNumber, isJsonObject, isRawNumber, numberOf } from '../../../src/predictions/json/numbers.ts'

const digitsOf = (digits: string) => {
  const number = exactNumber(digits)
  return isRawNumber(number) ? number.rawJSON : number
}

describe('a number', () => {
  test('a number is kept with its digits if a double would change it', () => {
    for (const digits of [
      '9007199254740993',
      '-9007199254740993',
      '18446744073709551615',
      '1000000000000000000000',
      '1e400',
      '-1e400',
      '1e-400',
      '-0.1e-400',
      '0.123456789012345678',
      '-0.123456789012345678',
      '1.23456789012345678',
      '12345.6789012345678E10',
    ])
      assert.equal(digitsOf(digits), digits)
  })

  test('a number is a double if that keeps its value, at least in 17 digits', () => {
    for (const [digits, value] of [
      ['12', 12],
      ['-0', -0],
      ['9007199254740991', 9007199254740991],
      ['9007199254740992', 9007199254740992],
      ['-19513023469456550', -19513023469456550],
      ['0.0', 0],
      ['-0.00e5', -0],
      ['0e400', 0],
      ['0.00000000000000000000', 0],
      ['00000000000000000001.5', 1.5],
      ['0.12345678901234567', 0.12345678901234566],
      ['-0.00012345678901234567', -0.00012345678901234567],
      ['1.2345678901234567e300', 1.2345678901234567e300],
      ['1E22', 1e22],
    ] as const)
      assert.equal(digitsOf(digits), value, digits)
  })

  test('a number is read as a double wherever one is needed', () => {
    assert.equal(numberOf(exactNumber('0.1000000000000000055511151231257827')), 0.1)
    assert.equal(numberOf(2), 2)
    for (const other of ['2', null, undefined, true, {}, [2]]) assert.equal(numberOf(other), undefined)
  })

  test('a number that keeps its digits is no object, and nothing else counts as such a number', () => {
    const raw = exactNumber('18446744073709551615')
    assert.equal(JSON.stringify({ seed: raw }), '{"seed":18446744073709551615}')
    assert.deepEqual([raw, {}, [], null, 1, { rawJSON: '1' }].map(isJsonObject), [
      false,
      true,
      false,
      false,
      false,
      true,
    ])
    assert.deepEqual([raw, {}, { rawJSON: '1' }, 1].map(isRawNumber), [true, false, false, false])
  })
})
