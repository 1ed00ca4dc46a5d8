import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkUrl, HostRefusal, isPublicAddress } from '../../../src/predictions/network/addresses.ts'

const policy = (...allowedHosts: string[]) => ({ apiUrl: 'https://gateway.example.org/v1', allowedHosts })
const trusted = (url: string, ...allowedHosts: string[]) => checkUrl(new URL(url), policy(...allowedHosts)).trusted
const refused = (url: string, ...allowedHosts: string[]) =>
  assert.throws(() => trusted(url, ...allowedHosts), HostRefusal, url)

test('an address is public where the registries of special addresses do not name it', () => {
  for (const address of ['1.1.1.1', '93.184.215.14', '2606:4700:4700::1111', '64:ff9b::101:101', '::ffff:8.8.8.8']) {
    assert.equal(isPublicAddress(address), true, address)
  }
  const others =
    '0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 198.18.0.1 224.0.0.1 255.255.255.255 168.63.129.16 ' +
    ':: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::7f00:1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 2001:db8::1 2002:7f00:1:: nonsense'
  for (const address of others.split(' ')) assert.equal(isPublicAddress(address), false, address)
})

describe('a URL', () => {
  test('of any public https host is asked', () => assert.equal(trusted('https://files.example.com/a.png'), false))
  test('over http, with credentials or of another scheme is refused', () => {
    for (const url of [
      'http://files.example.com/a',
      'https://me@files.example.com/a',
      'https://me:pw@files.example.com/a',
      'ftp://files.example.com/a',
      'file:///etc/passwd',
    ])
      refused(url)
  })
  test('of a literal private address is refused in every notation', () => {
    for (const host of [
      '127.0.0.1',
      '0x7f.1',
      '2130706433',
      '017700000001',
      '127.1',
      '169.254.169.254',
      '0xa9fea9fe',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[64:ff9b::7f00:1]',
      '10.0.0.1',
      '１２７.0.0.1',
    ])
      refused(`https://${host}/a`)
  })
  test('of the host of api-url is trusted, also over http', () => {
    assert.equal(trusted('http://gateway.example.org:8080/a'), true)
    assert.equal(trusted('https://gateway.example.org./a'), true)
    assert.equal(trusted('https://not-gateway.example.org/a'), false)
  })
  test('of an allowed host is trusted, and no other is asked', () => {
    assert.equal(trusted('http://10.0.0.1/a', '10.0.0.1'), true)
    assert.equal(trusted('https://CDN.example.com/a', 'cdn.example.com'), true)
    assert.equal(trusted('https://a.b.example.com/a', '*.example.com'), true)
    assert.equal(trusted('https://gateway.example.org/a', 'cdn.example.com'), true)
    refused('https://example.com/a', '*.example.com')
    refused('https://badexample.com/a', '*.example.com')
    refused('https://files.example.net/a', 'cdn.example.com', '*.example.com')
  })
})
