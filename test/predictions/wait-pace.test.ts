import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refuses, says, seeded } from '../support/faults.ts'
import { playWait, type ScriptedRequest } from '../support/virtual-time.ts'

describe('the pace of requests', () => {
  /** Lets one request through in so many seconds, as nginx does. */
  const spaced = (seconds: number, status: number) => {
    let last = Number.NEGATIVE_INFINITY
    return ({ at }: ScriptedRequest): boolean => {
      if (at < last + seconds) return false
      last = at
      return status > 0
    }
  }
  /** Lets so many requests through in each minute. */
  const perMinute = (most: number) => {
    const counts = new Map<number, number>()
    return ({ at }: ScriptedRequest): boolean => {
      const minute = Math.floor(at / 60)
      counts.set(minute, (counts.get(minute) ?? 0) + 1)
      return (counts.get(minute) ?? 0) <= most
    }
  }
  const limits: [string, number, () => (request: ScriptedRequest) => boolean][] = [
    ['30 a minute, evenly, with 503', 503, () => spaced(2, 503)],
    ['30 a minute, evenly, with 429', 429, () => spaced(2, 429)],
    ['12 a minute, evenly, with 503', 503, () => spaced(5, 503)],
    ['12 a minute, evenly, with 429', 429, () => spaced(5, 429)],
    ['30 in each minute', 429, () => perMinute(30)],
    ['12 in each minute', 429, () => perMinute(12)],
  ]
  for (const [name, status, limit] of limits) {
    for (const ids of [['abc'], ['a', 'b', 'c', 'd']]) {
      test(`the pace of requests is learned from refusals without a hint: ${name}, IDs: ${ids.length}`, async () => {
        for (let seed = 1; seed <= 10; seed++) {
          // Several IDs send their first requests together, before the first refusal can come.
          for (const until of ids.length === 1 ? [60, 600] : [600]) {
            const lets = limit()
            let refused = 0
            const { requests } = await playWait(
              (request) => {
                if (lets(request)) return says('processing', request.path.split('/').at(-1))
                refused++
                return refuses(status)
              },
              { ids, timeout: until, random: seeded(seed) },
            )
            assert.ok(refused < requests.length / 3, `seed ${seed}: ${refused} of ${requests.length} in ${until} s`)
            assert.ok(requests.length > until / 12, `seed ${seed}: only ${requests.length} in ${until} s`)
          }
        }
      })
    }
  }

  test('the pace of requests is the same after an outage as before', async () => {
    const { requests } = await playWait(({ at }) => (at > 20 && at < 80 ? refuses(503) : says('processing')), {
      timeout: 300,
    })
    const after = requests.filter(({ at }) => at > 120).length
    assert.ok(after > 150, `${after} requests in 180 s`)
  })
})
