import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Entry } from '../../src/runner/entry.ts'
import { refusalsOf } from '../../src/runner/refusals.ts'

const refused = (name: string, error: string): Entry => ({ name, status: 'refused', error })
const skipped: Entry = { name: 'there', status: 'skipped', error: undefined }

describe('what was not started', () => {
  test('a refusal is reported without a name if there is only one input', () => {
    assert.deepEqual(refusalsOf([refused('cake', 'No such model.')]), ['No such model.'])
  })

  test('refusals are reported by name, and skipped inputs are not', () => {
    assert.deepEqual(refusalsOf([skipped, refused('hero', 'No such model.')]), ['hero: No such model.'])
  })

  test('refusals for the same reason are reported in one line', () => {
    const all = [refused('a', 'x.'), refused('b', 'y.'), refused('c', 'x.')]
    assert.deepEqual(refusalsOf(all), ['a, c: x.', 'b: y.'])
  })

  test('a refusal lists six names, or five and the number of the others', () => {
    const of = (count: number) => refusalsOf(Array.from({ length: count }, (_, i) => refused(String(i + 1), 'x.')))
    assert.deepEqual(of(6), ['1, 2, 3, 4, 5, 6: x.'])
    assert.deepEqual(of(490), ['1, 2, 3, 4, 5 and 485 others: x.'])
  })
})
