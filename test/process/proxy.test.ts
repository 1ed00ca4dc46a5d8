import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { cake } from '../fixtures/pictures.ts'
import { type Proxy as ProxyDouble, startProxy } from '../servers/proxy.ts'
import { startReleasesApi } from '../servers/releases-api.ts'
import { startResultsService } from '../servers/results-service.ts'
import { type Simulator, startSimulator } from '../servers/simulator.ts'
import { type Authority, certificateAuthority } from '../support/certificate.ts'
import { listen } from '../support/listen.ts'
import { runAction } from '../support/run-action.ts'

const hostOf = ({ origin }: { origin: string }) => new URL(origin).host
const RUNNING = { moments: [{ at: 0, status: 'processing' }] }

describe('a proxy', { concurrency: 4 }, () => {
  test('a proxy carries requests to the API and to file hosts', async () => {
    await using simulator = await startSimulator()
    await using proxy = await startProxy({ 'gateway.test:80': hostOf(simulator), 'cdn.test:80': hostOf(simulator) })
    const id = simulator.ended({ output: ['http://cdn.test/files/a.png'] })
    simulator.file('a.png', { body: await cake('png') })
    await using run = await runAction({
      inputs: {
        'prediction-id': id,
        'api-key': simulator.key,
        'api-url': 'http://gateway.test/replicate/v1',
        'output-dir': 'out',
        'allowed-hosts': 'cdn.test',
      },
      env: { http_proxy: proxy.url, https_proxy: proxy.url },
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(proxy.passed, [
      `GET http://gateway.test/replicate/v1/predictions/${id}`,
      'GET http://cdn.test/files/a.png',
    ])
    assert.equal(simulator.requests[1]?.headers.authorization, undefined)
  })

  test('a proxy is not used for loopback hosts or hosts in no_proxy', async () => {
    await using simulator = await startSimulator()
    await using proxy = await startProxy()
    const id = simulator.ended({ output: 'x' })
    const inputs = { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl }
    await using loopback = await runAction({ inputs, env: { http_proxy: proxy.url, HTTPS_PROXY: proxy.url } })
    assert.equal(loopback.exitCode, 0, loopback.log)
    for (const [url, noProxy] of [
      ['http://gateway.invalid/v1', 'other.test,.invalid'],
      ['http://127.9.9.9:9/v1', '127.0.0.0/8'],
    ] as const) {
      await using named = await runAction({
        inputs: { ...inputs, 'api-url': url, timeout: '2s' },
        env: { http_proxy: proxy.url, no_proxy: noProxy },
      })
      assert.equal(named.exitCode, 1)
    }
    assert.deepEqual(proxy.passed, [])
  })

  test('http_proxy is not used for https requests', async () => {
    await using authority = await certificateAuthority()
    await using simulator = await startSimulator({ tls: authority.certificate })
    await using proxy = await startProxy()
    const id = simulator.ended({ output: 'x' })
    await using run = await runAction({
      // A host that no_proxy does not exempt by itself, with a certificate for another one: it is reached directly.
      inputs: {
        'prediction-id': id,
        'api-key': simulator.key,
        'api-url': `${simulator.origin.replace('127.0.0.1', '127.0.0.2')}/replicate/v1`,
        timeout: '2s',
      },
      env: { http_proxy: proxy.url, ...authority.env },
    })
    assert.match(run.errors[0] ?? '', /ECONNREFUSED/)
    assert.deepEqual([proxy.passed, proxy.refused], [[], []])
  })

  test('a proxy does not affect artifact uploads to a loopback host', async () => {
    await using simulator = await startSimulator()
    await using proxy = await startProxy()
    await using service = await startResultsService()
    const id = simulator.ended({ output: [simulator.file('a.png', { body: await cake('png') })] })
    await using run = await runAction({
      inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl, 'upload-artifact': 'true' },
      env: { ...service.env, http_proxy: proxy.url, https_proxy: proxy.url, no_proxy: '127.0.0.1' },
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(service.artifacts.length, 1)
  })

  test('an unreachable proxy is reported with the name of its variable, and without its password', async () => {
    await using run = await runAction({
      inputs: {
        'prediction-id': 'abc',
        'api-key': 'sk-secret-0123456789',
        'api-url': 'https://gateway.test/v1',
        timeout: '2s',
      },
      env: { https_proxy: 'http://user:hidden@127.0.0.1:1' },
    })
    assert.match(run.errors[0] ?? '', /the proxy of https_proxy cannot be used: .*ECONNREFUSED/)
    assert.ok(!run.log.includes('hidden'))
  })

  test('a creation is retried if the proxy closes or refuses the tunnel, because nothing was sent', async () => {
    await using authority = await certificateAuthority('gateway.test')
    await using simulator = await startSimulator({ tls: authority.certificate })
    let tunnels = 0
    const proxy = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        tunnels++
        if (tunnels === 1) return void socket.destroy()
        if (tunnels === 2) return void socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n')
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        const upstream = connect(Number(new URL(simulator.origin).port), '127.0.0.1')
        upstream.on('error', () => socket.destroy())
        socket.pipe(upstream).pipe(socket)
      })
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    await using run = await runAction({
      action: 'create',
      inputs: {
        'api-key': simulator.key,
        'api-url': 'https://gateway.test/replicate/v1',
        model: 'owner/painter',
        input: 'prompt: x',
      },
      env: { https_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, ...authority.env },
    })
    proxy.close()
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(tunnels, 3)
    assert.equal(simulator.requests.length, 1)
    assert.match(run.log, /the proxy of https_proxy returned 503/)
  })
})

for (const http2 of [false, true]) {
  describe(`a proxy with a password, before servers that speak HTTP/${http2 ? 2 : 1.1} over TLS`, {
    concurrency: 3,
  }, () => {
    const CREDENTIALS = 'user:p@ss/word'
    let authority: Authority
    let simulator: Simulator
    before(async () => {
      authority = await certificateAuthority('gateway.test', 'cdn.test', 'api.github.test', 'results.test')
      simulator = await startSimulator({ tls: authority.certificate, http2, key: 'sk-proxied-0123456789abcdef' })
    })
    after(async () => {
      await simulator.close()
      await authority[Symbol.asyncDispose]()
    })

    const start = (more: Record<string, string> = {}) =>
      startProxy(
        { 'gateway.test:443': hostOf(simulator), 'cdn.test:443': hostOf(simulator), ...more },
        { credentials: CREDENTIALS },
      )
    const env = (proxy: ProxyDouble) => ({
      https_proxy: proxy.url.replace('//', '//user:p%40ss%2Fword@'),
      ...authority.env,
    })
    const inputs = (id: string, more: Record<string, string> = {}) => ({
      'prediction-id': id,
      'api-key': simulator.key,
      'api-url': 'https://gateway.test/replicate/v1',
      ...more,
    })
    const ended = async (name: string) => {
      simulator.file(name, { body: await cake('png') })
      return simulator.ended({ output: [`https://cdn.test/files/${name}`] })
    }

    test(`a wait, its stream and its files go through a proxy with a password (HTTP/${http2 ? 2 : 1.1})`, async () => {
      await using proxy = await start()
      const name = `wait-${http2}.png`
      simulator.file(name, { body: await cake('png') })
      const id = `streamed${http2 ? 2 : 1}`
      simulator.add({
        id,
        moments: [
          { at: 0, status: 'processing' },
          { at: 3, status: 'succeeded', output: [`https://cdn.test/files/${name}`] },
        ],
        body: { urls: { stream: `https://gateway.test/stream/${id}` } },
        startsWhenSeen: true,
      })
      await using run = await runAction({
        inputs: inputs(id, { 'output-dir': 'out', 'allowed-hosts': 'cdn.test' }),
        env: env(proxy),
      })
      assert.equal(run.exitCode, 0, run.log)
      assert.deepEqual([...new Set(proxy.passed)].toSorted(), ['CONNECT cdn.test:443', 'CONNECT gateway.test:443'])
      assert.deepEqual(proxy.refused, [])
      const mine = simulator.requests.filter(({ url }) => url.includes(id) || url.includes(name))
      for (const { url, httpVersion } of mine)
        assert.equal(httpVersion, http2 && !url.includes(name) ? '2.0' : '1.1', url)
      assert.ok(mine.some(({ url }) => url.startsWith('/stream/')))
      assert.ok(mine.every(({ headers }) => headers['proxy-authorization'] === undefined))
      assert.ok(!run.log.includes('p@ss') && !run.log.includes('p%40ss'))
    })

    test(`a creation goes through a proxy with a password (HTTP/${http2 ? 2 : 1.1})`, async () => {
      await using proxy = await start()
      const { 'prediction-id': _, ...rest } = inputs('', { model: 'owner/painter', input: 'prompt: x' })
      await using run = await runAction({ action: 'create', inputs: rest, env: env(proxy) })
      assert.equal(run.exitCode, 0, run.log)
      assert.ok(run.outputs.prediction_id)
      assert.deepEqual(proxy.passed, ['CONNECT gateway.test:443'])
    })

    test(`a cancellation in the post step goes through a proxy with a password (HTTP/${http2 ? 2 : 1.1})`, async () => {
      await using proxy = await start()
      const id = simulator.add(RUNNING)
      await using run = await runAction({ step: 'post', inputs: inputs(id), state: { open: id }, env: env(proxy) })
      assert.equal(run.exitCode, 0, run.log)
      assert.equal(simulator.statusOf(id), 'canceled')
      assert.deepEqual([...new Set(proxy.passed)], ['CONNECT gateway.test:443'])
    })

    test(`files are attached to a release through a proxy with a password (HTTP/${http2 ? 2 : 1.1})`, async () => {
      await using releases = await startReleasesApi({ tls: authority.certificate })
      await using proxy = await start({ 'api.github.test:443': new URL(releases.env.GITHUB_API_URL ?? '').host })
      releases.uploadOrigin = 'https://api.github.test'
      const release = releases.add('v1')
      await using run = await runAction({
        inputs: inputs(await ended(`release-${http2}.png`), {
          'release-tag': 'v1',
          'github-token': releases.token,
          'allowed-hosts': 'cdn.test',
        }),
        env: { ...env(proxy), GITHUB_API_URL: 'https://api.github.test' },
      })
      assert.equal(run.exitCode, 0, run.log)
      assert.equal(release.assets.length, 1)
      assert.ok(proxy.passed.includes('CONNECT api.github.test:443'))
    })

    test(`an artifact is uploaded through a proxy with a password (HTTP/${http2 ? 2 : 1.1})`, async () => {
      await using service = await startResultsService()
      const { port } = new URL(service.env.ACTIONS_RESULTS_URL ?? '')
      const front = createTlsServer(authority.certificate, (socket) => {
        const upstream = connect(Number(port), '127.0.0.1')
        socket.on('error', () => upstream.destroy())
        upstream.on('error', () => socket.destroy())
        socket.pipe(upstream).pipe(socket)
      }).listen(0, '127.0.0.1')
      await once(front, 'listening')
      await using proxy = await start({ 'results.test:443': `127.0.0.1:${(front.address() as AddressInfo).port}` })
      await using run = await runAction({
        inputs: inputs(await ended(`artifact-${http2}.png`), {
          'upload-artifact': 'true',
          'allowed-hosts': 'cdn.test',
        }),
        env: { ...service.env, ...env(proxy), ACTIONS_RESULTS_URL: 'https://results.test/', no_proxy: '127.0.0.1' },
      })
      front.close()
      assert.equal(run.exitCode, 0, run.log)
      assert.equal(service.artifacts.length, 1)
      assert.ok(proxy.passed.includes('CONNECT results.test:443'))
    })
  })
}

describe('a proxy that wants a password', { concurrency: 4 }, () => {
  const ways: [name: string, url: string, variable: string][] = [
    ['in absolute form', 'http://gateway.test/v1', 'http_proxy'],
    ['with CONNECT', 'https://gateway.test/v1', 'https_proxy'],
    ['with CONNECT, a variable in capitals', 'https://gateway.test/v1', 'HTTPS_PROXY'],
  ]
  const key = 'sk-secret-0123456789'
  for (const [name, url, variable] of ways) {
    test(`a proxy that requires a password ends a wait at once, and the error names the variable (${name})`, async () => {
      await using proxy = await startProxy({}, { credentials: 'user:right' })
      const inputs = { 'prediction-id': 'abc', 'api-key': key, 'api-url': url }
      await using missing = await runAction({ inputs, env: { [variable]: proxy.url } })
      assert.match(
        missing.errors[0] ?? '',
        new RegExp(`requires a user name and a password \\(407\\), but the environment variable ${variable} has none`),
      )
      const wrongUrl = proxy.url.replace('//', '//user:mistaken@')
      await using wrong = await runAction({ inputs, env: { [variable]: wrongUrl } })
      assert.match(
        wrong.errors[0] ?? '',
        new RegExp(`the proxy of ${variable} rejects the user name and password in it \\(407\\)`),
      )
      assert.equal(proxy.refused.length, 2)
      assert.ok(!wrong.log.includes('mistaken'))
    })

    test(`a proxy that requires a password ends a creation at once, and nothing was started (${name})`, async () => {
      await using proxy = await startProxy({}, { credentials: 'user:right' })
      const inputs = { 'api-key': key, 'api-url': url, model: 'owner/painter', input: 'prompt: x' }
      await using run = await runAction({ action: 'create', inputs, env: { [variable]: proxy.url } })
      assert.equal(run.exitCode, 1)
      assert.match(run.errors[0] ?? '', new RegExp(`environment variable ${variable} has none`))
      assert.doesNotMatch(run.log, /may have been started/)
      assert.equal(proxy.refused.length, 1)
    })
  }

  test('a proxy that requires an authentication scheme other than Basic is reported with its scheme', async () => {
    await using proxy = await listen((_, response) => {
      response.writeHead(407, { 'proxy-authenticate': ['Negotiate', 'NTLM'] }).end()
    })
    await using run = await runAction({
      inputs: { 'prediction-id': 'abc', 'api-key': key, 'api-url': 'http://gateway.test/v1' },
      env: { http_proxy: proxy.origin },
    })
    assert.match(run.errors[0] ?? '', /requires Negotiate or NTLM authentication \(407\)/)
  })
})

test('a proxy that is reached over TLS carries https and http requests', async () => {
  await using authority = await certificateAuthority('gateway.test')
  await using secure = await startSimulator({ tls: authority.certificate, http2: true })
  await using plain = await startSimulator()
  await using proxy = await startProxy(
    { 'gateway.test:443': hostOf(secure), 'gateway.test:80': hostOf(plain) },
    { credentials: 'user:right', tls: authority.certificate },
  )
  const setting = proxy.url.replace('//', '//user:right@')
  for (const [scheme, simulator] of [
    ['https', secure],
    ['http', plain],
  ] as const) {
    await using run = await runAction({
      inputs: {
        'prediction-id': simulator.ended({ output: 'x' }),
        'api-key': simulator.key,
        'api-url': `${scheme}://gateway.test/replicate/v1`,
      },
      env: { http_proxy: setting, https_proxy: setting, ...authority.env },
    })
    assert.equal(run.exitCode, 0, run.log)
  }
  assert.equal(proxy.passed.length, 2)
})
