import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { newId, type Simulator, startSimulator } from '../servers/simulator.ts'
import { type RunResult, runAction } from '../support/run-action.ts'

/** Runs the action on predictions of a simulator, with a timeout that no green case comes near. */
function wait(
  simulator: Simulator,
  ids: string,
  inputs: Record<string, string> = {},
  env?: Record<string, string | undefined>,
): Promise<RunResult> {
  return runAction({
    inputs: { 'prediction-id': ids, 'api-key': simulator.key, 'api-url': simulator.apiUrl, timeout: '50s', ...inputs },
    ...(env ? { env } : {}),
  })
}

const urlsAsked = (simulator: Simulator) => simulator.apiRequests().map(({ method, url }) => `${method} ${url}`)

const declaredOutputs = Object.keys(
  parse(await readFile(path.join(import.meta.dirname, '../../action.yml'), 'utf8')).outputs,
).sort()
/** What github.token stands for in these tests. */
const TOKEN = 'ghs_test0123456789'
const PICTURE = 'https://files.example.com/x/out-0.webp'

describe('a prediction that succeeds', { concurrency: 4 }, () => {
  test('a prediction that succeeds makes the step succeed, and sets every output', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({
      model: 'owner/painter',
      moments: [
        { at: 0, status: 'starting' },
        { at: 0.3, status: 'processing', logs: 'Using seed: 1\n' },
        { at: 0.8, status: 'succeeded', logs: 'done\n', output: [PICTURE] },
      ],
    })
    await using run = await wait(simulator, id)
    assert.equal(run.exitCode, 0, run.log)
    const { predict_time, total_time, result_file, predictions, results, ...rest } = run.outputs
    assert.deepEqual(rest, {
      status: 'succeeded',
      output: JSON.stringify([PICTURE]),
      output_urls: JSON.stringify([PICTURE]),
      output_url: PICTURE,
      output_text: '',
      error: '',
      files: '',
      artifact_id: '',
      artifact_url: '',
      artifact_digest: '',
      release_urls: '[]',
    })
    assert.equal(predict_time, '0.5')
    assert.equal(total_time, '0.8')
    assert.deepEqual(Object.values(JSON.parse(results ?? '')), JSON.parse(predictions ?? ''))
    assert.deepEqual(JSON.parse(predictions ?? ''), [
      {
        name: id,
        id,
        status: 'succeeded',
        model: 'owner/painter',
        version: 'hidden',
        error: null,
        predict_time: 0.5,
        output_urls: [PICTURE],
        files: [],
      },
    ])
    const result = JSON.parse(await readFile(result_file ?? '', 'utf8'))
    assert.equal(result.predictions[0].body.logs, 'Using seed: 1\ndone\n')
    assert.deepEqual(run.errors, [])
    assert.deepEqual(run.masks, [simulator.key, TOKEN])
    assert.ok(run.lines.some((line) => line === '│ Using seed: 1'))
    assert.match(run.summary, /✅ Prediction succeeded/)
    assert.deepEqual(new Set(urlsAsked(simulator)), new Set([`GET /replicate/v1/predictions/${id}`]))
    assert.ok(simulator.apiRequests().every(({ headers }) => headers.authorization === `Bearer ${simulator.key}`))
  })

  test('a prediction that has already ended is polled once', async () => {
    await using simulator = await startSimulator()
    await using run = await wait(simulator, simulator.ended({ output: 'a text' }))
    assert.equal(run.exitCode, 0)
    assert.equal(run.outputs.output_text, 'a text')
    assert.equal(simulator.requests.length, 1)
    assert.ok(run.lines.includes('1 request to the API.'), run.log)
  })

  test('the tokens of a text output are joined', async () => {
    await using simulator = await startSimulator()
    await using run = await wait(simulator, simulator.ended({ output: ['Hel', 'lo,', ' 世界\n'] }))
    assert.equal(run.outputs.output_text, 'Hello, 世界\n')
    assert.equal(run.outputs.output_urls, '[]')
  })

  test('a prediction whose output has been deleted succeeds with a warning', async () => {
    await using simulator = await startSimulator()
    await using run = await wait(
      simulator,
      simulator.ended({ output: null, data_removed: true, input: {}, logs: null }),
    )
    assert.equal(run.exitCode, 0)
    assert.equal(run.outputs.status, 'succeeded')
    assert.match(run.warnings.join(), /one hour after the end/)
    assert.match(run.summary, /Deleted by the API/)
  })

  test('a prediction with the status of another gateway succeeds with one warning', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({
      moments: [
        { at: 0, status: 'queued' },
        { at: 0.5, status: 'SUCCESS', output: 'x' },
      ],
    })
    await using run = await wait(simulator, id)
    assert.equal(run.exitCode, 0)
    assert.equal(run.outputs.status, 'succeeded')
    assert.equal(run.warnings.filter((text) => text.includes('"SUCCESS"')).length, 1)
  })

  test('a prediction with an unknown status is waited for, with one warning', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: 'x' })
    const paused = { body: JSON.stringify({ id, status: 'paused', output: ['partial'] }) }
    simulator.trick(id, paused, paused, paused)
    await using run = await wait(simulator, id)
    assert.equal(run.outputs.output_text, 'x')
    assert.equal(simulator.requests.length, 4)
    assert.equal(run.warnings.filter((text) => text.includes('"paused"')).length, 1)
  })

  test('a prediction with another ID than requested succeeds with a warning', async () => {
    await using simulator = await startSimulator()
    const id = newId()
    simulator.add({ id, moments: [], body: { id: 'another', status: 'succeeded', output: 'x' } })
    await using run = await wait(simulator, id)
    assert.equal(run.exitCode, 0)
    assert.match(run.warnings.join(), /"another"/)
  })
})

