import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMappedAddress, isPublicAddress } from '../../../src/predictions/network/addresses.ts'

test('an address is public only if it is known to be', () => {
  for (const address of [
    '1.1.1.1',
    '93.184.215.14',
    '2606:4700:4700::1111',
    '2a00:1450::1',
    '2a00:1450::1%eth0',
    '3ffe::1',
    '64:ff9b::101:101',
    '::ffff:8.8.8.8',
  ]) {
    assert.equal(isPublicAddress(address), true, address)
  }
  const others =
    '0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 198.18.0.1 224.0.0.1 255.255.255.255 168.63.129.16 ' +
    ':: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::7f00:1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 2001:db8::1 2002:7f00:1:: 64:ff9b:: 64:ff9b:1::a9fe:a9fe ::ffff:0:7f00:1 ::ffff:0:8.8.8.8 100::1 100:0:0:1::1 1::1 4000::1 5f00::1 8000::1 1fff:ffff::1 2001:10::1 3fff::1 nonsense'
  for (const address of others.split(' ')) assert.equal(isPublicAddress(address), false, address)
})

test('only an address in 198.18.0.0/15 counts as mapped by a local proxy', () => {
  const addresses = ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.1', '::ffff:198.18.0.1']
  assert.deepEqual(addresses.filter(isMappedAddress), ['198.18.0.0', '198.19.255.255'])
})
