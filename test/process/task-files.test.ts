import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { cake } from '../fixtures/pictures.ts'
import { startSimulator } from '../servers/simulator.ts'
import { keysFor, TASK_APIS, taskId, waitForTask } from '../support/task-action.ts'

const picture = await cake('png')

describe('a task', { concurrency: 4 }, () => {
  for (const api of TASK_APIS) {
    test(`a task of ${api} is waited for, and its file saved without the key`, async () => {
      await using simulator = await startSimulator()
      const link = simulator.file(`${api}/out.png`, { body: picture, type: 'image/png' })
      const id = simulator.tasks.add({ api, id: taskId(api), ends: 0.6, links: [link] })
      await using result = await waitForTask(simulator, api, id, { 'output-dir': 'films' })
      assert.equal(result.exitCode, 0, result.log)
      assert.equal(result.outputs.status, 'succeeded')
      assert.equal(result.outputs.output_urls, JSON.stringify([link]))
      assert.equal(result.outputs.predict_time, '')
      assert.equal(result.annotations.length, 0, JSON.stringify(result.annotations))
      const [name = '', ...others] = await readdir(path.join(result.workspace, 'films'))
      assert.deepEqual([name, ...others], [`${id.replaceAll(/[/:]/g, '-')}-0.png`])
      assert.deepEqual(await readFile(path.join(result.workspace, 'films', name)), picture)
      assert.deepEqual(keysFor(simulator, new URL(link).pathname), [false])
      assert.match(result.summary, /which deletes its files, at a time that it does not document\./)
    })
  }
})

describe('a film behind the key', { concurrency: 4 }, () => {
  test('a video that requires the key is downloaded with it from a URL built from api-url and the ID', async () => {
    await using simulator = await startSimulator()
    const id = simulator.tasks.add({ api: 'videos', ends: 0.3, content: { body: picture, type: 'image/png' } })
    await using result = await waitForTask(simulator, 'videos', id, { 'output-dir': 'films' })
    assert.equal(result.exitCode, 0, result.log)
    assert.equal(result.outputs.output_urls, JSON.stringify([`${simulator.origin}/v1/videos/${id}/content`]))
    assert.deepEqual(await readdir(path.join(result.workspace, 'films')), [`${id}-0.png`])
    assert.deepEqual(keysFor(simulator, '/content'), [true])
  })
  test('a video that requires the key is downloaded from the API, even if the response names another host', async () => {
    await using simulator = await startSimulator()
    await using other = await startSimulator()
    const id = 'task_abc'
    const link = `${other.origin}/v1/videos/${id}/content`
    const content = { body: picture, type: 'image/png' }
    simulator.tasks.add({ api: 'videos', id, ends: 0.3, content, body: { metadata: { url: link } } })
    await using result = await waitForTask(simulator, 'videos', id, {
      'output-dir': 'films',
      'allowed-hosts': '127.0.0.1',
    })
    assert.equal(result.exitCode, 0, result.log)
    assert.equal(result.outputs.output_urls, JSON.stringify([link]))
    assert.deepEqual(keysFor(simulator, '/content'), [true])
    assert.deepEqual(other.requests, [])
  })
  test('a download with the key drops it at a redirect to another origin', async () => {
    await using simulator = await startSimulator()
    await using store = await startSimulator()
    const target = store.file('store/out.png', { body: picture, type: 'image/png' })
    const id = simulator.tasks.add({ api: 'videos', ends: 0.3, content: { tricks: [{ redirect: target }] } })
    await using result = await waitForTask(simulator, 'videos', id, {
      'output-dir': 'films',
      'allowed-hosts': '127.0.0.1',
    })
    assert.equal(result.exitCode, 0, result.log)
    assert.deepEqual(
      store.requests.map(({ headers }) => headers.authorization),
      [undefined],
    )
  })
  test('a download that has dropped the key does not use it after a redirect back', async () => {
    await using simulator = await startSimulator()
    await using store = await startSimulator()
    const back = simulator.file('back/out.png', { body: picture, type: 'image/png' })
    const target = store.file('store/out.png', { tricks: [{ redirect: back }] })
    const id = simulator.tasks.add({ api: 'videos', ends: 0.3, content: { tricks: [{ redirect: target }] } })
    await using result = await waitForTask(simulator, 'videos', id, {
      'output-dir': 'films',
      'allowed-hosts': '127.0.0.1',
    })
    assert.equal(result.exitCode, 0, result.log)
    assert.deepEqual(keysFor(simulator, '/content'), [true])
    assert.deepEqual(keysFor(simulator, '/files/back/'), [false])
  })
  test('a missing video is not reported as expired after one hour', async () => {
    await using simulator = await startSimulator()
    const video_url = `${simulator.origin}/files/gone.mp4`
    const id = simulator.tasks.add({ api: 'videos', ends: 0, body: { video_url } })
    await using result = await waitForTask(simulator, 'videos', id, { 'output-dir': 'films', timeout: '1s' })
    assert.equal(result.exitCode, 1)
    assert.match(result.outputs.error ?? '', /the server returned 404/)
    assert.doesNotMatch(result.outputs.error ?? '', /one hour/)
  })
  test('only the content of the task is downloaded with the key, whatever the response links to', async () => {
    await using simulator = await startSimulator()
    const links = ['/v1/videos/other/content', '/api/user/self', '/files/x/v1/videos'].map(
      (at) => simulator.origin + at,
    )
    for (const [i, video_url] of links.entries()) {
      const id = simulator.tasks.add({ api: 'videos', id: `task-${i}`, ends: 0.2, body: { video_url } })
      await using result = await waitForTask(simulator, 'videos', id, { 'output-dir': 'films', timeout: '1s' })
      assert.equal(result.outputs.output_url, video_url)
      assert.ok(!keysFor(simulator, new URL(video_url).pathname).includes(true), video_url)
    }
  })
})
