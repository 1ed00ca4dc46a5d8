import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { summaryOf } from '../../src/runner/summary.ts'
import { ended } from '../support/judged.ts'

// Apart from the other tests of the summary, because they take seconds.
describe('the size of a summary', () => {
  test('a summary stays under a megabyte, however large the outputs are', () => {
    const urls = Array.from({ length: 5000 }, (_, i) => `https://files.example.com/${'x'.repeat(300)}/${i}.png`)
    const many = Array.from({ length: 3000 }, (_, i) =>
      ended({ id: `id${i}`, status: 'failed', error: '<'.repeat(1000), output: urls.slice(0, 5) }),
    )
    for (const judged of [[ended({ output: urls })], [ended({ output: '<'.repeat(3_000_000) })], many]) {
      assert.ok(Buffer.byteLength(summaryOf(judged)) < 2 ** 20)
    }
  })
  test('a summary stays under a megabyte, even if every URL, name and message has its maximum length', () => {
    const file = { predictionId: 'abc', index: 0, path: '/x', size: 1, sha256: 'a'.repeat(64), source: 'text' }
    const files = Array.from({ length: 600 }, (_, i) => ({
      ...file,
      name: '$'.repeat(150) + i,
      type: `image/${'+'.repeat(99)}`,
    }))
    const failures = Array.from({ length: 500 }, () => ({ title: 'x', message: '|'.repeat(1000) }))
    const url = `https://files.example.com/${'|'.repeat(3900)}.png`
    const releaseUrls = files.map(() => url)
    const long = '|'.repeat(30_000)
    const worst = { status: 'failed', error: long, output: Array.from({ length: 60 }, () => url) }
    const many = { ...worst, output: [url, url, url, url], model: long, version: long, created_at: long }
    for (const judged of [[ended(worst)], Array.from({ length: 400 }, (_, i) => ended({ ...many, id: `id${i}` }))]) {
      for (const urls of [[], releaseUrls]) {
        const markdown = summaryOf(judged, { files, artifacts: [], releaseUrls: urls, failures })
        assert.ok(Buffer.byteLength(markdown) < 2 ** 20, `${Buffer.byteLength(markdown)} bytes`)
      }
    }
  })
  test('a summary shows an output that is nested too deeply without indentation', () => {
    let output: unknown = Array.from({ length: 1_000_000 }, () => 1)
    for (let depth = 0; depth < 400; depth++) output = [output]
    assert.match(summaryOf([ended({ output })]), /<pre>(\[){401}1/)
  })
})
