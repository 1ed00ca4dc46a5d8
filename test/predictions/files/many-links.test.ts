import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FileReaction, playTransfers } from '../../support/scripted-host.ts'

const urlsOf = (count: number, host = (_: number) => 'files.example.com') =>
  Array.from({ length: count }, (_, i) => `https://${host(i)}/${i}.bin`)
const refuses: FileReaction = { code: 'ECONNREFUSED' }
const whole: FileReaction = { status: 200, headers: { 'content-length': '3' }, pieces: ['abc'] }
const bytes = (count: number) => 'x'.repeat(count)
const messageOf = (result: unknown) => (result instanceof Error ? result.message : 'saved')

describe('the patience with hosts that give nothing', () => {
  test('the files of a host share their retries, so that 5,000 refused links cost no more than one', async () => {
    const { requests, results, took } = await playTransfers(urlsOf(5000), () => refuses)
    assert.ok(requests.length < 50, `${requests.length} requests`)
    assert.equal(took, 300)
    assert.match(messageOf(results[4999]), /refuses connections \(ECONNREFUSED\)/)
  })

  test('downloads from 5,000 hosts that never respond end within seventy seconds', async () => {
    const { took, results } = await playTransfers(
      urlsOf(5000, (i) => `h${i}.example.com`),
      () => 'hang',
      { deadline: 5 },
    )
    assert.ok(took < 70, `${took} s`)
    assert.match(messageOf(results[4999]), /other downloads from the host took too long/)
  })

  test('a file of another host is still downloaded when the other downloads have taken long', async () => {
    const files = [...urlsOf(12), 'https://late.example.com/b.bin']
    const slow = {
      status: 200,
      headers: { 'content-length': '660000' },
      pieces: Array(600).fill(bytes(1100)),
      every: 1,
    }
    const { results } = await playTransfers(files, ({ url }) => (url.includes('late') ? whole : slow), { deadline: 5 })
    assert.deepEqual(results.map(messageOf), Array(13).fill('saved'))
  })
})
