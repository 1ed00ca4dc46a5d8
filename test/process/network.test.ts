import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { generate } from 'selfsigned'
import { cake } from '../fixtures/pictures.ts'
import { startProxy } from '../servers/proxy.ts'
import { startResultsService } from '../servers/results-service.ts'
import { startSimulator } from '../servers/simulator.ts'
import { type RunResult, runAction } from '../support/run-action.ts'

const errors = (run: RunResult) =>
  run.annotations.filter(({ level }) => level === 'error').map(({ message }) => message)

describe('a proxy', { concurrency: 4 }, () => {
  test('carries requests to the API and to the hosts of files', async () => {
    await using simulator = await startSimulator()
    const { host } = new URL(simulator.origin)
    await using proxy = await startProxy({ 'gateway.test:80': host, 'cdn.test:80': host })
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

  test('is not asked for loopback, nor for what no_proxy names', async () => {
    await using simulator = await startSimulator()
    await using proxy = await startProxy()
    const id = simulator.ended({ output: 'x' })
    const inputs = { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl }
    await using loopback = await runAction({ inputs, env: { http_proxy: proxy.url, HTTPS_PROXY: proxy.url } })
    assert.equal(loopback.exitCode, 0, loopback.log)
    await using named = await runAction({
      inputs: { ...inputs, 'api-url': 'http://gateway.invalid/v1', timeout: '2s' },
      env: { http_proxy: proxy.url, no_proxy: 'other.test,.invalid' },
    })
    assert.equal(named.exitCode, 1)
    assert.deepEqual(proxy.passed, [])
  })

  test('that is there does not disturb artifacts on loopback', async () => {
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

  test('that is away is survived for a while, then named', async () => {
    await using run = await runAction({
      inputs: {
        'prediction-id': 'abc',
        'api-key': 'sk-secret-0123456789',
        'api-url': 'http://gateway.test/v1',
        timeout: '2s',
      },
      env: { http_proxy: 'http://127.0.0.1:1' },
    })
    assert.match(errors(run)[0] ?? '', /ECONNREFUSED/)
  })
})

describe('a gateway with a certificate of its own', () => {
  let folder: string
  let certificate: string
  let key: string
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tls-'))
    const name = [
      { name: 'organizationName', value: 'Private Gateway' },
      { name: 'commonName', value: 'gateway' },
    ]
    const made = await generate(name, {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    })
    key = made.private
    certificate = path.join(folder, 'cert.pem')
    await writeFile(certificate, made.cert)
  })
  after(() => rm(folder, { recursive: true }))

  async function ask(env: Record<string, string>, create: typeof createServer = createServer) {
    const asked: string[] = []
    const server = create({ key, cert: await readFile(certificate) }, (request, response) => {
      asked.push(request.httpVersion)
      response.end('{"id":"abc","status":"succeeded","output":"x"}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const run = await runAction({
      inputs: {
        'prediction-id': 'abc',
        'api-key': 'sk-secret-0123456789',
        'api-url': `https://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
      },
      env,
    })
    server.close()
    return { run, asked }
  }

  test('is refused at once, with the certificate named and the way to trust it', async () => {
    const { run, asked } = await ask({})
    assert.equal(run.exitCode, 1)
    assert.match(
      errors(run)[0] ?? '',
      /self.signed certificate.*Its certificate is for "Private Gateway, gateway", issued by "Private Gateway, gateway", valid until .*NODE_EXTRA_CA_CERTS/,
    )
    assert.deepEqual(asked, [])
  })

  test('is trusted with NODE_EXTRA_CA_CERTS', async () => {
    const { run, asked } = await ask({ NODE_EXTRA_CA_CERTS: certificate })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(asked, ['1.1'])
  })

  test('is asked by HTTP/2 where it speaks that', async () => {
    const { run, asked } = await ask({ NODE_EXTRA_CA_CERTS: certificate }, createSecureServer as never)
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(asked, ['2.0'])
  })
})
