import assert from 'node:assert/strict'
import { test } from 'node:test'
import { predictions } from '../../../src/predictions/apis/predictions.ts'

test('the API of predictions has the addresses that Replicate documents', () => {
  assert.equal(predictions.name, 'replicate')
  assert.equal(predictions.defaultUrl, 'https://api.fuhuapi.com/replicate/v1')
  assert.equal(predictions.path('a/b'), '/predictions/a%2Fb')
  assert.equal(predictions.list, '/predictions')
  assert.deepEqual([predictions.cancel?.method, predictions.cancel?.path('a/b')], ['POST', '/predictions/a%2Fb/cancel'])
})

test('the ID of a prediction begins with a letter or a digit and has at most 128 characters', () => {
  for (const id of ['a', '7', 'gm3qorzdhgbfurvjtvhg6dckhu', 'A_b-c', 'x'.repeat(128)])
    assert.ok(predictions.isId(id), id)
  for (const id of ['', '-a', '_a', 'a/b', 'a b', 'a\n', '.a', 'a.', 'x'.repeat(129)])
    assert.ok(!predictions.isId(id), id)
  assert.match(predictions.idRule, /at most 128 letters, digits, "-" and "_"/)
})

test('a body is a prediction if it has the strings id and status', () => {
  const prediction = { id: 'a', status: 'processing' }
  assert.deepEqual(predictions.read(prediction, { id: 'a', apiUrl: '' }), {
    kind: 'prediction',
    prediction,
    progress: undefined,
    refresh: undefined,
    lookup: undefined,
  })
  for (const other of [{}, { id: 'a' }, { id: 1, status: 'processing' }, null, 'text']) {
    assert.deepEqual(predictions.read(other, { id: 'a', apiUrl: '' }), {
      kind: 'other',
      expected: 'the strings id and status',
    })
  }
})

test('the API of predictions reports an unknown ID only by its status, and needs the key for no file', () => {
  assert.equal(predictions.isUnknownId({ json: { detail: 'Not found.' }, empty: false }), false)
  assert.equal(predictions.keyedUrl('https://api.fuhuapi.com/replicate/v1/files/x', { id: 'a', apiUrl: '' }), undefined)
})
