import assert from 'node:assert/strict'
import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import { HostRefusal } from '../../../src/predictions/network/host-policy.ts'
import { causeOf } from '../../../src/predictions/network/network-errors.ts'
import { openUntrustedNetwork } from '../../../src/predictions/network/untrusted-network.ts'
import { type Certificate, certificateAuthority } from '../../support/certificate.ts'
import { listen } from '../../support/listen.ts'

test('a host that resolves to a private address is not requested through a proxy', async (t) => {
  const address = t.mock.fn(async () => [{ address: '10.0.0.1', family: 4 }])
  t.mock.method(dns, 'lookup', address)
  syncBuiltinESMExports()
  const network = openUntrustedNetwork(
    { apiUrl: 'https://api.test', allowedHosts: [] },
    { https_proxy: 'http://127.0.0.1:1' },
  )
  try {
    await assert.rejects(network.to(new URL('https://files.test/secret')), HostRefusal)
    address.mock.mockImplementation(async () => [{ address: '8.8.8.8', family: 4 }])
    await network.to(new URL('https://files.test/public'))
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
    await network.close()
  }
})

test('a host that no_proxy exempts is checked on the address that is connected to', async () => {
  await using server = await listen((_, response) => response.end('internal'))
  const env = { https_proxy: 'http://127.0.0.1:1', no_proxy: '*' }
  const network = openUntrustedNetwork({ apiUrl: 'https://api.test', allowedHosts: [] }, env)
  const url = new URL(`https://localhost:${server.port}/secret`)
  const connections = await network.to(url)
  const request = connections.request({ origin: url.origin, path: url.pathname, method: 'GET', headers: {} })
  const failure = await request.catch((error) => error)
  assert.ok(causeOf(failure, HostRefusal), String(failure.cause))
  await network.close()
})

test('a host name that resolves to a private address is refused behind a proxy too', async () => {
  const env = { https_proxy: 'http://127.0.0.1:1' }
  const resolve = async (name: string) => {
    if (name === 'unknown.test') throw new Error('not known here')
    return [{ address: name === 'internal.test' ? '10.0.0.7' : '93.184.215.14', family: 4 }]
  }
  const network = openUntrustedNetwork({ apiUrl: 'https://api.test', allowedHosts: [] }, env, { resolve })
  await assert.rejects(network.to(new URL('https://internal.test/secret')), HostRefusal)
  const ways = ['https://public.test/a', 'https://unknown.test/a', 'https://93.184.215.14/a'].map((url) =>
    network.to(new URL(url)),
  )
  assert.equal(new Set(await Promise.all(ways)).size, 1)
  await network.close()
})

test('a DNS lookup behind a proxy ends with its signal', async () => {
  const env = { https_proxy: 'http://127.0.0.1:1' }
  const stop = new AbortController()
  const resolve = () => {
    setImmediate(() => stop.abort(new Error('enough')))
    return new Promise<never>(() => {})
  }
  const network = openUntrustedNetwork({ apiUrl: 'https://api.test', allowedHosts: [] }, env, { resolve })
  const url = new URL('https://files.test/a')
  await assert.rejects(network.to(url, stop.signal), /enough/)
  await assert.rejects(network.to(url, stop.signal), /enough/)
  await network.close()
})

for (const [http2, expected] of [
  [undefined, ['http/1.1', 'h2']],
  [false, ['http/1.1']],
] as const) {
  test(`a host is offered ${expected.join(' and ')} if HTTP/2 is ${http2 === false ? 'off' : 'not mentioned'}`, async () => {
    await using authority = await certificateAuthority()
    const offered = Promise.withResolvers<string[]>()
    const ALPNCallback = ({ protocols }: { protocols: string[] }) => {
      offered.resolve(protocols)
      return 'http/1.1'
    }
    await using server = await listen(() => {}, { tls: { ...authority.certificate, ALPNCallback } as Certificate })
    const options = http2 === undefined ? {} : { http2 }
    const network = openUntrustedNetwork({ apiUrl: server.origin, allowedHosts: [] }, {}, options)
    const connections = await network.to(new URL(server.origin))
    const request = connections.request({ origin: server.origin, path: '/', method: 'GET', headers: {} })
    await assert.rejects(request, 'nobody trusts the certificate')
    assert.deepEqual(await offered.promise, expected)
    await network.close()
  })
}

test('an IP address is not resolved behind a proxy', async () => {
  const resolved: string[] = []
  const resolve = async (name: string) => {
    resolved.push(name)
    return []
  }
  const env = { https_proxy: 'http://127.0.0.1:1' }
  const network = openUntrustedNetwork({ apiUrl: 'https://api.test', allowedHosts: [] }, env, { resolve })
  await network.to(new URL('https://93.184.215.14/a'))
  await network.to(new URL('https://files.test/a'))
  assert.deepEqual(resolved, ['files.test'])
  await network.close()
})

test('after its end, an untrusted network makes no request to any host', async () => {
  const network = openUntrustedNetwork({ apiUrl: 'https://api.test', allowedHosts: [] }, {})
  const ways = [await network.to(new URL('https://api.test/a')), await network.to(new URL('https://files.test/a'))]
  assert.equal(new Set(ways).size, 2)
  await network.close()
  for (const way of ways) {
    const request = way.request({ origin: 'https://files.test', path: '/a', method: 'GET', headers: {} })
    await assert.rejects(request, { message: 'the connections are closed' })
  }
})
