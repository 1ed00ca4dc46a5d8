import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identitiesByName, identitiesOf } from '../../src/runner/identities.ts'

test('predictions that are given by their IDs have the numbers of their places', () => {
  const { count, ids, reserved, of } = identitiesOf(['a', 'b'])
  assert.deepEqual([count, ids, reserved], [2, ['a', 'b'], []])
  assert.deepEqual(['a', 'b', 'c'].map(of), [{ number: 1 }, { number: 2 }, { number: 0 }])
})

test('predictions that are started have the names and the places of their inputs, known once they are started', () => {
  const names = new Map<string, string>()
  const { count, ids, reserved, of } = identitiesByName([{ name: 'hero' }, { name: 'logo' }], names, ['page.png'])
  assert.deepEqual([count, ids, reserved], [2, [], ['page.png']])
  assert.deepEqual(of('b'), { name: 'b', number: 0 })
  names.set('b', 'logo')
  assert.deepEqual(of('b'), { name: 'logo', number: 2 })
})