describe('a prediction that does not succeed', { concurrency: 4 }, () => {
  const ends: [string, Record<string, unknown>, RegExp][] = [
    [
      'failed',
      { error: '显存不足 (E1001)' },
      /failed: 显存不足 \(E1001\)\. This code means that the model ran out of memory\. Request less.*start a new one/,
    ],
    ['failed', { error: { detail: 'broken' } }, /failed: broken\./],
    ['failed', { error: null }, /the API gives no reason/],
    ['canceled', {}, /was canceled/],
    ['aborted', {}, /aborted before it started.*not charged/],
    ['ERROR', { error: 'bad' }, /failed: bad/],
    ['cancelled', { output: ['kept'] }, /was canceled/],
  ]
  for (const [status, body, message] of ends) {
    test(`a prediction with ${status} ${JSON.stringify(body)} fails the step with one annotation, and sets the outputs`, async () => {
      await using simulator = await startSimulator()
      await using run = await wait(simulator, simulator.ended({ status, ...body }))
      assert.equal(run.exitCode, 1)
      assert.equal(run.errors.length, 1)
      assert.match(run.errors[0] ?? '', message)
      const plain = { ERROR: 'failed', cancelled: 'canceled' }[status] ?? status
      assert.equal(run.outputs.status, plain)
      assert.ok((run.outputs.error ?? '') !== '')
      assert.match(run.summary, /What went wrong/)
      assert.equal(simulator.requests.length, 1)
    })
  }

  test('a prediction that does not end in time fails the step at the timeout, with the last status', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({ moments: [{ at: 0, status: 'processing' }] })
    await using run = await wait(simulator, id, { timeout: '2s' })
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.status, 'processing')
    assert.match(run.errors[0] ?? '', /still processing when the timeout of 2s was reached.*wait for it again/)
  })
})

