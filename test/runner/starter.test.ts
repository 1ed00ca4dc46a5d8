import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { createClient } from '../../src/predictions/client.ts'
import { readContext } from '../../src/runner/context.ts'
import { LargeFile } from '../../src/runner/embedded-files.ts'
import { Starter } from '../../src/runner/starter.ts'
import { printed } from '../support/printed.ts'
import { parseFileCommands } from '../support/run-action.ts'
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

test('the prediction that a lost answer may have started is named if it is the only one that matches', async () => {
  const shown = (id: string) => ({ id, model: 'octo/cake', input: { seed: 1 }, created_at: new Date().toISOString() })
  const messageWith = async (list: () => Reaction) => {
    const clock = new VirtualClock()
    const { starter } = starterOf(clock, ({ method }) => (method === 'GET' ? list() : { status: 504, body: '' }))
    let message = ''
    await printed(async () => {
      await assert.rejects(clock.run(starter.create({ seed: 1 }, 'hero')), (error: Error & { mayRun?: boolean }) => {
        assert.equal(error.mayRun, true)
        message = error.message
        return true
      })
    })
    return message
  }
  const of =
    (...ids: string[]) =>
    () => ({
      status: 200,
      body: JSON.stringify({ results: ids.map(shown), next: null }),
    })
  assert.match(
    await messageWith(of('xyz')),
    /Exactly one prediction in the list matches: xyz\. It may be the one that was started here\. /,
  )
  for (const list of [of('x', 'y'), of(), () => ({ status: 500, body: '' })]) {
    assert.doesNotMatch(await messageWith(list), /in the list matches/)
  }
})

test('the post step knows what may still run, and whose creation is under way', async () => {
  const file = path.join(await testFolder('starter'), 'state')
  await writeFile(file, '')
  const saved = async () => parseFileCommands(await readFile(file, 'utf8'))
  const { GITHUB_STATE } = process.env
  process.env.GITHUB_STATE = file
  const during: Record<string, string>[] = []
  const clock = new VirtualClock()
  const { dispatcher } = scriptedDispatcher(clock, (_, i) => created(i))
  const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
  const create: typeof client.create = async (...call) => {
    during.push(await saved())
    return client.create(...call)
  }
  const options = { client: { ...client, create }, clock, runner: readContext(), signal: new AbortController().signal }
  try {
    const starter = new Starter({ target: { model: 'octo/cake' }, cancelAfter: undefined }, options)
    for (const name of ['hero', 'logo', 'menu']) {
      await clock.run(starter.create({}, name))
      assert.equal((await saved()).creating, '')
      if (name === 'logo') starter.ended('0')
    }
  } finally {
    if (GITHUB_STATE === undefined) delete process.env.GITHUB_STATE
    else process.env.GITHUB_STATE = GITHUB_STATE
  }
  assert.deepEqual(
    during.map(({ creating, open }) => [creating, open]),
    [
      ['hero', undefined],
      ['logo', '0'],
      ['menu', '0,1'],
    ],
  )
  assert.equal((await saved()).open, '1,2')
})

test('a creation that is refused for now is retried, and each retry is one line', async () => {
  const clock = new VirtualClock()
  const { starter, requests } = starterOf(clock, (_, i) =>
    i === 0 ? { status: 429, body: '{"detail":"slow down"}', headers: { 'retry-after': '7' } } : CREATED,
  )
  const text = await printed(() => clock.run(starter.create({}, 'hero')))
  assert.equal(requests.length, 2)
  assert.match(text, /^hero: retrying in 7\.\d s: .*returned 429.*slow down/m)
})

test('uploads are deleted, and none if there was none', async () => {
  const folder = await testFolder('starter')
  const file = path.join(folder, 'a.png')
  await writeFile(file, 'x')
  const clock = new VirtualClock()
  const { starter, requests } = starterOf(clock, ({ path: at }) =>
    at.endsWith('/files') ? { status: 201, body: '{"id":"f","urls":{"get":"https://127.0.0.1:1/f"}}' } : CREATED,
  )
  const { signal } = new AbortController()
  await clock.run(starter.deleteUploads(signal))
  assert.equal(requests.length, 0)
  const image = new LargeFile({ where: 'input.image', name: 'a.png', path: file, size: 1, type: 'image/png' })
  const text = await printed(() => clock.run(starter.create({ image }, 'hero')))
  assert.match(text, /^uploaded a\.png$/m)
  await clock.run(starter.deleteUploads(signal))
  assert.deepEqual(
    requests.filter(({ method }) => method === 'DELETE').map(({ path: at }) => at),
    ['/v1/files/f'],
  )
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
