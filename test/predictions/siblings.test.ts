import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Prediction } from '../../src/predictions/prediction.ts'
import { Kinds, kindOf } from '../../src/predictions/siblings.ts'

const prediction = (more: Partial<Prediction>): Prediction => ({ id: 'abc', status: 'processing', ...more })
const succeeded = (model: string, seconds: number | undefined) =>
  prediction({ status: 'succeeded', model, metrics: { predict_time: seconds } })

test('the kind of a prediction is its model and version, and unknown without both', () => {
  assert.equal(kindOf(prediction({})), undefined)
  const kinds = [
    { model: 'a' },
    { version: 'a' },
    { model: 'a', version: 'b' },
    { model: 'ab' },
    { model: 'a', version: 'c' },
  ].map((each) => kindOf(prediction(each)))
  assert.equal(new Set(kinds).size, 5)
  assert.ok(!kinds.some((kind) => kind === undefined || /undefined/.test(kind)), `${kinds}`)
})

describe('siblings', () => {
  const A = prediction({ model: 'a' })
  const kindA = kindOf(A)
  const kindB = kindOf(prediction({ model: 'b' }))

  test('a prediction without others of its kind has no siblings', () => {
    const kinds = new Kinds()
    assert.equal(kinds.siblingsOf(A), undefined)
    kinds.changed(undefined, kindA)
    kinds.changed(undefined, kindB)
    assert.equal(kinds.siblingsOf(A), undefined)
  })

  test('a prediction of unknown kind has no siblings', () => {
    const kinds = new Kinds()
    kinds.changed(undefined, undefined)
    kinds.changed(undefined, undefined)
    kinds.ran(succeeded('a', 1))
    assert.equal(kinds.siblingsOf(prediction({})), undefined)
  })

  test('open predictions of one kind are counted, from their first answer to their end', () => {
    const kinds = new Kinds()
    const open = () => kinds.siblingsOf(A)?.open
    for (let i = 0; i < 3; i++) kinds.changed(undefined, kindA)
    assert.equal(open(), 3)
    kinds.changed(kindA, kindA)
    assert.equal(open(), 3)
    kinds.changed(kindA, kindB)
    assert.equal(open(), 2)
    kinds.changed(kindA, undefined)
    assert.equal(open(), undefined)
  })

  test('the run time of each prediction that succeeded is known to the others of its kind, also to the last one', () => {
    const kinds = new Kinds()
    kinds.changed(undefined, kindA)
    kinds.ran(succeeded('a', 10))
    kinds.ran(succeeded('a', 12))
    kinds.ran(succeeded('b', 100))
    const siblings = kinds.siblingsOf(A)
    assert.deepEqual([siblings?.open, siblings?.runs.count], [1, 2])
    assert.ok((siblings?.runs.usual?.to ?? 100) < 100)
  })

  test('siblings without a run time yet are known by their number', () => {
    const kinds = new Kinds()
    kinds.changed(undefined, kindA)
    kinds.changed(undefined, kindA)
    assert.equal(kinds.siblingsOf(A)?.runs.count, 0)
  })

  test('a run that failed, has no time or is of unknown kind is not counted', () => {
    const kinds = new Kinds()
    kinds.changed(undefined, kindA)
    kinds.ran({ ...succeeded('a', 10), status: 'failed' })
    kinds.ran(succeeded('a', undefined))
    kinds.ran(prediction({ status: 'succeeded', metrics: { predict_time: 10 } }))
    assert.equal(kinds.siblingsOf(A), undefined)
    assert.equal(kinds.siblingsOf(prediction({})), undefined)
  })
})
