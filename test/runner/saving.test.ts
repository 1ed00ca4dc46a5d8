import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { predictions } from '../../src/predictions/apis/predictions.ts'
import { type Clock, systemClock } from '../../src/predictions/clock.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { readContext } from '../../src/runner/context.ts'
import { HEARTBEAT } from '../../src/runner/heartbeat.ts'
import { identitiesOf } from '../../src/runner/identities.ts'
import { noRequests } from '../../src/runner/requests.ts'
import { StepSaving } from '../../src/runner/saving.ts'
import { eventually } from '../support/eventually.ts'
import { listen } from '../support/listen.ts'
import { printed } from '../support/printed.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** A step that has begun to save the one file of a prediction, from a server that never answers. */
async function stalledSaving(clock: Clock) {
  let tell = () => {}
  const requested = new Promise<void>((resolve) => {
    tell = resolve
  })
  const server = await listen(() => tell())
  const folder = await temporaryFolder()
  const interrupt = new AbortController()
  const inputs = {
    api: predictions,
    apiUrl: `${server.origin}/v1`,
    apiKey: 'key-0123456789',
    policy: { apiUrl: `${server.origin}/v1`, allowedHosts: [] },
    timeout: { seconds: 60, text: '1m' },
    download: {
      directory: folder.path,
      fileName: '{id}-{index}',
      maxFileSize: 1e6,
      maxTotalSize: 1e6,
      overwrite: true,
      ifNoFilesFound: 'error' as const,
    },
  }
  const runner = { ...readContext({}), workspace: folder.path }
  const around = { clock, signal: interrupt.signal, runner, requests: noRequests() }
  const saving = new StepSaving(inputs as never, identitiesOf(['a']), around)
  const prediction = Prediction.parse({ id: 'a', status: 'succeeded', output: `${server.origin}/cake.png` })
  const answer = { prediction, body: {} }
  saving.settled({ id: 'a', end: 'ended', status: 'succeeded', answer, error: undefined, waited: 1 })
  return {
    requested,
    finished: saving.finish(),
    interrupt,
    async [Symbol.asyncDispose]() {
      saving[Symbol.dispose]()
      await folder[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

test('files that an interrupted step abandons are one failure, and all of them are reported', async () => {
  await using step = await stalledSaving(systemClock)
  await Promise.race([step.requested, step.finished])
  step.interrupt.abort(new Error('The runner ends this step.'))
  const { files, failures, incomplete } = await step.finished
  assert.deepEqual(files, [])
  assert.deepEqual(failures, [{ title: 'Files not saved', message: 'The runner ends this step.' }])
  assert.deepEqual([...incomplete], ['a'])
})

test('a heartbeat reports a file that is still not saved, and ends with the saving', async () => {
  const beats: (() => void)[] = []
  let isOver = false
  const clock: Clock = {
    now: systemClock.now,
    sleep: (seconds, signal) => {
      if (seconds !== HEARTBEAT) return systemClock.sleep(seconds, signal)
      signal?.addEventListener('abort', () => {
        isOver = true
      })
      return new Promise((resolve) => beats.push(resolve))
    },
  }
  await using step = await stalledSaving(clock)
  await Promise.race([step.requested, step.finished])
  assert.equal(beats.length, 1)
  const text = await printed(async () => {
    beats[0]?.()
    await eventually('the next heartbeat', () => beats.length === 2)
  })
  assert.match(text, /^fetching 1 file, 0 saved · File 0 \(127\.0\.0\.1\/…\/cake\.png\): 0 B\n$/)
  assert.equal(isOver, false)
  step.interrupt.abort(new Error('The runner ends this step.'))
  await step.finished
  assert.equal(isOver, true)
})

/** Saves what predictions have, in the texts of their outputs. @returns the result, and what is printed */
async function savedFrom(bodies: readonly object[], ifNoFilesFound = 'error') {
  await using folder = await temporaryFolder()
  await writeFile(folder.file('same.txt'), 'a bun')
  const inputs = {
    ...{ api: predictions, apiUrl: 'http://127.0.0.1:1/v1', apiKey: 'key-0123456789' },
    policy: { apiUrl: 'http://127.0.0.1:1/v1', allowedHosts: [] },
    timeout: { seconds: 60, text: '1m' },
    download: {
      ...{ directory: folder.path, fileName: 'same', maxFileSize: 100, maxTotalSize: 1e6 },
      ...{ overwrite: false, ifNoFilesFound },
    },
  }
  const runner = { ...readContext({}), workspace: folder.path }
  const around = { clock: systemClock, signal: new AbortController().signal, runner, requests: noRequests() }
  let result: Awaited<ReturnType<StepSaving['finish']>> | undefined
  const text = await printed(async () => {
    using saving = new StepSaving(inputs as never, identitiesOf(bodies.map((_, i) => `p${i}`)), around)
    for (const [i, body] of bodies.entries()) {
      const prediction = Prediction.parse({ id: `p${i}`, status: 'succeeded', ...body })
      const answer = { prediction, body: {} }
      const { status } = prediction
      saving.settled({ id: `p${i}`, end: 'ended', status, answer, error: undefined, waited: 1 })
    }
    result = await saving.finish()
  })
  assert.ok(result)
  const { files, failures, incomplete } = result
  return { names: files.map(({ name }) => name), failures, incomplete: [...incomplete], text }
}

test('texts are saved under names that are free, each with a line', async () => {
  const { names, failures, incomplete, text } = await savedFrom([{ output: 'a cake' }, { output: 'a pie' }])
  assert.deepEqual(names, ['same-1.txt', 'same-2.txt'], text)
  assert.deepEqual([failures, incomplete], [[], []])
  assert.equal(text.match(/^saved .* · text\/plain · \d B$/gm)?.length, 2)
})

test('a file that is too large is a failure of its prediction', async () => {
  const { failures, incomplete } = await savedFrom([{ output: 'x'.repeat(101) }, { output: 'a pie' }])
  assert.deepEqual(
    failures.map(({ title }) => title),
    ['File not saved'],
  )
  assert.deepEqual(incomplete, ['p0'])
})

test('a prediction that succeeded without an output is a failure, a warning or nothing, as if-no-files-found says', async () => {
  const message = 'No files were found to save: the output is empty.'
  const failed = await savedFrom([{ output: null }])
  assert.deepEqual([failed.failures, failed.text], [[{ title: 'No files found', message }], ''])
  const warned = await savedFrom([{ output: null }], 'warn')
  assert.deepEqual([warned.failures, warned.text], [[], `::warning::${message}\n`])
  const ignored = await savedFrom([{ output: null }], 'ignore')
  assert.deepEqual([ignored.failures, ignored.text], [[], ''])
  assert.deepEqual((await savedFrom([{ output: null }, { output: 'x' }])).failures, [])
  assert.deepEqual((await savedFrom([{ status: 'failed' }])).failures, [])
  assert.deepEqual((await savedFrom([])).failures, [])
})

test('files that the API has deleted are a failure that names the prediction', async () => {
  const { failures } = await savedFrom([{ output: null, data_removed: true }])
  assert.deepEqual(
    failures.map(({ title }) => title),
    ['Files expired'],
  )
  assert.match(
    failures[0]?.message ?? '',
    /^The files of prediction p0 have expired: the API deletes them .* start a new prediction\.$/,
  )
})
