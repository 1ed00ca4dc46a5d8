import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRedactor } from '../../src/predictions/redact.ts'

const KEY = 'sk-test-0123456789abcdef'
const scrub = createRedactor(KEY)

test('the key is removed wherever it stands', () => {
  assert.equal(scrub(`a ${KEY} b${KEY}`), 'a *** b***')
})

test('the key is removed where JSON escapes hide it', () => {
  const hidden = `{"error":"\\u0073k-test-0123456789abcdef","n":1}`
  assert.deepEqual(JSON.parse(scrub(hidden)), { error: '***', n: 1 })
})

test('a key that JSON itself escapes is removed', () => {
  const odd = 'sk-"quoted"\\key'
  assert.equal(createRedactor(odd)(JSON.stringify({ error: odd })), '{"error":"***"}')
})

test('the shape in which gateways echo a key is removed', () => {
  assert.equal(scrub('[sk-tes***def] quota used up'), '[***] quota used up')
  assert.equal(scrub('bad key: sk-abc****************xyz.'), 'bad key: ***')
})

test('a megabyte that begins like an echo again and again is scrubbed within a second', () => {
  const start = performance.now()
  scrub(`***${'.sk-a'.repeat(200_000)}`)
  assert.ok(performance.now() - start < 1000)
})

test('stars that are no echo of a key stay', () => {
  for (const text of ['***bold***', 'a *** b', 'task-***x', '2 ** 3 **** 4']) assert.equal(scrub(text), text)
})

test('parts of the key are removed from short texts', () => {
  assert.equal(scrub('your key test-012345… is wrong'), 'your key ***… is wrong')
})

test('whatever stands around it, no eight characters of the key survive in a short text', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(KEY.length), fc.nat(KEY.length), (before, after, a, b) => {
      const clean = scrub(before + KEY.slice(Math.min(a, b), Math.max(a, b)) + after)
      for (let i = 0; i + 8 <= KEY.length; i++) assert.ok(!clean.includes(KEY.slice(i, i + 8)))
    }),
  )
})

test('JSON stays JSON, and what holds no key stays as it is', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(JSON.parse(scrub(text)), JSON.parse(text))
    }),
  )
})
