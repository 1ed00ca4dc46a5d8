import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ProxyEnvironment, proxiesOf } from '../../../src/predictions/network/proxy.ts'

/** The proxy that a URL goes through, as its href; undefined for none. */
const through = (env: ProxyEnvironment, url: string) => proxiesOf(env)(new URL(url))?.url.href

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
  ['10.0.0.0/8x', [], ['http://10.0.0.1']],
  ['10.0.0.1/32', ['http://10.0.0.1'], ['http://10.0.0.0']],
  ['fd00::/129', [], ['http://[fd00::1]']],
  ['fe80::1%eth0', [], ['http://[fe80::1]']],
  ['other.test a.test', ['http://a.test', 'http://other.test'], ['http://b.test']],
]
for (const [entry, exempt, proxied] of NO_PROXY) {
  test(`no_proxy=${entry} exempts what it names and nothing else`, () => {
    const env = { http_proxy: 'http://p', https_proxy: 'http://p', no_proxy: entry }
    for (const url of exempt) assert.equal(through(env, url), undefined, url)
    for (const url of proxied) assert.equal(through(env, url), 'http://p/', url)
  })
}
