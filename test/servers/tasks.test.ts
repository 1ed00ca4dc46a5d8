import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { APIS } from '../../src/predictions/apis/index.ts'
import { startSimulator } from './simulator.ts'
import type { TaskPlay } from './tasks.ts'

const TASK_APIS = APIS.filter(({ name }) => name !== 'replicate')

describe('the task APIs of the simulator', () => {
  for (const api of TASK_APIS) {
    test(`the simulator plays a task of ${api.name} to its end, in the words that its module reads`, async () => {
      await using simulator = await startSimulator()
      const prefix = api.name === 'kling' ? 'text2video/' : ''
      const links = ['https://files.example.com/out.mp4']
      const read = async (id: string, play: Omit<TaskPlay, 'api'>) => {
        simulator.tasks.add({ api: api.name as TaskPlay['api'], id, links, ...play })
        const headers = { authorization: `Bearer ${simulator.key}` }
        const response = await fetch(simulator.origin + api.path(id), { headers })
        const reading = api.read(await response.json(), { id, apiUrl: simulator.origin })
        return reading.kind === 'prediction' ? reading.prediction.status : reading.kind
      }
      assert.equal(await read(`${prefix}waits`, { ends: 1000 }), 'starting')
      assert.equal(await read(`${prefix}made`, { ends: 0 }), 'succeeded')
      assert.equal(await read(`${prefix}wrapped`, { ends: 0, enveloped: true }), 'succeeded')
      assert.equal(await read(`${prefix}refused`, { ends: 0, outcome: 'failed' }), 'failed')
      assert.equal(await read(`${prefix}new`, { ends: 0, unknownFor: 1000 }), 'unknown-id')
    })
  }
  test('tasks of the simulator require the key, and exist only at their own paths', async () => {
    await using simulator = await startSimulator()
    simulator.tasks.add({ api: 'videos', id: 'a', ends: 0 })
    assert.equal((await fetch(`${simulator.origin}/v1/videos/a`)).status, 401)
    assert.match(await (await fetch(`${simulator.origin}/v1/video/a`)).text(), /<title>/)
  })
})
