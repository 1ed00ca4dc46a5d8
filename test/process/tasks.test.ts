import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startSimulator } from '../servers/simulator.ts'
import { runAction } from '../support/run-action.ts'
import { keysFor, TASK_APIS, taskId, taskInputs, waitForTask } from '../support/task-action.ts'

describe('a task', { concurrency: 4 }, () => {
  for (const api of TASK_APIS) {
    test(`a task of ${api} is waited for`, async () => {
      await using simulator = await startSimulator()
      const link = 'https://files.example.com/out.mp4'
      const id = simulator.tasks.add({ api, id: taskId(api), ends: 0.6, links: [link] })
      await using result = await waitForTask(simulator, api, id)
      assert.equal(result.exitCode, 0, result.log)
      assert.equal(result.outputs.status, 'succeeded')
      assert.equal(result.outputs.output_urls, JSON.stringify([link]))
      assert.equal(result.outputs.predict_time, '')
      assert.deepEqual(result.annotations, [])
    })
    test(`a task of ${api} that fails makes the step fail with the message of the API`, async () => {
      await using simulator = await startSimulator()
      const id = simulator.tasks.add({ api, id: taskId(api), ends: 0.3, outcome: 'failed' })
      await using result = await waitForTask(simulator, api, id)
      assert.equal(result.exitCode, 1)
      assert.equal(result.outputs.status, 'failed')
      assert.match(result.outputs.error ?? '', /The prompt was refused\./)
      assert.equal(result.outputs.output_urls, '[]')
    })
  }

  test('a task in an envelope of the gateway is read like one without', async () => {
    await using simulator = await startSimulator()
    const link = 'https://files.example.com/out.mp4'
    const id = simulator.tasks.add({ api: 'runway', ends: 0.4, links: [link], enveloped: true })
    await using result = await waitForTask(simulator, 'runway', id)
    assert.equal(result.outputs.output_urls, JSON.stringify([link]))
    assert.equal(result.outputs.total_time, '240')
  })

  test('tasks are polled by ID, however many there are, because they have no list', async () => {
    await using simulator = await startSimulator()
    const ids = Array.from({ length: 10 }, () =>
      simulator.tasks.add({ api: 'luma', ends: 0.6, links: ['https://x.example/a'] }),
    )
    await using result = await waitForTask(simulator, 'luma', ids.join())
    assert.equal(result.outputs.status, 'succeeded')
    assert.ok(simulator.requests.every(({ url }) => url.startsWith('/dream-machine/v1/generations/task-')))
  })

  test('a task that the gateway knows only after a second is waited for', async () => {
    await using simulator = await startSimulator()
    const id = simulator.tasks.add({ api: 'suno', ends: 1.5, unknownFor: 1, links: ['https://x.example/a.mp3'] })
    await using result = await waitForTask(simulator, 'suno', id)
    assert.equal(result.outputs.status, 'succeeded')
  })

  test('a task that the gateway never knows ends the step with what to check', async () => {
    await using simulator = await startSimulator()
    await using result = await waitForTask(simulator, 'videos', 'nobody')
    assert.equal(result.exitCode, 1)
    assert.match(result.annotations[0]?.message ?? '', /task_not_exist.*check api-key and api-url/)
  })

  test('a task that waits for a person fails with what to do', async () => {
    await using simulator = await startSimulator()
    const id = simulator.tasks.add({ api: 'midjourney', ends: 60, body: { status: 'MODAL' } })
    await using result = await waitForTask(simulator, 'midjourney', id)
    assert.equal(result.exitCode, 1)
    assert.match(result.outputs.error ?? '', /waits for a person.*\/mj\/submit\/modal/)
  })
})

describe('a file that has only an ID', () => {
  test('a file with only an ID has its link looked up with the key', async () => {
    await using simulator = await startSimulator()
    const link = 'https://files.example.com/out.mp4'
    const id = simulator.tasks.add({ api: 'minimax', ends: 0.3, links: [link] })
    await using result = await waitForTask(simulator, 'minimax', id)
    assert.equal(result.outputs.output_url, link)
    assert.deepEqual(keysFor(simulator, '/v1/files/retrieve'), [true])
  })
})

describe('cancel-on for a task', { concurrency: 4 }, () => {
  test('a step reports in one line that an API cannot cancel tasks, and sends nothing', async () => {
    await using simulator = await startSimulator()
    const id = simulator.tasks.add({ api: 'suno', ends: 60 })
    await using result = await waitForTask(simulator, 'suno', id, { timeout: '1s', 'cancel-on': 'timeout' })
    assert.match(result.log, /task-1 cannot be canceled: the API does not support it/)
    assert.deepEqual(new Set(simulator.requests.map(({ method }) => method)), new Set(['GET']))
    await using post = await runAction({ inputs: taskInputs(simulator, 'suno', id), step: 'post', state: { open: id } })
    assert.match(post.log, /task-1 cannot be canceled: the API does not support it/)
  })
  test('a running task of Runway is deleted at the timeout', async () => {
    await using simulator = await startSimulator()
    const id = simulator.tasks.add({ api: 'runway', ends: 60 })
    await using result = await waitForTask(simulator, 'runway', id, { timeout: '1s', 'cancel-on': 'timeout' })
    assert.match(result.log, /task-1 canceled/)
    assert.equal(simulator.tasks.isDeleted(id), true)
  })
  test('a task of Runway that has ended is never deleted', async () => {
    await using simulator = await startSimulator()
    const id = simulator.tasks.add({ api: 'runway', ends: 0 })
    await using post = await runAction({
      inputs: taskInputs(simulator, 'runway', id),
      step: 'post',
      state: { open: id },
    })
    assert.match(post.log, /task-1 had already ended \(succeeded\)/)
    assert.equal(simulator.tasks.isDeleted(id), false)
  })
})

describe('the input api', { concurrency: 4 }, () => {
  const faultsOf = async (given: Record<string, string>) => {
    await using result = await runAction({ inputs: { 'api-key': 'sk-secret-0123456789', ...given } })
    assert.equal(result.exitCode, 1)
    return result.annotations[0]?.message ?? ''
  }
  test('an unknown api is refused with a list of the known ones', async () => {
    assert.match(
      await faultsOf({ api: 'sora', 'prediction-id': 'abc' }),
      /api: "sora" is not one of replicate, videos, suno, midjourney, kling, runway, luma, minimax, seedance/,
    )
  })
  test('the input api decides the form of an ID', async () => {
    assert.match(await faultsOf({ api: 'kling', 'prediction-id': '8781' }), /"8781".*text2video\/<ID>/)
    assert.match(await faultsOf({ 'prediction-id': 'text2video/8781' }), /prediction-id: "text2video\/8781"/)
  })
  test('a task API requires the root of the gateway as api-url', async () => {
    const given = { api: 'videos', 'prediction-id': 'abc' }
    for (const base of ['https://gateway.example/replicate/v1', 'https://gateway.example/v1'])
      assert.match(
        await faultsOf({ ...given, 'api-url': base }),
        /api-url:.*Use "https:\/\/gateway\.example", the root of the gateway: \/v1\/videos\/\{id\} is appended/,
      )
  })
})
