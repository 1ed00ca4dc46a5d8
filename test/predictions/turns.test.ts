import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../../src/predictions/turns.ts'

test('actions run one after the other in the order of their calls, also after one that fails', async () => {
  const turns = new Turns()
  const happened: string[] = []
  const act = (name: string, fails = false) =>
    turns.run(async () => {
      happened.push(`${name} begins`)
      await Promise.resolve()
      happened.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    })
  const results = await Promise.allSettled([act('a'), act('b', true), act('c')])
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message)),
    ['a', 'b', 'c'],
  )
  assert.deepEqual(happened, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})
