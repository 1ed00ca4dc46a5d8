import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RefusalError } from '../../src/predictions/errors.ts'
import { SharedDoubt } from '../../src/predictions/shared-doubt.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const never = new AbortController().signal
const refusal = (status = 401) =>
  new RefusalError({ method: 'GET', url: 'https://api.example/v1/predictions/a' }, { status, headers: {}, text: '' })

function start() {
  const clock = new VirtualClock()
  const doubt = new SharedDoubt(clock)
  const began = clock.now()
  const passed = () => Math.round((clock.now() - began) * 10) / 10
  return { clock, doubt, passed }
}

describe('a doubt that all predictions share', () => {
  test('all predictions poll at once while there is no doubt', async () => {
    const { doubt } = start()
    await Promise.all(['a', 'b'].map((id) => doubt.turn(id, never)))
    assert.equal(doubt.error, undefined)
    assert.equal(doubt.believed.aborted, false)
  })

  test('a shared doubt allows one poll every twelve seconds, by each prediction in turn', async () => {
    const { clock, doubt, passed } = start()
    doubt.add('a', refusal())
    const polls: [string, number][] = []
    const poll = async (id: string) => {
      await doubt.turn(id, never)
      polls.push([id, Math.round(passed())])
    }
    const loop = async (id: string) => {
      for (let i = 0; i < 2; i++) await poll(id)
    }
    await clock.run(Promise.all([loop('a'), loop('b')]))
    assert.deepEqual(polls, [
      ['b', 12],
      ['a', 24],
      ['b', 36],
      ['a', 48],
    ])
  })

  test('a prediction polls again in a shared doubt if it is the only one', async () => {
    const { clock, doubt, passed } = start()
    doubt.add('a', refusal())
    await clock.run(doubt.turn('a', never))
    assert.equal(passed(), 12)
  })

  test('a good response ends a shared doubt, also for predictions that wait for their turn', async () => {
    const { clock, doubt, passed } = start()
    doubt.add('a', refusal())
    const turn = doubt.turn('b', never)
    await clock.run(clock.sleep(3))
    doubt.resolve()
    await turn
    assert.equal(passed(), 3)
    await doubt.turn('a', never)
    assert.equal(passed(), 3)
  })

  test('a shared doubt is believed after a minute and five bad responses, and ends every wait with the last one', async () => {
    const { clock, doubt } = start()
    const said: boolean[] = []
    for (let i = 0; i < 6; i++) {
      said.push(doubt.add('a', refusal(i === 5 ? 403 : 401)))
      await clock.run(clock.sleep(12))
    }
    assert.deepEqual(said, [false, false, false, false, false, true])
    assert.equal((doubt.error as RefusalError).status, 403)
    assert.equal(doubt.believed.aborted, true)
    assert.match(String(doubt.believed.reason), /returned 403/)
  })

  test('a shared doubt begins anew after a good response', async () => {
    const { clock, doubt } = start()
    for (let i = 0; i < 5; i++) {
      doubt.add('a', refusal())
      await clock.run(clock.sleep(14))
    }
    doubt.resolve()
    assert.equal(doubt.add('a', refusal()), false)
  })

  test('the wait for a turn in a shared doubt ends with its signal', async () => {
    const { doubt } = start()
    doubt.add('a', refusal())
    const stop = new AbortController()
    const turn = doubt.turn('b', stop.signal)
    stop.abort(new Error('stopped'))
    doubt.resolve()
    await assert.rejects(turn, /stopped/)
  })

  test('a prediction that stopped waiting has no turn in a shared doubt', async () => {
    const { clock, doubt, passed } = start()
    doubt.add('a', refusal())
    const stop = new AbortController()
    const left = doubt.turn('b', stop.signal)
    stop.abort(new Error('stopped'))
    await assert.rejects(left)
    await clock.run(doubt.turn('a', never))
    assert.equal(passed(), 12)
  })
})
