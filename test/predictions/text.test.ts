import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clip, isRecord, sentence, sentences } from '../../src/predictions/text.ts'

test('a record is a JSON object, not null and not a list', () => {
  assert.deepEqual([{}, { a: 1 }].map(isRecord), [true, true])
  assert.deepEqual([null, undefined, [], 'text', 1].map(isRecord), [false, false, false, false, false])
})

test('a text is clipped only if it is longer than the limit, and never within a character', () => {
  assert.equal(clip('cake', 4), 'cake')
  assert.equal(clip('cakes', 4), 'cake…')
  assert.equal(clip('a🍰b', 2), 'a\ufffd…')
  assert.equal(clip('', 0), '')
})

test('a sentence gets a full stop unless it ends like one', () => {
  for (const whole of ['Done.', 'Done!', 'Done?', '好。', '好！', '好？', 'and so on…'])
    assert.equal(sentence(whole), whole)
  assert.equal(sentence('Version 1.2 is old'), 'Version 1.2 is old.')
})

test('sentences are joined by one space, and missing ones are left out', () => {
  assert.equal(sentences('A.', undefined, '', false, 'B.'), 'A. B.')
  assert.equal(sentences(), '')
})
