import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ProxyEnvironment, ProxyError, proxiesOf } from '../../../src/predictions/network/proxy.ts'

/** The proxy that a URL goes through, as its href; undefined for none. */
const through = (env: ProxyEnvironment, url: string) => proxiesOf(env)(new URL(url))?.url.href

test('a proxy variable is read in either case, with or without a scheme', () => {
  const env = { http_proxy: 'proxy.local:3128', HTTPS_PROXY: 'https://u:p@proxy.local' }
  assert.equal(through(env, 'http://a.test/'), 'http://proxy.local:3128/')
  assert.equal(through(env, 'https://a.test/'), 'https://u:p@proxy.local/')
  assert.equal(proxiesOf(env)(new URL('https://a.test/'))?.variable, 'HTTPS_PROXY')
  assert.equal(through({ http_proxy: '' }, 'http://a.test/'), undefined)
})

test('http_proxy is for http only, and https_proxy for https only', () => {
  assert.equal(through({ http_proxy: 'http://p' }, 'https://a.test/'), undefined)
  assert.equal(through({ https_proxy: 'http://p' }, 'http://a.test/'), undefined)
})

test('a user name and password reach the proxy decoded, and a bare percent sign as it is', () => {
  const authorization = (setting: string) => proxiesOf({ http_proxy: setting })(new URL('http://a.test'))?.authorization
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  assert.equal(authorization('http://user:p%40ss%2Fword@p'), basic('user:p@ss/word'))
  assert.equal(authorization('http://user:100%@p'), basic('user:100%'))
  assert.equal(authorization('http://user@p'), basic('user:'))
  assert.equal(authorization('http://p'), undefined)
})

test('no_proxy is read in either case, and in lower case if it is set in both', () => {
  const proxied = (env: ProxyEnvironment) => through({ http_proxy: 'http://p', ...env }, 'http://a.test') !== undefined
  assert.equal(proxied({ no_proxy: 'a.test' }), false)
  assert.equal(proxied({ NO_PROXY: 'a.test' }), false)
  assert.equal(proxied({ no_proxy: '', NO_PROXY: 'a.test' }), false)
  assert.equal(proxied({ no_proxy: 'b.test', NO_PROXY: 'a.test' }), true)
  assert.equal(proxied({}), true)
})

test('a scheme counts only at the start of a proxy setting', () => {
  assert.equal(through({ http_proxy: 'proxy.local/a://b' }, 'http://a.test'), 'http://proxy.local/a://b')
})

test('loopback never goes through a proxy', () => {
  for (const url of ['http://localhost', 'http://127.0.0.1:8080', 'https://[::1]'])
    assert.equal(through({ http_proxy: 'http://p', https_proxy: 'http://p' }, url), undefined, url)
})

test('an invalid proxy is reported by the name of its variable, without what may be a password', () => {
  for (const setting of ['socks5://u:secret@proxy.local', 'http://u:secret@', 'http://[secret'])
    assert.throws(
      () => proxiesOf({ https_proxy: setting }),
      (error) => error instanceof ProxyError && /https_proxy/.test(error.message) && !/secret/.test(error.message),
      setting,
    )
})
