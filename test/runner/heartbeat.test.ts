import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHeartbeat } from '../../src/runner/heartbeat.ts'
import { printed } from '../support/printed.ts'
import { VirtualClock } from '../support/virtual-time.ts'

test('a heartbeat beats every 25 seconds until it is disposed of, and its end is no warning', async () => {
  const clock = new VirtualClock()
  const start = clock.now()
  const beats: number[] = []
  const text = await printed(async () => {
    {
      using _heartbeat = startHeartbeat(() => beats.push(clock.now() - start), clock)
      await clock.run(clock.sleep(60))
    }
    await clock.run(clock.sleep(60))
  })
  assert.deepEqual(beats, [25, 50])
  assert.equal(text, '')
})

test('a bug in a heartbeat is one warning, and ends it', async () => {
  const clock = new VirtualClock()
  let beats = 0
  const text = await printed(async () => {
    using _heartbeat = startHeartbeat(() => {
      beats++
      throw new Error('a bug')
    }, clock)
    await clock.run(clock.sleep(90))
  })
  assert.equal(beats, 1)
  assert.equal(text, '::warning::A bug in this action stopped the regular status lines: a bug\n')
})
