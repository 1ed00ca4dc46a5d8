import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { type Client, type CreateRequest, createClient } from '../../src/predictions/client.ts'
import type { Clock } from '../../src/predictions/clock.ts'
import { CreateError } from '../../src/predictions/create.ts'
import { type ApiRequest, RefusalError } from '../../src/predictions/errors.ts'
import { readContext } from '../../src/runner/context.ts'
import { LargeFile, ModelInputError } from '../../src/runner/embedded-files.ts'
import { Starter, type StarterOptions } from '../../src/runner/starter.ts'
import { printed } from '../support/printed.ts'
import { parseFileCommands } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'
import { KEY, type Reaction, type ScriptedRequest, scriptedDispatcher, VirtualClock } from '../support/virtual-time.ts'

const created = (id: string | number): Reaction => ({ status: 201, body: `{"id":"${id}","status":"starting"}` })
const CREATED = created('abc')
const refusal = (status: number): Reaction => ({ status, body: '' })
const UNREACHED: Reaction = { code: 'ENOTFOUND' }
const RESET: Reaction = { code: 'ECONNRESET' }

const stateFile = path.join(await testFolder('starter'), 'state')
await writeFile(stateFile, '')
process.env.GITHUB_STATE = stateFile
const runner = readContext({ GITHUB_STATE: stateFile })
/** What the post step would read. */
const saved = async () => parseFileCommands(await readFile(stateFile, 'utf8'))

const INPUTS = { target: { model: 'octo/cake' }, cancelAfter: '5m' }
const { signal: NEVER } = new AbortController()

/** A starter with a timeout of an hour. */
function starterOf(clock: VirtualClock, react: (request: ScriptedRequest, index: number) => Reaction) {
  const { dispatcher, requests } = scriptedDispatcher(clock, react)
  const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
  return { starter: new Starter(INPUTS, { client, clock, runner, signal: NEVER, patience: 3600 }), requests }
}

/** A starter whose client makes these calls instead of requests. */
function starterWith(calls: Partial<StarterOptions['client']>, options: Partial<StarterOptions> = {}) {
  const clock = options.clock ?? new VirtualClock()
  const none = async () => assert.fail('this call was not expected')
  const client = { create: none, upload: none, deleteUpload: none, ...calls }
  return new Starter(INPUTS, { client, clock, runner, signal: NEVER, ...options })
}

const REQUEST: ApiRequest = { method: 'POST', url: 'https://127.0.0.1:1/v1/predictions' }
const refused = (status: number) => new RefusalError(REQUEST, { status, headers: {}, text: '' })

test('a host that was never reached is retried for five minutes, whatever the timeout', async () => {
  const clock = new VirtualClock()
  const { starter } = starterOf(clock, () => UNREACHED)
  const start = clock.now()
  await printed(async () => {
    for (const name of ['hero', 'logo']) {
      await assert.rejects(clock.run(starter.create({}, name)), { name: 'CreateError', mayRun: false })
    }
  })
  const seconds = clock.now() - start
  assert.ok(seconds > 500 && seconds <= 602, `${seconds} s`)
})

for (const [when, first] of [
  ['after it has started a prediction', [created(0)]],
  ['after it has refused one', [refusal(422)]],
  ['after it was busy, even if the connection was lost later', [refusal(429), RESET]],
  ['after a response that makes no sense', [{ status: 201, body: '{"id":"?","status":"starting"}' }]],
] as const) {
  test(`a host is retried until the timeout ${when}`, async () => {
    const clock = new VirtualClock()
    const left = [...first]
    const { starter } = starterOf(clock, ({ method }, i) => {
      if (method === 'GET') return refusal(500)
      return left.shift() ?? (clock.now() > 2500 ? created(i) : UNREACHED)
    })
    await printed(async () => {
      await clock.run(starter.create({}, 'hero')).catch(() => {})
      assert.deepEqual(left, [])
      await clock.run(starter.create({}, 'logo'))
    })
    assert.ok(clock.now() > 2500)
  })
}

