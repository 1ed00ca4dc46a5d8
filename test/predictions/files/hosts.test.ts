import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Host, Turn } from '../../../src/predictions/files/host.ts'
import { Hosts } from '../../../src/predictions/files/hosts.ts'
import { VirtualClock } from '../../support/virtual-time.ts'

const CDN = 'https://cdn.example.com'

/** Hosts in virtual time, without jitter. */
function play() {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const hosts = new Hosts({ clock, signal: stop.signal, random: () => 0.5 })
  const pass = (seconds: number) => clock.run(clock.sleep(seconds))
  return { clock, stop, hosts, host: hosts.of(CDN), pass, now: () => clock.now() - 1000 }
}

/** Lets so many transfers wait for a host. @returns the turns that they have so far, undefined for those sent away */
async function waiting(host: Host, count: number): Promise<(Turn | undefined)[]> {
  const turns: (Turn | undefined)[] = []
  for (let i = 0; i < count; i++) host.take().then((turn) => turns.push(turn))
  await nextTurn()
  return turns
}

const end = (turn: Turn | undefined) => turn?.[Symbol.dispose]()
const refusal = { message: 'refused', overloaded: false, retryAfter: undefined }
const tooMany = { message: 'too many', overloaded: true, retryAfter: undefined }

describe('the transfers of a step', () => {
  test('are at most six from one host and twelve together', async () => {
    const { hosts } = play()
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => waiting(hosts.of(`https://${name}.test`), 7)))
    assert.deepEqual([a?.length, b?.length, c?.length], [6, 6, 0])
    end(a?.[0])
    await nextTurn()
    assert.deepEqual([a?.length, b?.length, c?.length], [7, 6, 0])
    end(a?.[1])
    end(b?.[0])
    await nextTurn()
    assert.deepEqual([a?.length, b?.length, c?.length], [7, 7, 1])
  })

  test('those of one origin share a host, and those of another have their own', () => {
    const { hosts, host } = play()
    assert.equal(hosts.of(CDN), host)
    assert.notEqual(hosts.of(`${CDN}:8443`), host)
  })

  test('know when any host gave something last', async () => {
    const { hosts, host, pass, clock } = play()
    assert.equal(hosts.gaveAt, undefined)
    await pass(5)
    host.gave()
    assert.equal(hosts.gaveAt, clock.now())
    assert.equal(host.gaveAt, clock.now())
    assert.equal(hosts.of('https://other.test').gaveAt, undefined)
  })

  test('end with the reason of the signal, those that wait and those that come later', async () => {
    const { host, stop } = play()
    await waiting(host, 6)
    const waits = host.take()
    stop.abort(new Error('enough'))
    await assert.rejects(waits, /enough/)
    await assert.rejects(host.take(), /enough/)
  })
})

