import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { allowedAddresses, checkUrl, HostRefusal, publicLookup } from '../../../src/predictions/network/host-policy.ts'

const policy = (...allowedHosts: string[]) => ({ apiUrl: 'https://gateway.example.org/v1', allowedHosts })
const trusted = (url: string, ...allowedHosts: string[]) => checkUrl(new URL(url), policy(...allowedHosts)).trusted
const refused = (url: string, ...allowedHosts: string[]) =>
  assert.throws(() => trusted(url, ...allowedHosts), HostRefusal, url)

describe('a URL', () => {
  test('a URL of any public https host is requested', () =>
    assert.equal(trusted('https://files.example.com/a.png'), false))
  test('a URL over http, with credentials or with another scheme is refused', () => {
    for (const url of [
      'http://files.example.com/a',
      'https://me@files.example.com/a',
      'https://me:pw@files.example.com/a',
      'ftp://files.example.com/a',
      'file:///etc/passwd',
    ])
      refused(url)
  })
  test('the refusal of a URL says what is not allowed', () => {
    for (const [url, message] of [
      ['http://files.example.com/a', 'its scheme is http, and only https is allowed. If you trust it, add the line'],
      ['ftp://files.example.com/a', 'its scheme is ftp, and only https is allowed'],
      ['https://me:pw@files.example.com/a', 'it contains a user name or a password'],
      ['https://10.0.0.1/a', 'its host 10.0.0.1 is not a public address. If you trust it, add the line'],
    ] as const)
      assert.throws(
        () => trusted(url),
        (error) => error instanceof HostRefusal && error.message.startsWith(message),
        url,
      )
    assert.throws(
      () => trusted('https://a.test/a', 'b.test'),
      /^HostRefusal: its host a\.test is not in allowed-hosts\. /,
    )
  })
  test('a URL with a private IP address is refused in every notation', () => {
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
  test('a URL of the origin of api-url is trusted, and no other port or scheme of its host', () => {
    assert.equal(trusted('https://gateway.example.org/a'), true)
    assert.equal(trusted('https://gateway.example.org.:443/a'), true)
    assert.equal(trusted('https://gateway.example.org:8443/a'), false)
    assert.equal(trusted('https://not-gateway.example.org/a'), false)
    refused('http://gateway.example.org/a')
    const local = { apiUrl: 'http://127.0.0.1:8080/v1', allowedHosts: [] }
    assert.equal(checkUrl(new URL('http://127.0.0.1:8080/files/a'), local).trusted, true)
    for (const url of ['http://127.0.0.1:2375/containers', 'https://127.0.0.1:8080/a', 'http://localhost:8080/a'])
      assert.throws(() => checkUrl(new URL(url), local), HostRefusal, url)
  })
  test('a URL of an allowed host is trusted on any port, and no other is requested', () => {
    assert.equal(trusted('http://10.0.0.1:8080/a', '10.0.0.1'), true)
    assert.equal(trusted('https://[fd00::1]/a', '[fd00::1]'), true)
    assert.equal(trusted('https://CDN.example.com/a', 'cdn.example.com'), true)
    assert.equal(trusted('https://a.b.example.com/a', '*.example.com'), true)
    assert.equal(trusted('https://gateway.example.org/a', 'cdn.example.com'), true)
    refused('https://example.com/a', '*.example.com')
    refused('https://badexample.com/a', '*.example.com')
    refused('https://files.example.net/a', 'cdn.example.com', '*.example.com')
  })
  test('a URL of any public host is allowed over https if allowed-hosts contains the word public', () => {
    assert.equal(trusted('https://files.example.net/a', '10.0.0.1', 'public'), false)
    assert.equal(trusted('http://10.0.0.1/a', 'public', '10.0.0.1'), true)
    for (const url of ['https://10.0.0.2/a', 'http://files.example.net/a', 'http://public/a'])
      refused(url, 'public', '10.0.0.1')
  })
  test('the refusal of a URL names the allowed-hosts line that would allow it', () => {
    const line = (url: string, ...allowedHosts: string[]) => {
      try {
        trusted(url, ...allowedHosts)
      } catch (error) {
        return /add the line "(.*)"$/.exec((error as Error).message)?.[1]
      }
      throw new Error('it was not refused')
    }
    assert.equal(line('https://10.0.0.1/a'), 'allowed-hosts: public, 10.0.0.1')
    assert.equal(line('http://files.example.com/a'), 'allowed-hosts: public, files.example.com')
    assert.equal(line('https://x.test/a', 'cdn.example.com'), 'allowed-hosts: cdn.example.com, x.test')
    assert.equal(line('https://x.test/a', '*.example.com'), "allowed-hosts: '*.example.com, x.test'")
    assert.equal(line('ftp://x.test/a'), undefined)
  })
})

describe('a name', () => {
  const addresses = (...list: string[]) => list.map((address) => ({ address }))
  test('a host name is connected to only if all its addresses are public', () => {
    const list = addresses('1.1.1.1', '2606:4700::1111')
    assert.equal(allowedAddresses('x.test', list, policy()), list)
    for (const address of ['10.0.0.1', 'fd00::1', '127.0.0.1'])
      assert.throws(
        () => allowedAddresses('x.test', addresses('1.1.1.1', address), policy()),
        new HostRefusal(
          `its host x.test resolves to ${address}, which is not a public address. If you trust it, add the line "allowed-hosts: public, x.test"`,
        ),
      )
  })
  test('a host name that a local proxy maps is connected to only at the addresses of the proxy, with a warning', () => {
    const told: string[] = []
    const mappedPolicy = {
      ...policy(),
      onMappedName: (host: string, address: string) => told.push(`${host} ${address}`),
    }
    const list = addresses('fc00::1', '198.18.0.27', '10.0.0.1', '198.19.255.254')
    assert.deepEqual(allowedAddresses('x.test', list, mappedPolicy), addresses('198.18.0.27', '198.19.255.254'))
    assert.deepEqual(told, ['x.test 198.18.0.27'])
    assert.equal(allowedAddresses('x.test', list, policy()).length, 2)
    refused('https://198.18.0.27/a')
  })
  test('a socket gets one address of a host, or all of them', async () => {
    const looked = (all: boolean) =>
      new Promise((resolve) => publicLookup(policy())('1.1.1.1', { all }, (...found) => resolve(found)))
    assert.deepEqual(await looked(false), [null, '1.1.1.1', 4])
    assert.deepEqual(await looked(true), [null, [{ address: '1.1.1.1', family: 4 }]])
  })
  test('a host name that resolves to this machine, or to nothing, is refused at the socket', async () => {
    const looked = (host: string) =>
      new Promise<unknown[]>((resolve) => publicLookup(policy())(host, { all: true }, (...found) => resolve(found)))
    const [refusal, ...nothing] = await looked('localhost')
    assert.ok(refusal instanceof HostRefusal)
    const [failure, ...none] = await looked('nowhere.invalid')
    assert.equal((failure as NodeJS.ErrnoException).syscall, 'getaddrinfo')
    assert.deepEqual(
      [nothing, none],
      [
        ['', 0],
        ['', 0],
      ],
    )
  })
})
