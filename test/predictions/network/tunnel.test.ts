import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { ProxyRefusal } from '../../../src/predictions/network/connect-errors.ts'
import { causeOf, errorCode } from '../../../src/predictions/network/network-errors.ts'
import { type ProxyServer, proxiesOf } from '../../../src/predictions/network/proxy.ts'
import { offeredSchemes, openTunnel } from '../../../src/predictions/network/tunnel.ts'

/** Asks a proxy that says one thing for a tunnel. */
async function ask(answer: string, setting = 'http://proxy.test') {
  const requests: string[] = []
  const answered = (socket: Socket) =>
    void socket
      .on('error', () => {})
      .once('data', (data) => {
        requests.push(data.toString())
        if (answer === '') socket.destroy()
        else socket.write(answer)
      })
  await using server = Object.assign(createServer(answered).listen(0, '127.0.0.1'), {
    [Symbol.asyncDispose]: async () => void server.close(),
  })
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const proxy = proxiesOf({ https_proxy: setting })(new URL('https://files.test')) as ProxyServer
  const outcome = await openTunnel(proxy, socket, 'files.test:443').catch((error: unknown) => error)
  const first = outcome === socket ? String(socket.read() ?? '') : ''
  const { destroyed } = socket
  socket.destroy()
  return { outcome, socket, first, destroyed, lines: (requests[0] ?? '').split('\r\n') }
}

const refusalOf = ({ outcome }: { outcome: unknown }) => causeOf(outcome, ProxyRefusal)

test('a tunnel is requested with the host and port, and the user name and password of the proxy', async () => {
  const { lines } = await ask('HTTP/1.1 200 OK\r\n\r\n', 'http://user:secret@proxy.test')
  assert.equal(lines[0], 'CONNECT files.test:443 HTTP/1.1')
  assert.ok(lines.includes('host: files.test:443'))
  assert.ok(lines.includes('connection: keep-alive'))
  assert.ok(lines.includes('proxy-connection: keep-alive'))
  assert.ok(lines.includes(`proxy-authorization: Basic ${Buffer.from('user:secret').toString('base64')}`))
})

test('a proxy without a user name gets no credentials', async () => {
  const { lines } = await ask('HTTP/1.1 200 OK\r\n\r\n')
  assert.equal(lines.join().includes('authorization'), false)
})

test('a tunnel is open with every status from 200 to 299, and the bytes after the response come out of it', async () => {
  for (const status of [200, 204, 299]) {
    const { outcome, socket, first, destroyed } = await ask(`HTTP/1.1 ${status} Fine\r\n\r\nhello`)
    assert.equal(outcome, socket)
    assert.equal(first, 'hello')
    assert.equal(destroyed, false)
  }
})

test('a tunnel that is refused is closed, and the error has the status', async () => {
  for (const status of [300, 403, 502]) {
    const asked = await ask(`HTTP/1.1 ${status} No\r\n\r\n`)
    assert.equal(refusalOf(asked)?.status, status)
    assert.equal(refusalOf(asked)?.message, `the proxy of https_proxy returned ${status}`)
    assert.equal(asked.destroyed, true)
  }
})

test('a proxy that wants another kind of authentication is refused with its name', async () => {
  const asked = await ask('HTTP/1.1 407 No\r\nproxy-authenticate: Negotiate\r\n\r\n')
  assert.match(refusalOf(asked)?.message ?? '', /requires Negotiate authentication/)
})

test('headers of a proxy may be longer than the 16 KiB of Node', async () => {
  const { outcome, socket } = await ask(`HTTP/1.1 200 OK\r\nx-policy: ${'p'.repeat(100_000)}\r\n\r\n`)
  assert.equal(outcome, socket)
})

test('a proxy that closes the connection is an error of the network', async () => {
  const { outcome } = await ask('')
  assert.equal(errorCode(outcome), 'ECONNRESET')
})

test('the kinds of authentication are the first words of the headers that offer them', () => {
  assert.deepEqual(offeredSchemes(undefined), [])
  assert.deepEqual(offeredSchemes('Basic realm="proxy"'), ['Basic'])
  assert.deepEqual(offeredSchemes([' Negotiate', 'NTLM', 'Bearer x']), ['Negotiate', 'NTLM', 'Bearer'])
})

test('a kind of authentication with an invalid name is not shown', () => {
  assert.deepEqual(offeredSchemes(['"Basic"', '', 'x'.repeat(21), `${'x'.repeat(20)} realm`]), ['x'.repeat(20)])
})
