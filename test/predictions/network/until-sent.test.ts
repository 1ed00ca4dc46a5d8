import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { UntilSent } from '../../../src/predictions/network/until-sent.ts'

/** Starts a request as undici does it, under a watch. @returns what its own handler was told */
function send(watch: UntilSent['watch']): unknown {
  const started: unknown[] = []
  const own = { onRequestStart: (...args: unknown[]) => void started.push(...args) }
  const dispatch = watch((_, watched) => {
    watched.onRequestStart?.('controller' as never, 'context')
    return true
  })
  assert.equal(dispatch({ path: '/', method: 'GET' }, own), true)
  return started
}

test('a request ends with the reason of its signal while it has not been sent', () => {
  const stop = new AbortController()
  const { signal } = new UntilSent(stop.signal)
  assert.equal(signal.aborted, false)
  stop.abort('enough')
  assert.deepEqual([signal.aborted, signal.reason], [true, 'enough'])
})

test('a request ends at once if its signal was aborted before', () => {
  assert.equal(new UntilSent(AbortSignal.abort('enough')).signal.reason, 'enough')
})

test('a request that is sent does not end with the signal, and its handler hears that it starts', () => {
  const stop = new AbortController()
  const untilSent = new UntilSent(stop.signal)
  assert.deepEqual(send(untilSent.watch), ['controller', 'context'])
  stop.abort('enough')
  assert.equal(untilSent.signal.aborted, false)
})

test('a handler without onRequestStart is watched as well', () => {
  const stop = new AbortController()
  const untilSent = new UntilSent(stop.signal)
  untilSent.watch((_, { onRequestStart }) => {
    onRequestStart?.({} as never, {})
    return true
  })({ path: '/', method: 'GET' }, {})
  stop.abort('enough')
  assert.equal(untilSent.signal.aborted, false)
})

test('a request that has ended leaves no listener at its signal', () => {
  const stop = new AbortController()
  {
    using _ = new UntilSent(stop.signal)
    assert.equal(getEventListeners(stop.signal, 'abort').length, 1)
  }
  assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
})