test('a host whose connection broke before any response counts as never reached', async () => {
  const clock = new VirtualClock()
  let start = 0
  const { starter } = starterOf(clock, ({ method }, i) => {
    if (method === 'GET') return refusal(500)
    return i === 0 ? RESET : UNREACHED
  })
  await printed(async () => {
    await assert.rejects(clock.run(starter.create({}, 'hero')), { name: 'CreateError', mayRun: true })
    start = clock.now()
    await assert.rejects(clock.run(starter.create({}, 'logo')), { name: 'CreateError', mayRun: false })
  })
  assert.ok(clock.now() - start <= 301, `${clock.now() - start} s`)
})

test('a create request has the target, the input and the deadline of the prediction', async () => {
  const sent: CreateRequest[] = []
  const starter = starterWith({
    async create(request) {
      sent.push(request)
      return { prediction: { id: 'abc', status: 'starting' }, body: {} }
    },
  })
  const { prediction } = await starter.create({ seed: 1 }, 'hero')
  assert.equal(prediction.id, 'abc')
  assert.deepEqual(sent, [{ ...INPUTS, input: { seed: 1 } }])
})

test('a prediction that was started is reported with a warning if its response has no status', async () => {
  const clock = new VirtualClock()
  const { starter } = starterOf(clock, () => ({ status: 201, body: '{"id":"abc"}' }))
  const log = await printed(() => clock.run(starter.create({}, 'hero')))
  assert.match(log, /^::warning::The response to the create request has no status\. It has the ID abc,/m)
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

describe('a lost response', () => {
  const AT = Date.parse('2026-03-04T05:06:07Z')
  const shown = (id: string, createdAt = AT) => ({
    id,
    model: 'octo/cake',
    input: { seed: 1 },
    created_at: new Date(createdAt).toISOString(),
  })
  const lost = async () => {
    throw refused(504)
  }

  /** The error of a creation whose response is lost, in an API with this list, and how many seconds it took. */
  async function errorWith(recent: Client['recent'] | undefined, options: Partial<StarterOptions> = {}) {
    const clock = new VirtualClock()
    const calls = { create: lost, ...(recent && { recent }) }
    const starter = starterWith(calls, { clock, date: () => AT, ...options })
    const start = clock.now()
    const error: unknown = await clock.run(starter.create({ seed: 1 }, 'hero')).catch((reason: unknown) => reason)
    assert.ok(error instanceof CreateError)
    assert.equal(error.mayRun, true)
    assert.ok(error.cause instanceof RefusalError)
    return { message: error.message, seconds: clock.now() - start }
  }

  const errorOf = (items: unknown[]) => errorWith(async () => ({ items, isComplete: true }))
  const ADVICE = / The prediction may have been started anyway, so the request was not retried\. /

  test('the prediction that a lost response may have started is named if it is the only one that matches', async () => {
    const { message } = await errorOf([shown('old', AT - 61_000), shown('xyz')])
    assert.match(
      message,
      /returned 504 .* Exactly one prediction in the list matches: xyz\. It may be the one that was started here\. The /,
    )
    assert.match(message, ADVICE)
    for (const items of [[shown('x'), shown('y')], []]) {
      assert.doesNotMatch((await errorOf(items)).message, /matches/)
    }
  })

  test('the list is read from the time of the create request on', async () => {
    const times: Date[] = []
    await errorWith(async (since) => {
      times.push(since)
      return { items: [], isComplete: true }
    })
    assert.deepEqual(times, [new Date(AT)])
  })

  test('a lost response is reported as such if the list fails or there is none', async () => {
    const failing = async () => {
      throw refused(500)
    }
    for (const recent of [failing, undefined]) {
      const { message } = await errorWith(recent)
      assert.match(message, ADVICE)
      assert.doesNotMatch(message, /matches/)
    }
  })

  test('the list is waited for ten seconds, or until the step ends', async () => {
    const hanging: Client['recent'] = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    assert.equal((await errorWith(hanging)).seconds, 10)
    const step = new AbortController()
    const aborting: typeof hanging = (...call) => {
      queueMicrotask(() => step.abort(new Error('The step was canceled.')))
      return hanging(...call)
    }
    assert.equal((await errorWith(aborting, { signal: step.signal })).seconds, 0)
  })

  test('no list is read after the step was canceled, or if nothing can have been started', async () => {
    const step = new AbortController()
    const recent = () => assert.fail('the list was read')
    const clock = new VirtualClock()
    const hanging = starterWith(
      {
        create: (_, signal) => {
          step.abort(new Error('The step was canceled.'))
          return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        },
        recent,
      },
      { clock, signal: step.signal },
    )
    await assert.rejects(clock.run(hanging.create({}, 'hero')), { name: 'CreateError', mayRun: true })
    const refusing = starterWith({
      create: async () => {
        throw refused(422)
      },
      recent,
    })
    await assert.rejects(refusing.create({}, 'hero'), { name: 'CreateError', mayRun: false })
  })
})

test('the post step knows what may still run, and whose creation is under way', async () => {
  await writeFile(stateFile, '')
  const during: Record<string, string>[] = []
  const starter = starterWith({
    async create() {
      during.push(await saved())
      return { prediction: { id: String(during.length - 1), status: 'starting' }, body: {} }
    },
  })
  for (const name of ['hero', 'logo', 'menu']) {
    await starter.create({}, name)
    assert.equal((await saved()).creating, '')
    if (name === 'logo') starter.ended('0')
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

test('no creation is under way in the pause before a retry, and after a refusal', async () => {
  await writeFile(stateFile, '')
  const clock = new VirtualClock()
  const states: (string | undefined)[] = []
  const pausing: Clock = {
    now: () => clock.now(),
    async sleep(seconds, signal) {
      states.push((await saved()).creating)
      await clock.sleep(seconds, signal)
    },
  }
  const statuses = [429, 422]
  const starter = starterWith(
    {
      async create() {
        states.push((await saved()).creating)
        throw refused(statuses.shift() ?? 500)
      },
    },
    { clock: pausing },
  )
  await printed(() => assert.rejects(clock.run(starter.create({}, 'hero')), { name: 'CreateError' }))
  assert.deepEqual(states, ['hero', '', 'hero'])
  assert.equal((await saved()).creating, '')
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

describe('a file of an input', () => {
  const URL_OF_FILE = 'https://127.0.0.1:1/v1/files/f'

  /** An input with a file of two megabytes: what the disk has of it is shorter. */
  async function inputWithFile() {
    const file = path.join(await testFolder('starter'), 'a.png')
    await writeFile(file, 'x')
    return { image: new LargeFile({ where: 'input.image', name: 'a.png', path: file, size: 2e6, type: 'image/png' }) }
  }

  test('a file is sent as the URL of its upload, and deleted in the end', async () => {
    const inputs: unknown[] = []
    const deleted: string[] = []
    const starter = starterWith({
      upload: async () => ({ id: 'f', url: URL_OF_FILE }),
      async create({ input }) {
        inputs.push(input)
        return { prediction: { id: 'abc', status: 'starting' }, body: {} }
      },
      async deleteUpload(id) {
        deleted.push(id)
      },
    })
    const input = await inputWithFile()
    await printed(() => starter.create(input, 'hero'))
    await starter.deleteUploads(NEVER)
    assert.deepEqual(inputs, [{ image: URL_OF_FILE }])
    assert.deepEqual(deleted, ['f'])
  })

  test('a file that can be neither uploaded nor embedded is reported, and no create request is sent', async () => {
    const clock = new VirtualClock()
    const starter = starterWith({ upload: async () => undefined }, { clock })
    const error: unknown = await clock.run(starter.create(await inputWithFile(), 'hero')).catch((reason) => reason)
    assert.ok(error instanceof CreateError)
    assert.match(error.message, /^input\.image: The file a\.png .* cannot be embedded .* use its URL\.$/)
    assert.equal(error.mayRun, false)
    assert.ok(error.cause instanceof ModelInputError)
  })

  test('a step that is canceled during an upload ends with the reason of its signal', async () => {
    const step = new AbortController()
    const reason = new Error('The step was canceled.')
    const starter = starterWith(
      {
        upload: async (_, signal) => {
          step.abort(reason)
          throw signal.reason
        },
      },
      { signal: step.signal },
    )
    await assert.rejects(starter.create(await inputWithFile(), 'hero'), (error) => error === reason)
  })
})
