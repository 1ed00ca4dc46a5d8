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

const NO_PROXY: [entry: string, exempt: string[], proxied: string[]][] = [
  ['example.com', ['http://example.com', 'http://a.example.com', 'http://EXAMPLE.com.'], ['http://notexample.com']],
  ['.example.com', ['http://example.com', 'http://a.example.com'], ['http://notexample.com']],
  ['*.example.com', ['http://a.example.com'], ['http://example.com']],
  ['*', ['http://a.test', 'http://10.0.0.1'], []],
  ['a.test:8080', ['http://a.test:8080'], ['http://a.test', 'http://a.test:80']],
  ['a.test:443', ['https://a.test'], ['http://a.test']],
  [
    '10.0.0.0/8',
    ['http://10.9.8.7', 'https://10.0.0.1:8443'],
    ['http://11.0.0.1', 'http://ten.test', 'http://10.a.test'],
  ],
  ['192.168.1.128/25', ['http://192.168.1.200'], ['http://192.168.1.100']],
  ['0.0.0.0/0', ['http://8.8.8.8'], ['http://a.test', 'http://[2001:db8::1]']],
  ['10.1.2.3', ['http://10.1.2.3'], ['http://10.1.2.4']],
  ['fd00::/8', ['http://[fd12::1]'], ['http://[fe80::1]', 'http://10.0.0.1']],
  ['[fd12::1]:8080', ['http://[fd12::1]:8080'], ['http://[fd12::1]']],
  ['2001:db8::1', ['http://[2001:db8:0::1]'], ['http://[2001:db8::2]']],
  ['10.0.0.0/33', [], ['http://10.0.0.1']],
  ['other.test a.test', ['http://a.test', 'http://other.test'], ['http://b.test']],
]
for (const [entry, exempt, proxied] of NO_PROXY) {
  test(`no_proxy=${entry} exempts what it names and nothing else`, () => {
    const env = { http_proxy: 'http://p', https_proxy: 'http://p', no_proxy: entry }
    for (const url of exempt) assert.equal(through(env, url), undefined, url)
    for (const url of proxied) assert.equal(through(env, url), 'http://p/', url)
  })
}

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
