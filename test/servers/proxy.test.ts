import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { ProxyAgent } from 'undici'
import { certificateAuthority } from '../support/certificate.ts'
import { startProxy } from './proxy.ts'
import { startSimulator } from './simulator.ts'

test('the double of a proxy over TLS lets nothing pass without its password', async () => {
  await using authority = await certificateAuthority('gateway.test')
  const ca = await readFile(authority.caFile, 'utf8')
  await using simulator = await startSimulator({ tls: authority.certificate })
  const { host } = new URL(simulator.origin)
  await using proxy = await startProxy(
    { 'gateway.test:443': host },
    { credentials: 'octo:p@ss/word', tls: authority.certificate },
  )
  const url = simulator.file('a.txt', { body: Buffer.from('a cake') }).replace(simulator.origin, 'https://gateway.test')
  const get = async (token?: string) => {
    const tls = { requestTls: { ca }, proxyTls: { ca } }
    const dispatcher = new ProxyAgent({ uri: proxy.url, ...tls, ...(token === undefined ? {} : { token }) })
    try {
      const { body } = await dispatcher.request({
        origin: 'https://gateway.test',
        path: new URL(url).pathname,
        method: 'GET',
      })
      return await body.text()
    } finally {
      await dispatcher.close()
    }
  }
  await assert.rejects(get(), /407/)
  assert.equal(await get(`Basic ${Buffer.from('octo:p@ss/word').toString('base64')}`), 'a cake')
  assert.deepEqual(proxy.refused, ['CONNECT gateway.test:443'])
  assert.deepEqual(proxy.passed, ['CONNECT gateway.test:443'])
})
