import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProxyError, proxiesOf } from '../../../src/predictions/network/dispatcher.ts'

test('a proxy is read in either case, with or without its scheme', () => {
  const { httpProxy, httpsProxy } = proxiesOf({
    http_proxy: 'proxy.local:3128',
    HTTPS_PROXY: 'https://u:p@proxy.local',
  })
  assert.deepEqual([httpProxy, httpsProxy], ['http://proxy.local:3128/', 'https://u:p@proxy.local/'])
  assert.equal(proxiesOf({ http_proxy: '' }).httpProxy, undefined)
})

test('a proxy that cannot be used is refused by the name of its variable, without what may be a password', () => {
  for (const setting of ['socks5://u:secret@proxy.local', 'http://u:secret@', 'http://[secret'])
    assert.throws(
      () => proxiesOf({ https_proxy: setting }),
      (error) => error instanceof ProxyError && /https_proxy/.test(error.message) && !/secret/.test(error.message),
      setting,
    )
})
