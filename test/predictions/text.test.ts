import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clip } from '../../src/predictions/text.ts'

test('a text that is clipped ends with an ellipsis and never with half a character', () => {
  assert.equal(clip('abc', 3), 'abc')
  assert.equal(clip('abcd', 3), 'abc…')
  assert.equal(clip('ab🎂', 3), 'ab\ufffd…')
})
