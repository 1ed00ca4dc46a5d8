import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { candidateOf } from '../../src/predictions/lost.ts'

const SINCE = Date.parse('2026-01-01T00:00:00Z')
const item = (more: Record<string, unknown> = {}) => ({
  id: 'abc',
  model: 'octo/model',
  version: 'hidden',
  created_at: '2026-01-01T00:00:01Z',
  input: { prompt: 'a cake', steps: 4 },
  ...more,
})
const request = { target: { model: 'octo/model' }, input: { prompt: 'a cake' } }
const find = (items: unknown[], isComplete = true) => candidateOf({ items, isComplete }, request, SINCE)

describe('the candidate for a lost answer', () => {
  test('the candidate for a lost response is the only prediction with the same model and input', () =>
    assert.equal(find([item(), item({ id: 'x', input: {} })]), 'abc'))
  test('there is no candidate for a lost response if two predictions match', () =>
    assert.equal(find([item(), item({ id: 'x' })]), undefined))
  test('there is no candidate for a lost response if the list is incomplete', () =>
    assert.equal(find([item()], false), undefined))
  for (const [name, other] of [
    ['another model', { model: 'octo/other' }],
    ['another input', { input: { prompt: 'a pie' } }],
    ['no input', { input: undefined }],
    ['an earlier time', { created_at: '2025-12-31T23:58:59Z' }],
    ['no time', { created_at: undefined }],
    ['no ID', { id: undefined }],
  ] as const) {
    test(`a prediction with ${name} is not a candidate for a lost response`, () =>
      assert.equal(find([item(other)]), undefined))
  }
  test('a prediction that the step already knows is not a candidate for a lost response', () => {
    const known = new Set(['abc'])
    assert.equal(candidateOf({ items: [item()], isComplete: true }, request, SINCE, known), undefined)
    const items = [item(), item({ id: 'lost' })]
    assert.equal(candidateOf({ items, isComplete: true }, request, SINCE, known), 'lost')
  })
  test('a candidate may be created a minute before the request, because clocks differ', () => {
    assert.equal(find([item({ created_at: '2025-12-31T23:59:30Z' })]), 'abc')
  })
  test('a candidate is found by version and by deployment', () => {
    const by = (target: { version: string } | { deployment: string }, more: Record<string, unknown>) =>
      candidateOf({ items: [item(more)], isComplete: true }, { target, input: {} }, SINCE)
    assert.equal(by({ version: 'v1' }, { version: 'v1' }), 'abc')
    assert.equal(by({ version: 'v1' }, { version: 'hidden' }), 'abc')
    assert.equal(by({ version: 'v1' }, { version: 'v2' }), undefined)
    assert.equal(by({ deployment: 'octo/d' }, { deployment: 'octo/d' }), 'abc')
    assert.equal(by({ deployment: 'octo/d' }, {}), undefined)
  })
  test('items that are no predictions do not hide the candidate', () =>
    assert.equal(find([null, 7, 'abc', [], item()]), 'abc'))
})
