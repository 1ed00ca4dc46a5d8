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
  test('at most six transfers from one host and twelve together run at once', async () => {
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

  test('transfers of one origin share a host, and those of another origin have their own', () => {
    const { hosts, host } = play()
    assert.equal(hosts.of(CDN), host)
    assert.notEqual(hosts.of(`${CDN}:8443`), host)
  })

  test('the hosts know when any of them last gave something', async () => {
    const { hosts, host, pass, clock } = play()
    assert.equal(hosts.gaveAt, undefined)
    await pass(5)
    host.gave()
    assert.equal(hosts.gaveAt, clock.now())
    assert.equal(host.gaveAt, clock.now())
    assert.equal(hosts.of('https://other.test').gaveAt, undefined)
  })

  test('transfers that wait for a turn, or ask for one later, end with the reason of the signal', async () => {
    const { host, stop } = play()
    await waiting(host, 6)
    const waits = host.take()
    stop.abort(new Error('enough'))
    await assert.rejects(waits, /enough/)
    await assert.rejects(host.take(), /enough/)
  })
})

describe('a host that gives nothing', () => {
  test('the pauses of a failing host double up to ten seconds, until it gives something', async () => {
    const { host, now } = play()
    const pauses = Array.from({ length: 6 }, () => host.failed(refusal, now()))
    assert.deepEqual(pauses, [1, 2, 4, 8, 10, 10])
    host.gave()
    assert.equal(host.failed(refusal, now()), 1)
  })

  test('a failing host gives no turn before its pause is over, and then one at a time', async () => {
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

  test('a failing host gives turns earlier if its pause is shortened, and not later', async () => {
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

  test('a failing host gives turns later if its pause is lengthened while transfers wait', async () => {
    const { host, now, pass } = play()
    host.failed(refusal, now())
    const turns = await waiting(host, 1)
    host.failed({ ...refusal, retryAfter: 20 }, now())
    await pass(19)
    assert.equal(turns.length, 0)
    await pass(2)
    assert.equal(turns.length, 1)
  })

  test('a failing host has the pause that it asks for if that is longer than its own', async () => {
    const { host, now } = play()
    assert.equal(host.failed({ ...refusal, retryAfter: 47 }, now()), 47)
    assert.equal(host.failed({ ...refusal, retryAfter: 1 }, now()), 2)
  })

  test('a failing host knows since when it has given nothing and its last error, until it gives something', () => {
    const { host } = play()
    assert.deepEqual([host.nothingSince, host.trouble], [undefined, undefined])
    host.failed(refusal, 7)
    host.failed(tooMany, 9)
    assert.deepEqual([host.nothingSince, host.trouble], [7, 'too many'])
    host.gave()
    assert.deepEqual([host.nothingSince, host.trouble], [undefined, undefined])
  })

  test('a host that gives something again has six turns at once, without a pause', async () => {
    const { host, now } = play()
    host.failed({ ...refusal, retryAfter: 60 }, now())
    host.gave()
    assert.equal((await waiting(host, 8)).length, 6)
  })

  test('transfers that wait for a host are dismissed once when one of them gives up on it', async () => {
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

  test('a host serves from when it accepts a request until that transfer is over', async () => {
    const { host } = play()
    const [turn] = await waiting(host, 1)
    assert.equal(host.serves, false)
    turn?.accepted()
    turn?.accepted()
    assert.equal(host.serves, true)
    end(turn)
    assert.equal(host.serves, false)
  })

  test('the end of a transfer that was not accepted does not end the serving of others', async () => {
    const { host } = await serving(1)
    const [other] = await waiting(host, 1)
    end(other)
    assert.equal(host.serves, true)
  })

  test('a serving host has no fewer turns when one of its transfers fails', async () => {
    const { host, now } = await serving(2)
    assert.equal(host.failed(refusal, now()), 1)
    assert.equal(host.failed(refusal, now()), 2)
    assert.equal((await waiting(host, 8)).length, 4)
  })

  test('a serving host that reports too many requests has no more turns than it has accepted', async () => {
    const { host, now, turns } = await serving(3)
    assert.equal(host.failed(tooMany, now()), 1)
    assert.equal(host.failed(tooMany, now()), 1)
    const others = await waiting(host, 2)
    assert.equal(others.length, 0)
    end(turns[0])
    await nextTurn()
    assert.equal(others.length, 1)
  })

  test('a serving host has the pause that it asks for', async () => {
    const { host, now, pass } = await serving(2)
    assert.equal(host.failed({ ...refusal, retryAfter: 5 }, now()), 5)
    const others = await waiting(host, 1)
    await pass(4.9)
    assert.equal(others.length, 0)
    await pass(0.2)
    assert.equal(others.length, 1)
  })

  test('a serving host gets one more turn for each half minute without a refusal, up to six', async () => {
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