describe('an answer that is no prediction', { concurrency: 4 }, () => {
  const answers: [string, string, string, RegExp][] = [
    ['a web page', '<!doctype html><title>Home</title>', 'text/html', /web page.*path of api-url/],
    ['the list', '{"next":null,"results":[]}', 'application/json', /the list of all predictions/],
    ['an array', '[]', 'application/json', /a JSON array/],
    ['other JSON', '{"created":1,"data":[]}', 'application/json', /keys: created, data/],
  ]
  for (const [name, body, type, message] of answers) {
    test(`a response that is not a prediction fails the step at once: ${name}`, async () => {
      await using simulator = await startSimulator()
      simulator.trick('*', { body, type })
      await using run = await wait(simulator, newId())
      assert.equal(run.exitCode, 1)
      assert.match(run.errors[0] ?? '', message)
      assert.match(run.errors[0] ?? '', /GET http:\/\/127\.0\.0\.1:\d+\/replicate\/v1\/predictions\//)
      assert.equal(simulator.requests.length, 1)
    })
  }

  test('a wrong path in api-url is reported as a web page instead of a prediction', async () => {
    await using simulator = await startSimulator()
    await using run = await wait(simulator, newId(), { 'api-url': `${simulator.origin}/v2` })
    assert.match(run.errors[0] ?? '', /web page/)
  })
})

describe('a refusal', { concurrency: 4 }, () => {
  for (const [status, words] of [
    [401, /check the secret passed as api-key/],
    [402, /top it up/],
    [403, /is not allowed to do that/],
    [422, /422/],
    [302, /Redirects are not followed/],
    [405, /does not support the call/],
  ] as const) {
    test(`a refusal with ${status} fails the step at once and says what to do`, async () => {
      await using simulator = await startSimulator()
      simulator.trick('*', {
        status,
        body: '{"error":{"message":"令牌 [sk-sim***def] 无效"}}',
        headers: { location: 'http://127.0.0.1:9/' },
      })
      await using run = await wait(simulator, newId())
      assert.equal(run.exitCode, 1)
      assert.match(run.errors[0] ?? '', words)
      assert.match(run.errors[0] ?? '', /令牌 \[\*\*\*\] 无效/)
      assert.equal(run.outputs.status, '')
      assert.equal(simulator.requests.length, 1)
    })
  }

  test('transient errors do not end the wait', async () => {
    await using simulator = await startSimulator()
    const id = simulator.add({
      moments: [
        { at: 0, status: 'processing' },
        { at: 1, status: 'succeeded', output: 'x' },
      ],
    })
    simulator.trick(
      id,
      { status: 404, body: '{"detail":"not yet"}' },
      'reset',
      { status: 429, headers: { 'retry-after': '1' } },
      { cutOff: '{"id":' },
      { status: 502, body: '<html>' },
    )
    await using run = await wait(simulator, id)
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(run.outputs.output_text, 'x')
  })

  test('an unknown ID fails the step after a grace period, with all three possible reasons', async () => {
    await using simulator = await startSimulator()
    await using run = await wait(simulator, newId())
    assert.equal(run.exitCode, 1)
    assert.match(run.errors[0] ?? '', /ID is wrong.*another account.*dropped/)
    assert.ok(simulator.requests.length > 2)
  })
})

describe('inputs', { concurrency: 4 }, () => {
  test('all invalid inputs are reported together, before any request', async () => {
    await using simulator = await startSimulator()
    await using run = await runAction({
      inputs: {
        'prediction-id': 'abc, https://api.replicate.com/v1/predictions/abc, ../x',
        'api-key': 'Bearer sk-secret-0123456789',
        'api-url': `${simulator.apiUrl}/predictions/abc`,
        timeout: 'soon',
        'poll-interval': '0',
        'parallel-jobs': '0',
        'stream-logs': 'maybe',
        summary: '1',
      },
    })
    assert.equal(run.exitCode, 1)
    assert.equal(run.errors.length, 1)
    const lines = (run.errors[0] ?? '').split('\n')
    assert.equal(lines.length, 9)
    for (const [i, words] of [
      /^8 inputs/,
      /^prediction-id: "https:.*only the part after/,
      /^api-key: starts with "Bearer "/,
      /^api-url: .*Use "http:\/\/127\.0\.0\.1:\d+\/replicate\/v1"/,
      /^timeout: "soon"/,
      /^poll-interval: "0"/,
      /^parallel-jobs: "0"/,
      /^stream-logs: "maybe"/,
      /^summary: "1"/,
    ].entries()) {
      assert.match(lines[i] ?? '', words)
    }
    assert.doesNotMatch(run.log.replace(/^::add-mask::.*$/gm, ''), /sk-secret/)
    assert.equal(simulator.requests.length, 0)
  })

  const urls: [string, RegExp][] = [
    ['https://example.com/v1?token=hush', /query/],
    ['https://user:hush@example.com/v1', /user name or a password/],
    ['ftp://example.com/v1', /does not start with https/],
    ['example.com/v1', /is not a URL/],
    ['https://example.com/v1/predictions', /Use "https:\/\/example\.com\/v1" instead/],
  ]
  for (const [url, words] of urls) {
    test(`an invalid api-url gets a message of its own: ${url}`, async () => {
      await using run = await runAction({
        inputs: { 'prediction-id': 'abc', 'api-key': 'sk-secret-0123456789', 'api-url': url },
      })
      assert.equal(run.exitCode, 1)
      assert.match(run.errors[0] ?? '', words)
      assert.doesNotMatch(run.log, /hush/)
    })
  }

  test('missing inputs are reported', async () => {
    await using run = await runAction({ inputs: { 'prediction-id': '', 'api-key': '' } })
    assert.match(run.errors[0] ?? '', /prediction-id: must not be empty[\s\S]*api-key: must not be empty/)
  })

  test('an API over plain http causes a warning', async () => {
    await using run = await runAction({
      inputs: {
        'prediction-id': 'abc',
        'api-key': 'sk-secret-0123456789',
        'api-url': 'http://gateway.invalid/v1',
        timeout: '1s',
      },
    })
    assert.match(run.warnings.join(), /plain http/)
  })

  test('logs and summary can be turned off', async () => {
    await using simulator = await startSimulator()
    await using run = await wait(simulator, simulator.ended({ output: 'x', logs: 'a line\n' }), {
      'stream-logs': 'false',
      summary: 'FALSE',
    })
    assert.equal(run.exitCode, 0)
    assert.doesNotMatch(run.log, /a line/)
    assert.equal(run.summary, '')
  })
})

describe('several predictions', { concurrency: 4 }, () => {
  test('a step waits for several predictions, merges duplicates, keeps their order and reports the worst status', async () => {
    await using simulator = await startSimulator()
    const a = simulator.ended({ output: [PICTURE], metrics: { predict_time: 1.5 } })
    const b = simulator.ended({ status: 'failed', error: 'broken', metrics: { predict_time: 2 } })
    const c = simulator.ended({ output: 'text', metrics: { predict_time: 0.25 } })
    await using run = await wait(simulator, `${a},${b}\n ${c} ${a}`)
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.status, 'failed')
    assert.equal(run.outputs.output, JSON.stringify([[PICTURE], null, 'text']))
    assert.equal(run.outputs.predict_time, '3.75')
    assert.equal(run.outputs.error, `${b}: broken`)
    assert.deepEqual(
      JSON.parse(run.outputs.predictions ?? '').map(({ id, status }: { id: string; status: string }) => [id, status]),
      [
        [a, 'succeeded'],
        [b, 'failed'],
        [c, 'succeeded'],
      ],
    )
    assert.equal(run.errors.length, 1)
    assert.equal(simulator.requests.length, 3)
    assert.match(run.summary, /2 of 3 predictions succeeded/)
  })

  test('twelve deleted outputs cause five warnings, the last of which counts the others', async () => {
    await using simulator = await startSimulator()
    const ids = Array.from({ length: 12 }, () => simulator.ended({ output: null, data_removed: true }))
    await using run = await wait(simulator, ids.join())
    assert.equal(run.exitCode, 0)
    assert.equal(run.warnings.length, 5)
    assert.match(run.warnings[4] ?? '', /^8 more warnings like this one/)
  })

  test('predictions with endless logs print at most a few megabytes in total', async () => {
    await using simulator = await startSimulator()
    const logs = `${'y'.repeat(99)}\n`.repeat(5000)
    const ids = Array.from({ length: 20 }, () => simulator.ended({ output: 'x', logs }))
    await using run = await wait(simulator, ids.join())
    assert.equal(run.exitCode, 0)
    assert.ok(run.log.length < 6_000_000, `${run.log.length} characters`)
    assert.equal(run.lines.filter((line) => line.includes('the rest of this log is not shown')).length, 20)
  })

  test('fifteen failed predictions cause ten annotations, the last of which counts the others', async () => {
    await using simulator = await startSimulator()
    const ids = Array.from({ length: 15 }, () => simulator.ended({ status: 'failed', error: 'broken' }))
    await using run = await wait(simulator, JSON.stringify(ids))
    assert.equal(run.errors.length, 10)
    assert.match(run.errors[9] ?? '', /^6 more/)
  })
})

