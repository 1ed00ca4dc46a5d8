import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../support/faults.ts'
import { assertRight, play, sample } from '../support/list-api.ts'

test('a thousand predictions need 3 % of the requests of the official client, noticing ends within 1.65 s', async () => {
  const latestOf: number[] = []
  for (const seed of [3, 4, 5, 6]) {
    const predictions = sample(1000, seed, 20)
    const { outcomes, latest, requests } = await play(predictions, {}, { random: seeded(seed) })
    assertRight(predictions, outcomes)
    latestOf.push(latest)
    // The official client polls each of them every half second.
    const official = predictions.reduce((sum, { ends }) => sum + 1 + Math.ceil(ends / 0.5), 0)
    assert.ok(requests.length <= 0.03 * official, `${requests.length} of ${official}`)
  }
  const average = latestOf.reduce((sum, each) => sum + each / latestOf.length, 0)
  assert.ok(average <= 1.5 && Math.max(...latestOf) <= 1.65, `${latestOf} s`)
})
