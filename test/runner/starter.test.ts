import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from '../../src/predictions/client.ts'
import { readContext } from '../../src/runner/context.ts'
import { Starter } from '../../src/runner/starter.ts'
import { printed } from '../support/printed.ts'
import { KEY, type Reaction, type ScriptedRequest, scriptedDispatcher, VirtualClock } from '../support/virtual-time.ts'

const CREATED: Reaction = { status: 201, body: '{"id":"abc","status":"starting"}' }
const UNREACHED: Reaction = { code: 'ENOTFOUND' }

/** A starter with a timeout of an hour. */
function starterOf(clock: VirtualClock, react: (request: ScriptedRequest, index: number) => Reaction) {
  const { dispatcher, requests } = scriptedDispatcher(clock, react)
  const client = createClient({ apiUrl: 'https://127.0.0.1:1/v1', apiKey: KEY, dispatcher, clock })
  const inputs = { target: { model: 'octo/cake' }, cancelAfter: undefined }
  const { signal } = new AbortController()
  return { starter: new Starter(inputs, { client, clock, runner: readContext({}), signal, patience: 3600 }), requests }
}

test('a host that is never reached is tried for five minutes by all inputs together', async () => {
  const clock = new VirtualClock()
  const { starter } = starterOf(clock, () => UNREACHED)
  const start = clock.now()
  await printed(async () => {
    for (const name of ['hero', 'logo', 'icon']) {
      await assert.rejects(clock.run(starter.create({}, name)), { name: 'CreateError', mayRun: false })
    }
  })
  assert.ok(clock.now() - start <= 301, `${clock.now() - start} s`)
})

test('a host that was reached before is tried again until the timeout', async () => {
  const clock = new VirtualClock()
  const { starter } = starterOf(clock, (_, i) => (i === 0 || clock.now() > 2500 ? CREATED : UNREACHED))
  await printed(async () => {
    for (const name of ['hero', 'logo']) await clock.run(starter.create({}, name))
  })
  assert.ok(clock.now() > 2500)
})