describe('a host that gives nothing', () => {
  test('has pauses that double up to ten seconds, until it gives something', async () => {
    const { host, now } = play()
    const pauses = Array.from({ length: 6 }, () => host.failed(refusal, now()))
    assert.deepEqual(pauses, [1, 2, 4, 8, 10, 10])
    host.gave()
    assert.equal(host.failed(refusal, now()), 1)
  })

  test('gives no turn before its pause is over, and then one at a time', async () => {
    const { host, now, pass } = play()
    host.failed(refusal, now())
    host.failed(refusal, now())
    const turns = await waiting(host, 3)
    await pass(1.9)
    assert.equal(turns.length, 0)
    await pass(0.2)
    assert.equal(turns.length, 1)
    end(turns[0])
    await nextTurn()
    assert.equal(turns.length, 2)
  })

  test('gives turns earlier if its pause becomes shorter, and not later', async () => {
    const { host, clock, now, pass } = play()
    host.failed({ ...refusal, retryAfter: 100 }, now())
    const turns = await waiting(host, 1)
    host.waitNoLongerThan(clock.now() + 50)
    host.waitNoLongerThan(clock.now() + 80)
    await waiting(host, 1)
    await pass(49)
    assert.equal(turns.length, 0)
    await pass(2)
    assert.equal(turns.length, 1)
  })

  test('gives turns at its later moment if a pause becomes longer while transfers wait', async () => {
    const { host, now, pass } = play()
    host.failed(refusal, now())
    const turns = await waiting(host, 1)
    host.failed({ ...refusal, retryAfter: 20 }, now())
    await pass(19)
    assert.equal(turns.length, 0)
    await pass(2)
    assert.equal(turns.length, 1)
  })

  test('waits as long as it asks for, if that is longer than its pause', async () => {
    const { host, now } = play()
    assert.equal(host.failed({ ...refusal, retryAfter: 47 }, now()), 47)
    assert.equal(host.failed({ ...refusal, retryAfter: 1 }, now()), 2)
  })

  test('knows since when it gives nothing and what was the matter last, until it gives something', () => {
    const { host } = play()
    assert.deepEqual([host.nothingSince, host.trouble], [undefined, undefined])
    host.failed(refusal, 7)
    host.failed(tooMany, 9)
    assert.deepEqual([host.nothingSince, host.trouble], [7, 'too many'])
    host.gave()
    assert.deepEqual([host.nothingSince, host.trouble], [undefined, undefined])
  })

  test('gives turns again to six at once when it gives something, without a pause', async () => {
    const { host, now } = play()
    host.failed({ ...refusal, retryAfter: 60 }, now())
    host.gave()
    assert.equal((await waiting(host, 8)).length, 6)
  })

  test('sends away those that wait, once, when a transfer gives it up', async () => {
    const { host, now, pass } = play()
    host.failed({ ...refusal, retryAfter: 60 }, now())
    const turns = await waiting(host, 2)
    host.wake()
    await nextTurn()
    assert.deepEqual(turns, [undefined, undefined])
    await pass(61)
    assert.equal(turns.length, 2)
  })
})

describe('a host that serves', () => {
  /** A host that sends so many files at this moment. */
  async function serving(count: number) {
    const played = play()
    const turns = await waiting(played.host, count)
    for (const turn of turns) turn?.accepted()
    return { ...played, turns }
  }

  test('serves from the moment it accepts a request until that transfer is over', async () => {
    const { host } = play()
    const [turn] = await waiting(host, 1)
    assert.equal(host.serves, false)
    turn?.accepted()
    turn?.accepted()
    assert.equal(host.serves, true)
    end(turn)
    assert.equal(host.serves, false)
  })

  test('a transfer that was not accepted leaves the others served when it ends', async () => {
    const { host } = await serving(1)
    const [other] = await waiting(host, 1)
    end(other)
    assert.equal(host.serves, true)
  })

  test('has no pause when one of its transfers fails, and no fewer turns', async () => {
    const { host, now } = await serving(2)
    assert.equal(host.failed(refusal, now()), 1)
    assert.equal(host.failed(refusal, now()), 2)
    assert.equal((await waiting(host, 8)).length, 4)
  })

  test('has no more turns than it accepts if it says that there are too many requests', async () => {
    const { host, now, turns } = await serving(3)
    assert.equal(host.failed(tooMany, now()), 1)
    assert.equal(host.failed(tooMany, now()), 1)
    const others = await waiting(host, 2)
    assert.equal(others.length, 0)
    end(turns[0])
    await nextTurn()
    assert.equal(others.length, 1)
  })

  test('pauses for as long as it asks for', async () => {
    const { host, now, pass } = await serving(2)
    assert.equal(host.failed({ ...refusal, retryAfter: 5 }, now()), 5)
    const others = await waiting(host, 1)
    await pass(4.9)
    assert.equal(others.length, 0)
    await pass(0.2)
    assert.equal(others.length, 1)
  })

  test('gets one more connection for each half a minute without a refusal, up to six', async () => {
    const { host, now, pass } = await serving(1)
    host.failed(tooMany, now())
    const others = await waiting(host, 8)
    await pass(29.9)
    host.gave()
    await nextTurn()
    assert.equal(others.length, 0)
    const counts: number[] = []
    for (let i = 0; i < 7; i++) {
      await pass(30)
      host.gave()
      host.gave()
      host.pump()
      await nextTurn()
      counts.push(others.length)
    }
    assert.deepEqual(counts, [1, 2, 3, 4, 5, 5, 5])
  })
})
