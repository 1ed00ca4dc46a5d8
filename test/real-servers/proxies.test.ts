/** What failed behind a real proxy or balancer once, on dist. Skipped where squid or haproxy is not installed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startReleasesApi } from '../servers/releases-api.ts'
import { startSimulator } from '../servers/simulator.ts'
import { certificateAuthority } from '../support/certificate.ts'
import { runAction, startAction } from '../support/run-action.ts'
import { missing, startHaproxy, startSquid } from './programs.ts'

describe('behind squid, which wants a user and a password', {
  skip: missing('squid', 'openssl'),
  concurrency: 2,
}, () => {
  /** An https API with a file, at a name that only squid knows. */
  async function start(password = 'p@ss/word') {
    const authority = await certificateAuthority('gateway.test')
    const simulator = await startSimulator({ tls: authority.certificate, http2: true })
    const squid = await startSquid('octo', 'p@ss/word')
    const origin = `https://gateway.test:${new URL(simulator.origin).port}`
    const output = [simulator.file('a.txt', { body: Buffer.from('a cake') }).replace(simulator.origin, origin)]
    const url = `http://octo:${encodeURIComponent(password)}@${squid.host}`
    const dispose = async () => {
      for (const each of [squid, simulator, authority]) await each[Symbol.asyncDispose]()
    }
    return {
      simulator,
      squid,
      authority,
      inputs: {
        'prediction-id': simulator.ended({ output }),
        'api-key': simulator.key,
        'api-url': `${origin}/replicate/v1`,
        'output-dir': 'out',
        timeout: '2m',
      },
      env: { https_proxy: url, ...authority.env },
      [Symbol.asyncDispose]: dispose,
    }
  }

  test('an https API and its files are requested through a tunnel of squid', async () => {
    await using stage = await start()
    await using run = await runAction({ from: 'dist', inputs: stage.inputs, env: stage.env })
    assert.equal(run.exitCode, 0, run.log)
    assert.match(run.outputs.files ?? '', /a?\.txt$/)
    assert.ok(!run.log.includes('p@ss/word') && !run.log.includes('p%40ss'))
  })

  test('a prediction is created, and files are attached to a release, through a tunnel of squid', async () => {
    await using stage = await start()
    await using releases = await startReleasesApi({ tls: stage.authority.certificate })
    releases.add('v1')
    const github = `https://gateway.test:${new URL(releases.env.GITHUB_API_URL ?? '').port}`
    releases.uploadOrigin = github
    const { 'prediction-id': _, 'output-dir': __, timeout: ___, ...create } = stage.inputs
    await using made = await runAction({
      from: 'dist',
      action: 'create',
      inputs: { ...create, model: 'owner/painter', input: 'prompt: a cake' },
      env: stage.env,
    })
    assert.equal(made.exitCode, 0, made.log)
    await using run = await runAction({
      from: 'dist',
      inputs: { ...stage.inputs, 'release-tag': 'v1', 'github-token': releases.token },
      env: { ...stage.env, GITHUB_API_URL: github },
    })
    assert.equal(run.exitCode, 0, run.log)
  })

  test('a wrong password for squid fails the step at once, and the error names what to change', async () => {
    await using stage = await start('wrong')
    const began = performance.now()
    await using run = await runAction({ from: 'dist', inputs: stage.inputs, env: stage.env })
    assert.equal(run.exitCode, 1)
    assert.ok(performance.now() - began < 20_000)
    assert.match(run.errors.join('\n'), /https_proxy/i)
    assert.match(run.errors.join('\n'), /password/)
  })

  test('a wrong password for squid starts nothing, and the error does not say that a prediction may run', async () => {
    await using stage = await start('wrong')
    const { 'api-key': key, 'api-url': url } = stage.inputs
    await using run = await runAction({
      from: 'dist',
      action: 'create',
      inputs: { 'api-key': key, 'api-url': url, model: 'owner/painter', input: 'prompt: a cake' },
      env: stage.env,
    })
    assert.equal(run.exitCode, 1)
    assert.match(run.errors.join('\n'), /https_proxy/i)
    assert.doesNotMatch(run.log, /may have been started|retrying/)
    assert.deepEqual(stage.simulator.requests, [])
  })

  test('a wait continues after a restart of squid', async () => {
    await using stage = await start()
    const moments = [
      { at: 0, status: 'processing' },
      { at: 5, status: 'succeeded', output: 'x' },
    ]
    const id = stage.simulator.add({ moments, startsWhenSeen: true })
    const inputs = { ...stage.inputs, 'prediction-id': id }
    const started = await startAction({ from: 'dist', inputs, env: stage.env })
    await started.until('processing')
    await stage.squid.restart()
    await using run = await started.result
    assert.equal(run.exitCode, 0, run.log)
  })

  test('a canceled step cancels its prediction through squid', async () => {
    await using stage = await start()
    const id = stage.simulator.add({ moments: [{ at: 0, status: 'processing' }] })
    const inputs = { ...stage.inputs, 'prediction-id': id }
    const started = await startAction({ from: 'dist', inputs, env: stage.env })
    await started.until('processing')
    started.child.kill('SIGINT')
    await using main = await started.result
    await using post = await runAction({ from: 'dist', step: 'post', inputs, env: stage.env, state: main.state })
    assert.equal(stage.simulator.statusOf(id), 'canceled', post.log)
  })

  test('https goes directly if only http_proxy is set', async () => {
    await using stage = await start()
    const { https_proxy, ...env } = stage.env
    const direct = stage.simulator.apiUrl
    await using run = await runAction({
      from: 'dist',
      inputs: { ...stage.inputs, 'prediction-id': stage.simulator.ended({ output: 'x' }), 'api-url': direct },
      env: { ...env, http_proxy: https_proxy.replace('octo', 'nobody') },
    })
    assert.equal(run.exitCode, 0, run.log)
  })
})

describe('behind haproxy', { skip: missing('haproxy') }, () => {
  test('idle connections that haproxy closes and its rate limit do not end a wait', async () => {
    await using simulator = await startSimulator()
    const rules = `  stick-table type ip size 1k expire 10s store http_req_rate(10s)
  http-request track-sc0 src
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 12 }`
    await using haproxy = await startHaproxy(rules, new URL(simulator.origin).host)
    const id = simulator.add({
      moments: [
        { at: 0, status: 'processing' },
        { at: 15, status: 'succeeded', output: 'x' },
      ],
      startsWhenSeen: true,
    })
    await using run = await runAction({
      from: 'dist',
      inputs: {
        'prediction-id': id,
        'api-key': simulator.key,
        'api-url': `${haproxy.http}/replicate/v1`,
        timeout: '2m',
      },
    })
    assert.equal(run.exitCode, 0, run.log)
  })

  test('an upstream of haproxy that hangs or closes its connections does not end a wait', async () => {
    await using simulator = await startSimulator()
    await using haproxy = await startHaproxy('', new URL(simulator.origin).host)
    const id = simulator.add({
      moments: [
        { at: 0, status: 'processing' },
        { at: 5, status: 'succeeded', output: 'x' },
      ],
      startsWhenSeen: true,
      stream: 'none',
    })
    simulator.trick(id, 'pass', 'hang', 'reset', 'reset')
    await using run = await runAction({
      from: 'dist',
      inputs: {
        'prediction-id': id,
        'api-key': simulator.key,
        'api-url': `${haproxy.http}/replicate/v1`,
        timeout: '2m',
      },
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.match(run.log, /returned 504 Gateway Timeout: a web page/)
    assert.match(run.log, /the connection was closed/)
  })
})
