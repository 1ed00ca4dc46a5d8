import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { createClient } from '../../src/predictions/client.ts'
import { readContext } from '../../src/runner/context.ts'
import { LargeFile } from '../../src/runner/embedded-files.ts'
import { Starter } from '../../src/runner/starter.ts'
import { printed } from '../support/printed.ts'
import { testFolder } from '../support/temporary-folder.ts'
import { KEY, type Reaction, type ScriptedRequest, scriptedDispatcher, VirtualClock } from '../support/virtual-time.ts'

const created = (id: string | number): Reaction => ({ status: 201, body: `{"id":"${id}","status":"starting"}` })
const CREATED = created('abc')
const UNREACHED: Reaction = { code: 'ENOTFOUND' }

/** A starter with a timeout of an hour. */
function starterOf(clock: VirtualClock, react: (request: ScriptedRequest, index: number) => Reaction) {
  const { dispatcher, requests } = scriptedDispatcher(clock, react)
  const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
  const inputs = { target: { model: 'octo/cake' }, cancelAfter: undefined }
  const { signal } = new AbortController()
  return { starter: new Starter(inputs, { client, clock, runner: readContext({}), signal, patience: 3600 }), requests }
}

test('a host that was never reached is retried for five minutes, whatever the timeout', async () => {
  const clock = new VirtualClock()
  const { starter } = starterOf(clock, () => UNREACHED)
  const start = clock.now()
  await printed(async () => {
    await assert.rejects(clock.run(starter.create({}, 'hero')), { name: 'CreateError', mayRun: false })
  })
  assert.ok(clock.now() - start <= 301, `${clock.now() - start} s`)
})

test('a host that was reached before is retried until the timeout', async () => {
  const clock = new VirtualClock()
  const { starter } = starterOf(clock, (_, i) => (i === 0 || clock.now() > 2500 ? created(i) : UNREACHED))
  await printed(async () => {
    for (const name of ['hero', 'logo']) await clock.run(starter.create({}, name))
  })
  assert.ok(clock.now() > 2500)
})

test('a prediction whose response was lost is not confused with another one of the same input', async () => {
  const clock = new VirtualClock()
  const shown = (id: string) => ({ id, model: 'octo/cake', input: { seed: 1 }, created_at: new Date().toISOString() })
  const { starter } = starterOf(clock, ({ method }, i) => {
    if (method === 'GET') return { status: 200, body: JSON.stringify({ results: [shown('abc')], next: null }) }
    return i === 0 ? CREATED : { status: 504, body: '' }
  })
  await printed(async () => {
    await clock.run(starter.create({ seed: 1 }, 'hero'))
    await assert.rejects(clock.run(starter.create({ seed: 1 }, 'logo')), (error: Error) => {
      assert.match(error.message, /returned 504 .*may have been started anyway/)
      assert.doesNotMatch(error.message, /abc/)
      return true
    })
  })
})

test('an API that returns the ID of another input has started no second prediction', async () => {
  const clock = new VirtualClock()
  const { starter } = starterOf(clock, () => CREATED)
  await printed(async () => {
    await clock.run(starter.create({}, 'hero'))
    await assert.rejects(clock.run(starter.create({}, 'logo')), {
      name: 'CreateError',
      mayRun: false,
      message:
        'The API started no new prediction: the response to the create request has the ID abc, which belongs to the prediction for hero.',
    })
  })
})

describe('a large file', () => {
  const UPLOADED: Reaction = { status: 201, body: '{"id":"f","urls":{"get":"https://127.0.0.1:1/v1/files/f"}}' }
  const failed = (status: number): Reaction => ({ status, body: '' })

  /** Starts predictions with files of these names, one after the other. @returns how many uploads were tried for each */
  async function uploadsFor(names: readonly string[], reactions: readonly Reaction[]): Promise<number[]> {
    const folder = await testFolder('starter')
    const clock = new VirtualClock()
    const left = [...reactions]
    const { starter, requests } = starterOf(clock, (request, i) =>
      request.path.endsWith('/files') ? (left.shift() ?? UPLOADED) : created(i),
    )
    const counts: number[] = []
    await printed(async () => {
      for (const name of names) {
        const file = path.join(folder, name)
        await writeFile(file, name)
        const before = requests.length
        const image = new LargeFile({ where: 'input.image', name, path: file, size: 9, type: 'image/png' })
        await clock.run(starter.create({ image }, name))
        counts.push(requests.length - before - 1)
      }
    })
    return counts
  }

  test('a large file is uploaded once more after a failure, and then not again', async () => {
    assert.deepEqual(await uploadsFor(['a', 'a'], [failed(502)]), [2, 0])
  })

  test('a large file that failed to upload is retried with the next input if other uploads succeeded', async () => {
    assert.deepEqual(await uploadsFor(['a', 'b', 'b'], [UPLOADED, failed(502), failed(502)]), [1, 2, 1])
  })

  test('a failed upload is not repeated for every input if the API has no uploads', async () => {
    assert.deepEqual(await uploadsFor(['a', 'a', 'b'], Array(9).fill(failed(404))), [2, 0, 1])
  })

  /** The message about a file of two megabytes whose upload gets this twice, and after how many seconds it comes. */
  async function messageFor(reaction: Reaction) {
    const folder = await testFolder('starter')
    const clock = new VirtualClock()
    const { starter } = starterOf(clock, (request) => (request.path.endsWith('/files') ? reaction : CREATED))
    const file = path.join(folder, 'a.png')
    await writeFile(file, 'x')
    const image = new LargeFile({ where: 'input.image', name: 'a.png', path: file, size: 2e6, type: 'image/png' })
    const start = clock.now()
    try {
      await clock.run(starter.create({ image }, 'hero'))
    } catch (error) {
      return { message: (error as Error).message, seconds: Math.round(clock.now() - start) }
    }
    return assert.fail('it was started')
  }

  test('a file that is too large to be embedded is reported with the reason why its upload failed', async () => {
    const unauthorized = await messageFor({ status: 401, body: '{"detail":"wrong key"}' })
    assert.match(unauthorized.message, /returned 401 Unauthorized: wrong key\. .*check the secret passed as api-key\.$/)
    const unreached = await messageFor(UNREACHED)
    assert.match(unreached.message, /the host does not exist .* Put it on a server and use its URL\.$/)
    for (const status of [404, 405]) {
      assert.match((await messageFor(failed(status))).message, /embedded in a request\. Put it on a server/)
    }
  })

  test('an upload is retried after the pause that the API asks for, at most half a minute', async () => {
    for (const [hint, seconds] of [
      ['12', 12],
      ['600', 30],
    ] as const) {
      const throttled = await messageFor({ status: 429, body: '', headers: { 'retry-after': hint } })
      assert.match(throttled.message, /returned 429 Too Many Requests .* Put it on a server/)
      assert.equal(throttled.seconds, seconds)
    }
  })
})
