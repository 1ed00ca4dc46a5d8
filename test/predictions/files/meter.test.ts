import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InterruptedTransfer } from '../../../src/predictions/files/file-answer.ts'
import { Meter } from '../../../src/predictions/files/meter.ts'
import { VirtualClock } from '../../support/virtual-time.ts'

/** What a meter says of a transfer that brings the given bytes in each second, and when. */
async function metered(bytesIn: (second: number) => number, seconds = 200) {
  const clock = new VirtualClock()
  const meter = new Meter(clock, 30)
  const start = clock.now()
  const moves: number[] = []
  const over = new AbortController()
  const watch = meter.watch(() => moves.push(clock.now() - start), over.signal)
  const settled = watch.then((said) => ({ said, after: clock.now() - start }))
  const feed = async () => {
    for (let second = 1; second <= seconds; second++) {
      meter.add(bytesIn(second))
      await clock.sleep(1)
    }
    over.abort(new Error('the transfer is over'))
  }
  const fed = feed()
  const result = await clock.run(Promise.race([settled, fed.then(() => undefined)]))
  settled.catch(() => {})
  return { result, moves, isSilent: meter.isSilent }
}

describe('a transfer', () => {
  test('a transfer of a kilobyte a second makes progress', async () => {
    const { result, moves } = await metered(() => 1000)
    assert.equal(result, undefined)
    assert.deepEqual(moves.slice(0, 3), [5, 10, 15])
  })
  test('a transfer of less than a kilobyte a second is interrupted after the stall time', async () => {
    const { result, moves, isSilent } = await metered(() => 900)
    assert.ok(result?.said instanceof InterruptedTransfer)
    assert.match(result.said.message, /^less than 1 kB\/s received for 30 s$/)
    assert.equal(result.after, 30)
    assert.deepEqual([moves, isSilent], [[], false])
  })
  test('a transfer without any data is silent, and interrupted after the stall time', async () => {
    const { result, isSilent } = await metered(() => 0)
    assert.match(result?.said.message ?? '', /^no data received for 30 s$/)
    assert.deepEqual([result?.after, isSilent], [30, true])
  })
  test('a transfer that stops is interrupted when too little arrived within the stall time', async () => {
    const { result, moves } = await metered((second) => (second <= 60 ? 1000 : 0))
    assert.ok((result?.after ?? 0) > 60 && (result?.after ?? 0) <= 95, String(result?.after))
    assert.ok((moves.at(-1) ?? 0) <= 65)
  })
  test('a transfer that pauses for less than the stall time goes on', async () => {
    const { result } = await metered((second) => (second > 20 && second <= 45 ? 0 : 10_000), 120)
    assert.equal(result, undefined)
  })
})