describe('hostile text', { concurrency: 4 }, () => {
  const attack = [
    '::set-output name=status::forged',
    '  ::save-state name=open::forged',
    '##[add-path]/forged',
    'x ##[set-env name=FORGED]1',
    '\r::add-path::/forged',
    '\r\n::stop-commands::forged',
    '::error::forged',
    'ghadelimiter_x\nstatus=forged',
    '\u2028::set-env name=FORGED::1',
    '\u001b[2J::warning::forged',
    '`code` | <img src=x onerror=y> @somebody',
  ].join('\n')

  for (const status of ['succeeded', 'failed']) {
    test(`commands in the logs, error, model, status and output of a prediction that ${status} have no effect`, async () => {
      await using simulator = await startSimulator()
      const id = newId()
      simulator.add({
        id,
        moments: [
          { at: 0, status: `odd\n${attack}` },
          { at: 0.6, status },
        ],
        body: {
          logs: `${attack}\n${attack}`,
          error: attack,
          model: attack,
          version: attack,
          output: attack,
          created_at: attack,
        },
      })
      simulator.trick(
        id,
        { status: 503, body: JSON.stringify({ detail: attack }) },
        { status: 200, body: JSON.stringify({ id: attack, status: attack }) },
      )
      await using run = await wait(simulator, id)
      assert.equal(run.outputs.status, status)
      assert.equal(run.outputs.output_text, attack)
      assert.equal(run.outputs.error?.includes('forged'), status === 'failed')
      assert.doesNotMatch(run.outputs.error ?? '', /^\s*::|##\[|[\r\n]/)
      assert.deepEqual(Object.keys(run.outputs).sort(), declaredOutputs)
      assert.deepEqual(Object.keys(run.state), ['open'])
      assert.deepEqual([run.exported, run.paths, run.masks], [{}, [], [simulator.key, TOKEN]])
      assert.ok(run.annotations.every(({ message }) => message !== 'forged'))
      // In a preformatted block GitHub looks for no mention.
      assert.doesNotMatch(run.summary.replaceAll(/<pre>[\s\S]*?<\/pre>/g, ''), /(?<!\\)<img src=x|@somebody/)
    })
  }

  test('a response that contains the key never brings it into the log, an output or the summary', async () => {
    await using simulator = await startSimulator()
    const { key } = simulator
    const id = simulator.ended({
      status: 'failed',
      error: `key ${key}`,
      logs: `${key}\n`,
      output: { echo: key },
      model: key,
    })
    await using run = await wait(simulator, id)
    const everything = [
      run.log.replace(`::add-mask::${key}`, ''),
      run.summary,
      JSON.stringify(run.outputs),
      await readFile(run.outputs.result_file ?? '', 'utf8'),
    ].join('\n')
    assert.ok(!everything.includes(key))
  })
})
