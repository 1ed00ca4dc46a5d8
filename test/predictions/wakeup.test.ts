import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { Wakeup } from '../../src/predictions/wakeup.ts'
import { VirtualClock } from '../support/virtual-time.ts'

describe('a sleeper', () => {
  const never = new AbortController().signal

  test('sleeps for the whole time unless it is called', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const wakeup = new Wakeup()
    await clock.run(wakeup.sleep(clock, 5, never))
    assert.equal(clock.now() - start, 5)
    assert.equal(wakeup.take(), false)
  })
  test('is woken by a call, which is then taken once', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const wakeup = new Wakeup()
    const sleep = wakeup.sleep(clock, 5, never)
    wakeup.call()
    await sleep
    assert.equal(clock.now(), start)
    assert.equal(wakeup.take(), true)
    assert.equal(wakeup.take(), false)
  })
  test('does not fall asleep after a call that nobody has taken', async () => {
    const clock = new VirtualClock()
    const wakeup = new Wakeup()
    wakeup.call()
    await wakeup.sleep(clock, 5, never)
    assert.equal(wakeup.take(), true)
    const start = clock.now()
    await clock.run(wakeup.sleep(clock, 5, never))
    assert.equal(clock.now() - start, 5)
  })
  test('is woken only while it sleeps: a call between two sleeps ends the next one', async () => {
    const clock = new VirtualClock()
    const wakeup = new Wakeup()
    await clock.run(wakeup.sleep(clock, 1, never))
    wakeup.call()
    const start = clock.now()
    await wakeup.sleep(clock, 5, never)
    assert.equal(clock.now(), start)
  })
  test('is woken by its signal', async () => {
    const clock = new VirtualClock()
    const start = clock.now()
    const stop = new AbortController()
    const sleep = new Wakeup().sleep(clock, 5, stop.signal)
    stop.abort(new Error('stopped'))
    await assert.rejects(clock.run(sleep), /stopped/)
    assert.equal(clock.now(), start)
    await assert.rejects(clock.run(new Wakeup().sleep(clock, 5, stop.signal)), /stopped/)
    assert.equal(clock.now(), start)
  })
  test('listens to its signal only while it sleeps', async () => {
    const clock = new VirtualClock()
    const { signal } = new AbortController()
    const sleep = new Wakeup().sleep(clock, 5, signal)
    assert.equal(getEventListeners(signal, 'abort').length, 1)
    await clock.run(sleep)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })
  test('hears its signal, also together with a call', async () => {
    const clock = new VirtualClock()
    const wakeup = new Wakeup()
    const stop = new AbortController()
    const sleep = wakeup.sleep(clock, 5, stop.signal)
    stop.abort(new Error('stopped'))
    wakeup.call()
    await assert.rejects(sleep, /stopped/)
    wakeup.take()
    const failing = { now: () => 0, sleep: () => Promise.reject(new Error('no clock')) }
    await assert.rejects(wakeup.sleep(failing, 5, never), /no clock/)
  })
})
